/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * held.h - the first bytes of a connection, put in order as they come (RFC 9293, 3.10.7.4). No
 * I/O, no heap.
 */
#ifndef SP_TCP_HELD_H
#define SP_TCP_HELD_H

#include "abi/ktypes.h"

/* as many segments as are in flight before an acknowledgement, each on its own path */
#define SP_REASM_SPANS	16

/* Stretches behind a hole: [from, to), offsets from the first byte. */
struct sp_reasm_span {
	__u32	from, to;
};

/**
 * struct sp_reasm - filled parts of a buffer
 * @len:	bytes without a hole
 * @top:	end of the last byte
 * @spans:	behind the first hole, unsorted and disjoint
 */
struct sp_reasm {
	__u32			len;
	__u32			top;
	__u32			span_count;
	struct sp_reasm_span	spans[SP_REASM_SPANS];
};

/**
 * sp_reasm_add() - insert a payload
 * @buf:	of @room bytes; bytes behind @room are left out
 * @at:		offset of the payload; may be negative, as a retransmission may begin before the
 *		first byte
 *
 * Earlier bytes win. A payload that needs a span too many is left out: TCP retransmits.
 * Return: bytes by which @held->len has grown.
 */
__u32 sp_reasm_add(struct sp_reasm *held, char *buf, __u32 room, __s64 at, const char *data,
		   __u32 n);

/* Forget the first @n bytes: the buffer then begins behind them. */
void sp_reasm_skip(struct sp_reasm *held, char *buf, __u32 n);

#endif
