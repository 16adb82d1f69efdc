/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lifetime.h - how long a splice may be quiet before it ends. For the ager; no state, no clock,
 * times in ns.
 */
#ifndef SP_NODE_LIFETIME_H
#define SP_NODE_LIFETIME_H

#include "abi/half.h"
#include "config/config.h"

/**
 * struct sp_lifetime - a splice as seen by one machine
 * @up, @down:	state of the halves, borrowed; @up is NULL if the client's port has a newer splice
 * @is_shared:	other proxies may carry packets unseen by this machine
 * @is_split:	an agent carries the half down, so acknowledgements of the client's data pass no
 *		proxy
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

/* Return: the longest silence, since the last packet. */
__u64 sp_lifetime_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l);

/* Return: a lower bound of sp_lifetime_ns(), from @l->down alone. */
__u64 sp_lifetime_least_ns(const struct sp_limits_conf *limits, const struct sp_lifetime *l);

#endif
