/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * limit.h - refusals at a connection's SYN and first segment: lists of prefixes, rates and counts.
 * Layout is ABI.
 *
 * A SYN is free, since the source may be forged. The first segment has a cookie, so the source is
 * real: the segment admits the connection, once. An admitted connection counts until the close.
 */
#ifndef SP_ABI_LIMIT_H
#define SP_ABI_LIMIT_H

#include "tuple.h"

#define SP_RANGES_MAX	65536	/* prefixes in the lists of all services */
#define SP_TOTALS_MAX	1024
#define SP_ADDR_BITS	128
#define SP_RANGE_BITS_ALL 32	/* of a range with every address of a service */

/**
 * struct sp_limit - limits of a service, 0: none
 * @service_id:	sp_name_id() of the service's name
 * @connections: at one time, of all sources
 * @source_connections: at one time, of one source
 * @spacing_ns:	average time between new connections of one source
 * @burst_ns:	@spacing_ns for each connection but the first that may come at once
 * @bits_v4, @bits_v6: leading bits of an address (of 128) that make a source
 * @list:	0: map sp_ranges_0 is in effect; 1: map sp_ranges_1
 */
struct sp_limit {
	__u32	service_id;
	__u32	connections;
	__u32	source_connections;
	__u32	spacing_ns;
	__u64	burst_ns;
	__u8	bits_v4;
	__u8	bits_v6;
	__u8	list;
	__u8	pad[5];
};
_Static_assert(sizeof(struct sp_limit) == 32, "struct sp_limit is ABI");

/**
 * struct sp_range - key of maps sp_ranges_0 and sp_ranges_1; the longest match decides
 * @bits:	of the prefix, from @service_id on
 * @service_id:	as in struct sp_limit
 * @addr:	bits behind the prefix are zero
 */
struct sp_range {
	__u32		bits;
	__u32		service_id;
	struct sp_addr	addr;
};
_Static_assert(sizeof(struct sp_range) == 24, "struct sp_range is ABI");

enum { SP_RANGE_ALLOW, SP_RANGE_DENY };

/* struct sp_source_key - key of map sp_sources; bits of @addr behind the prefix are zero */
struct sp_source_key {
	struct sp_addr	addr;
	__u32		service_id;
};
_Static_assert(sizeof(struct sp_source_key) == 20, "struct sp_source_key is ABI");

/**
 * struct sp_source_state - value of map sp_sources
 * @next_ns:	CLOCK_MONOTONIC_COARSE at which the source is within the rate (GCRA)
 * @connections: admitted, and not closed
 */
struct sp_source_state {
	__u64	next_ns;
	__u32	connections;
	__u32	pad;
};

/**
 * struct sp_admitted - value of map sp_admitted, key struct sp_tuple: client -> service
 * @at_ns:	CLOCK_MONOTONIC_COARSE
 * @source:	the source that was counted: a reload may change prefixes
 * @client_isn:	tells the connection from a later one on the same tuple (host order)
 */
struct sp_admitted {
	__u64			at_ns;
	struct sp_source_key	source;
	__u32			client_isn;
};
_Static_assert(sizeof(struct sp_admitted) == 32, "struct sp_admitted is ABI");

/* The packet of program sp_leave: an admitted connection is over. */
struct sp_leave {
	__u8		ether[16];
	struct sp_tuple	front;
};

/* The first @bits of @addr, then zeros. */
sp_inline struct sp_addr sp_addr_prefix(const struct sp_addr *addr, __u32 bits)
{
	struct sp_addr prefix = *addr;

	for (int i = 0; i < 4; i++) {
		__u32 kept = bits <= 32U * i ? 0 : bits - 32U * i;

		if (kept < 32)
			prefix.w[i] &= __builtin_bswap32(kept ? ~0U << (32 - kept) : 0);
	}
	return prefix;
}

#endif
