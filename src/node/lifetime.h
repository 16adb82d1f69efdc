/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* lifetime.h - how long a splice may be without packets before it goes. For the ager; no state, no clock. */
#ifndef SP_NODE_LIFETIME_H
#define SP_NODE_LIFETIME_H

#include "abi/half.h"
#include "config/config.h"

/**
 * struct sp_lifetime - a splice as one machine knows it
 * @up, @down:	what its halves have carried here; @up is NULL where the client's port has a newer splice
 * @is_shared:	other proxies carry it, too, and what they saw is not known here
 * @is_split:	an agent carries the half down: acknowledgements of what the client sends pass no proxy
 * @is_agent:	this machine is that agent
 * @is_short:	ports or room run short
 */
struct sp_lifetime {
	const struct sp_half_state	*up;
	const struct sp_half_state	*down;
	__u8			is_shared;
	__u8			is_split;
	__u8			is_agent;
	__u8			is_short;
};

/* How long it may be quiet, in nanoseconds since its last packet. */
__u64 sp_lifetime_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l);

/* The least that sp_lifetime_ns() may return, for all that @l->down tells; @l->up is not looked at. */
__u64 sp_lifetime_least_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l);

#endif
