/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * degraded.h - services of mode split or adopt whose backends lack an agent for this mode, found
 * before a connection comes. No I/O but the log; times are passed in, in ns. Context: event loop.
 */
#ifndef SP_NODE_DEGRADED_H
#define SP_NODE_DEGRADED_H

#include "cluster/cluster.h"
#include "node/mode.h"

#define SP_DEGRADEDS_MAX	256	/* services of a configuration */
#define SP_DEGRADED_STRLEN	320

/**
 * struct sp_degradation - backends of a service that get less than the service's mode
 * @backends:	number of backends with a weight, in all pools
 * @lacking:	number of backends with a lesser mode
 * @lacking_hash: of those backends and their reasons
 * @pool, @backend: the first such backend, borrowed
 * @mode, @reason: its mode, and why
 */
struct sp_degradation {
	unsigned int			backends, lacking;
	__u32				lacking_hash;
	const struct sp_pool_conf	*pool;
	const struct sp_backend_conf	*backend;
	enum sp_mode			mode;
	enum sp_mode_reason		reason;
};

/* @of: in the order of the services of @config */
struct sp_degraded {
	const struct sp_config	*config;
	struct sp_degradation	of[SP_DEGRADEDS_MAX];
	__u64			next_ns;
	int			is_stale;
};

/*
 * @config: borrowed until the next call. The first report is after two seconds, when agents have
 * sent HELLOs.
 */
void sp_degraded_configure(struct sp_degraded *s, const struct sp_config *config, __u64 now_ns);
/* A member came, is gone, or has new abilities: check again after three HELLOs. */
void sp_degraded_changed(struct sp_degraded *s, __u64 now_ns);
/* Check at most once a second, and log the changes of each service. */
void sp_degraded_tick(struct sp_degraded *s, const struct sp_cluster *cluster, __u64 now_ns);

/*
 * @buf: SP_DEGRADED_STRLEN bytes. Return: @buf with the warning; NULL: the service has its mode
 * everywhere.
 */
const char *sp_degradation_format(const struct sp_service_conf *service,
				  const struct sp_degradation *s, char *buf);

#endif
