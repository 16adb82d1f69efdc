/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * holders.h - number of live splices of each client, for when ports or room run short. A client is
 * an IPv4 address, or an IPv6 /64, because one host may have a whole /64.
 *
 * A count-min sketch of 256 KiB, for any number of clients. A count is never too low. With a
 * million clients of one splice each, a count is some 50 too high. The hash has a key, so a client
 * can't choose which clients share its counters. No errors, no allocation; the caller owns the
 * struct, zeroed at first.
 */
#ifndef SP_NODE_HOLDERS_H
#define SP_NODE_HOLDERS_H

#include "abi/tuple.h"

#define SP_HOLDERS_ROWS		4
#define SP_HOLDERS_COLUMNS_BITS	14

#define SP_HOLDERS_FEW		64

/*
 * @added: splices since the last clear; @first: hashes of the first splices, so that a few are
 *		cleared singly
 */
struct sp_holders {
	__u32	added;
	__u64	first[SP_HOLDERS_FEW];
	__u32	counts[SP_HOLDERS_ROWS][1 << SP_HOLDERS_COLUMNS_BITS];
};

/* Count one splice of @client. @key: random, of SipHash */
void sp_holders_add(struct sp_holders *h, const __u64 key[2], const struct sp_addr *client);
/* Forget all splices. */
void sp_holders_clear(struct sp_holders *h);
/* Return: an upper bound of the splices of @client. */
__u32 sp_holders_count(const struct sp_holders *h, const __u64 key[2],
		       const struct sp_addr *client);

#endif
