/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* degraded.h - services of mode split or adopt whose backends' agents can't do it: seen before a connection comes. */
#ifndef SP_NODE_SHORTFALL_H
#define SP_NODE_SHORTFALL_H

#include "cluster/cluster.h"
#include "node/mode.h"

#define SP_DEGRADEDS_MAX	256	/* services of a configuration */
#define SP_DEGRADED_STRLEN	320

/**
 * struct sp_degradation - of one service
 * @backends:	that it has in all its pools, but for those of weight 0
 * @lacking:	of them, those that get less than it asks for
 * @lacking_hash: which ones, and what they get
 * @pool, @backend: the first of those
 * @mode, @reason: what that one gets, and why
 */
struct sp_degradation {
	unsigned int			backends, lacking;
	__u32				lacking_hash;
	const struct sp_pool_conf	*pool;
	const struct sp_backend_conf	*backend;
	enum sp_mode			mode;
	enum sp_mode_reason		reason;
};

/* @of: as the services are in @config */
struct sp_degraded {
	const struct sp_config	*config;
	struct sp_degradation	of[SP_DEGRADEDS_MAX];
	__u64			next_ns;
	int			is_stale;
};

/* @config: borrowed until the next call. For two seconds nothing is said: agents are not heard of at once. */
void sp_degraded_configure(struct sp_degraded *s, const struct sp_config *config, __u64 now_ns);
/* Some member came, or is gone, or can do other things: it is looked at again as soon as it has had time to say all. */
void sp_degraded_changed(struct sp_degraded *s, __u64 now_ns);
/* Looks at most once a second, and logs what is different for a service. */
void sp_degraded_tick(struct sp_degraded *s, const struct sp_cluster *cluster, __u64 now_ns);

/* What should be said of a service, into @buf of SP_DEGRADED_STRLEN bytes. Return: @buf; NULL: nothing. */
const char *sp_degradation_format(const struct sp_service_conf *service, const struct sp_degradation *s, char *buf);

#endif
