/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* timeouts.h - time-outs of a service's splices in the place of the configuration's. No state. */
#ifndef SP_NODE_TIMEOUTS_H
#define SP_NODE_TIMEOUTS_H

#include "config/config.h"
#include "splice/splice.h"

/*
 * EITHER: the half up was not read yet; the shorter of both time-outs is a lower bound.
 */
enum sp_splice_kind { SP_SPLICE_REQUESTS, SP_SPLICE_TUNNEL, SP_SPLICE_EITHER };

/* @up: the half up, and its boundary. An accepted Upgrade or CONNECT has none. */
enum sp_splice_kind sp_splice_kind(const struct sp_half *up, const struct sp_boundary *boundary);

/**
 * sp_timeouts_of() - the limits of a splice
 * @config:	NULL: without services
 * @own:	filled if the service has time-outs
 * Return: @own, or @limits.
 */
const struct sp_limits_conf *sp_timeouts_of(const struct sp_config *config,
					    const struct sp_limits_conf *limits,
					    const struct sp_tuple *front, enum sp_splice_kind kind,
					    struct sp_limits_conf *own);

/* The keepalive of a service, with a period; else NULL. */
const struct sp_keepalive_conf *sp_keepalive_of(const struct sp_config *config,
						const struct sp_tuple *front);
/* The silence after which an end is lost, see age_keepalive.c. */
static inline __u64 sp_keepalive_lost_ns(__u64 period_ns, unsigned int count)
{
	return (count + 1) * period_ns;
}

/* Whether a splice may have another keepalive by @config than by @before. */
int sp_keepalive_differs(const struct sp_config *config, const struct sp_config *before);
/* The shortest period of all services; none: as good as endless. */
__u64 sp_keepalive_least_ns(const struct sp_config *config);
/* The pause between walks over the splices, so that each period has some. 0: the usual pause. */
unsigned int sp_keepalive_pause_ms(const struct sp_config *config);

/* How long the store keeps the record of a splice after a refresh; @usual_ns: as it was opened. */
__u64 sp_timeouts_ttl_ns(const struct sp_config *config, __u64 usual_ns,
			 const struct sp_tuple *front, enum sp_splice_kind kind);

#endif
