/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tuple.h - addresses and the four-tuple of a TCP packet. Read by everybody. Layout is ABI. */
#ifndef SP_ABI_TUPLE_H
#define SP_ABI_TUPLE_H

#include "ktypes.h"

/**
 * struct sp_addr - an IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)
 * @w:	the four words (network byte order)
 */
struct sp_addr {
	__be32	w[4];
};

/**
 * struct sp_tuple - source and destination of a packet, as on the wire
 * @saddr:	source address
 * @daddr:	destination address
 * @sport:	source port (network byte order)
 * @dport:	destination port (network byte order)
 *
 * Key of map sp_halves. Both addresses are of the same family.
 */
struct sp_tuple {
	struct sp_addr	saddr;
	struct sp_addr	daddr;
	__be16		sport;
	__be16		dport;
};
_Static_assert(sizeof(struct sp_tuple) == 36, "struct sp_tuple is ABI");

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SP_V4_MAPPED ((__be32)0xffff0000)
#else
#define SP_V4_MAPPED ((__be32)0x0000ffff)
#endif

sp_inline struct sp_addr sp_addr_v4(__be32 a)
{
	return (struct sp_addr){ .w = { 0, 0, SP_V4_MAPPED, a } };
}

sp_inline int sp_addr_is_v4(const struct sp_addr *a)
{
	return a->w[0] == 0 && a->w[1] == 0 && a->w[2] == SP_V4_MAPPED;
}

sp_inline int sp_addr_equal(const struct sp_addr *a, const struct sp_addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] &&
	       a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

/* Of IP and TCP, without options: what an MTU has beside the MSS. */
sp_inline __u32 sp_addr_header_bytes(const struct sp_addr *a)
{
	return sp_addr_is_v4(a) ? 40 : 60;
}

/* The same connection, seen from the other end. */
sp_inline struct sp_tuple sp_tuple_reverse(const struct sp_tuple *t)
{
	return (struct sp_tuple){
		.saddr = t->daddr, .daddr = t->saddr,
		.sport = t->dport, .dport = t->sport,
	};
}

#endif
