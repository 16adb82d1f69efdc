/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * response.h - the usual head of a response, read by a table of states. For BPF and user space.
 *
 * The table accepts a part of the heads that sp_http1_response_parse() accepts, and finds the same
 * end. The daemon reads all others. src/l7/response_table.c makes the table.
 */
#ifndef SP_ABI_RESPONSE_H
#define SP_ABI_RESPONSE_H

#include "half.h"

#define SP_RESPONSE_CLASSES	32	/* of bytes */
#define SP_RESPONSE_READ_MAX	2048	/* bytes of a head that the datapath reads */
#define SP_RESPONSE_DIGITS_MAX	10
#define SP_RESPONSE_BLOCK	8	/* bytes between two looks at the state */
#define SP_CHUNK_DIGITS_MAX	8
#define SP_CHUNK_LINE_MAX	16	/* CRLF, digits, CRLF, and CRLF of the last chunk */

/* BAD is zero: a table that was never filled accepts nothing. Up to END_CLOSES no byte is taken. */
enum {
	SP_RESPONSE_BAD,
	SP_RESPONSE_END,		/* of a head without framing */
	SP_RESPONSE_END_LENGTH,
	SP_RESPONSE_END_CHUNKED,
	SP_RESPONSE_END_CLOSES,		/* Connection: close */
	SP_RESPONSE_LENGTH,		/* behind a digit of Content-Length */
	SP_RESPONSE_STATUS,		/* before the first digit of the status */
	SP_RESPONSE_FREE,
};

/**
 * struct sp_response_table - transitions between states
 * @class:	of each byte, below SP_RESPONSE_CLASSES
 * @next:	the state behind a byte: by state, then by class
 * @hex:	value of a hexadecimal digit; 16: none
 */
struct sp_response_table {
	__u8	class[256];
	__u8	hex[256];
	__u8	next[256 * SP_RESPONSE_CLASSES];
};

/**
 * struct sp_response_scan - what was read of a head
 * @length, @digits: of Content-Length; a number of more than SP_RESPONSE_DIGITS_MAX is not right
 * @bytes:	of the head
 * @state:	SP_RESPONSE_*, or a state of the table
 */
struct sp_response_scan {
	__u64	length;
	__u32	bytes;
	__u32	digits;
	__u32	state;
};

#define SP_RESPONSE_VERSION	"HTTP/1.1 "
#define SP_RESPONSE_VERSION_LEN	9	/* the status follows */

/* The table begins with the status; its classes do not tell H from h. */
sp_inline struct sp_response_scan sp_response_begin(const __u8 *head)
{
	struct sp_response_scan s = { .state = SP_RESPONSE_STATUS,
				      .bytes = SP_RESPONSE_VERSION_LEN };

	for (int i = 0; i < SP_RESPONSE_VERSION_LEN; i++)
		if (head[i] != SP_RESPONSE_VERSION[i])
			s.state = SP_RESPONSE_BAD;
	return s;
}

/*
 * Without a branch: the verifier of Linux 6.1 would follow both ways at each byte. Numbers are
 * below 2^31.
 */
sp_inline __u32 sp_response_is_above(__u32 number, __u32 least)
{
	asm volatile("" : "+r"(number));
	return (least - number) >> 31;
}

sp_inline void sp_response_take(const volatile struct sp_response_table *t,
				struct sp_response_scan *s, __u8 byte)
{
	__u64 class = t->class[byte] & (SP_RESPONSE_CLASSES - 1);
	__u32 is_length;

	/* else clang writes the sum as OR, whose bounds the same verifier does not know */
	asm volatile("" : "+r"(class));
	s->bytes += sp_response_is_above(s->state, SP_RESPONSE_END_CLOSES);
	s->state = t->next[(s->state & 255) * SP_RESPONSE_CLASSES + class];
	is_length = 1 - sp_response_is_above(s->state ^ SP_RESPONSE_LENGTH, 0);
	s->length += (s->length * 9 + (byte & 15)) * is_length;
	s->digits += is_length;
	asm volatile("" : "+r"(s->bytes), "+r"(s->digits));	/* sums are made here, not kept */
}

sp_inline int sp_response_is(const __u8 *status, const char *of)
{
	return status[0] == of[0] && status[1] == of[1] && status[2] == of[2];
}

/* RFC 9110, 6.4.1 */
sp_inline int sp_response_is_bodyless(const __u8 *status, __u8 reading)
{
	return reading & SP_READING_NO_BODY || sp_response_is(status, "204") ||
	       sp_response_is(status, "304");
}

/*
 * The response ends with its connection: a head without framing, or one that says so. More of the
 * head does not matter.
 */
sp_inline int sp_response_is_last(const struct sp_response_scan *s, int is_bodyless)
{
	return s->state == SP_RESPONSE_END_CLOSES ||
	       (s->state == SP_RESPONSE_END && !is_bodyless);
}

/**
 * sp_response_settle() - move a boundary from the begin of a response to the end of the head or,
 * if that is known, of the response
 * @head:	bytes of the head
 * @b:		bound HEAD, and a reading of which the daemon needs nothing but WAKE
 *
 * Return: 0: the daemon has to read the head.
 */
sp_inline int sp_response_settle(const struct sp_response_scan *s, const __u8 *head,
				 struct sp_boundary *b)
{
	const __u8 *status = head + SP_RESPONSE_VERSION_LEN;
	int is_bodyless = sp_response_is_bodyless(status, b->reading);
	int is_last = sp_response_is_last(s, is_bodyless);
	int is_chunked = s->state == SP_RESPONSE_END_CHUNKED;
	__u64 bytes = s->bytes;

	if (s->state < SP_RESPONSE_END || s->state > SP_RESPONSE_END_CLOSES)
		return 0;
	/* clients differ about a 205 with a body, and chunks that can't be there */
	if (s->digits > SP_RESPONSE_DIGITS_MAX || sp_response_is(status, "205") ||
	    (is_chunked && sp_response_is_bodyless(status, 0)))
		return 0;
	if (!is_bodyless && !is_last)
		bytes += s->length;
	if (bytes >= SP_BOUNDARY_LAP)
		return 0;
	*b = sp_boundary_make(b->until, bytes, is_last ? SP_BOUND_NONE :
			      is_chunked && !is_bodyless ? SP_BOUND_CHUNK : SP_BOUND_STOP,
			      b->reading);
	return 1;
}

sp_inline int sp_chunk_is_crlf(const __u8 *line, __u32 at)
{
	return line[at & (SP_CHUNK_LINE_MAX - 1)] == '\r' &&
	       line[(at + 1) & (SP_CHUNK_LINE_MAX - 1)] == '\n';
}

/**
 * sp_chunk_settle() - move a boundary behind a size line and its chunk's data, or to the end of the
 * body. Extensions and trailers are the daemon's.
 * @line:	SP_CHUNK_LINE_MAX bytes from the boundary on; zeros behind the packet's
 * @b:		bound CHUNK or CHUNK_END
 *
 * Return: 0: the daemon has to read the line.
 */
sp_inline int sp_chunk_settle(const volatile struct sp_response_table *t, const __u8 *line,
			      struct sp_boundary *b)
{
	__u32 at = b->bound == SP_BOUND_CHUNK_END ? 2 : 0, size = 0, digits = 0;

	if (at && !sp_chunk_is_crlf(line, 0))
		return 0;
	for (; digits < SP_CHUNK_DIGITS_MAX; digits++, at++) {
		__u32 value = t->hex[line[at & (SP_CHUNK_LINE_MAX - 1)]];

		if (value > 15)
			break;
		size = size << 4 | value;
	}
	if (!digits || size >= SP_BOUNDARY_LAP || !sp_chunk_is_crlf(line, at))
		return 0;
	at += 2;
	if (!size && !sp_chunk_is_crlf(line, at))
		return 0;
	*b = size ? sp_boundary_make(b->until + at, size, SP_BOUND_CHUNK_END, b->reading) :
		    sp_boundary_make(b->until + at + 2, 0, SP_BOUND_STOP, b->reading);
	return 1;
}

#endif
