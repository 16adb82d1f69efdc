/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* internal.h - struct sp_cluster, and calls between its files. For src/cluster/ only. */
#ifndef SP_CLUSTER_INTERNAL_H
#define SP_CLUSTER_INTERNAL_H

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
	sp_orders_fn			on_orders;
	void				*orders_ctx;
	__u64				orders_digest;
	struct sp_cluster_counters	counters;
	struct sp_datagrams		*datagrams;
	__u64				seq, ticked_ns, ticks;
	int				is_listed;	/* the store has answered */
	int				is_static;	/* the configuration names all members */
	int				open_handles;
	uv_poll_t			poll;
	uv_timer_t			timer;
};

/* Homes of connections may have changed. */
static inline void sp_cluster_homes_changed(struct sp_cluster *c)
{
	if (c->events)
		c->events->homes(c->ctx);
}

/* cluster/send.c */
/* Dead members get a HELLO as well: they may only seem dead. */
void sp_cluster_send_hello(struct sp_cluster *c);
/* This member's record, to the store or to the members named by the configuration. */
void sp_cluster_announce(struct sp_cluster *c);

/* cluster/receive.c, above send.c */
void sp_cluster_receive(struct sp_cluster *c);
/*
 * Declare silent members dead. @is_late: the daemon was suspended, so their silence means nothing.
 */
void sp_cluster_bury(struct sp_cluster *c, __u64 now_ns, int is_late);

#endif
