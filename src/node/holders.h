/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * holders.h - how many live splices each client holds, for when ports or room run short. A client is an IPv4 address,
 * or an IPv6 /64, which one host may have all of.
 *
 * A count-min sketch: 256 KiB, whatever the number of clients. A count is never too low; with a million clients of one
 * splice each it is some 50 too high, and nobody can choose whom they share it with, since the hash has a key.
 */
#ifndef SP_NODE_HOLDERS_H
#define SP_NODE_HOLDERS_H

#include "abi/tuple.h"

#define SP_HOLDERS_ROWS		4
#define SP_HOLDERS_COLUMNS_BITS	14

#define SP_HOLDERS_FEW		64

/* @added: since it was cleared; @first: what was hashed first, so that a few are cleared one by one */
struct sp_holders {
	__u32	added;
	__u64	first[SP_HOLDERS_FEW];
	__u32	counts[SP_HOLDERS_ROWS][1 << SP_HOLDERS_COLUMNS_BITS];
};

/* @key: of SipHash, random */
void sp_holders_add(struct sp_holders *h, const __u64 key[2], const struct sp_addr *client);
void sp_holders_clear(struct sp_holders *h);
__u32 sp_holders_count(const struct sp_holders *h, const __u64 key[2], const struct sp_addr *client);

#endif
