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

#endif
