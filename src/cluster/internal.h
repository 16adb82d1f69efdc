/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* internal.h - only for cluster*.c */
#ifndef SP_CLUSTER_INTERNAL_H
#define SP_CLUSTER_INTERNAL_H

#include <time.h>
#include <uv.h>

#include "cluster/cluster.h"
#include "cluster/datagram.h"
#include "base/seal.h"
#include "store/store.h"

struct sp_cluster {
	struct sp_members		members;
	struct sp_seal			seal;
	struct sp_store			*store;
	const struct sp_cluster_events	*events;
	void				*ctx;
	struct sp_cluster_counters	counters;
	struct sp_datagrams		*datagrams;
	__u64				seq, ticked_ns, ticks;
	int				is_listed;	/* the store has answered */
	int				is_static;	/* nobody but those whom the configuration names */
	int				open_handles;
	uv_poll_t			poll;
	uv_timer_t			timer;
};

/* CLOCK_REALTIME, which others are told of. */
static inline __s64 sp_cluster_real_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* cluster/tell.c */
/* To the dead as well: they may only seem so. */
void sp_cluster_say_hello(struct sp_cluster *c);
/* To the store. */
void sp_cluster_announce(struct sp_cluster *c);

#endif
