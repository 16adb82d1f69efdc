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

/* Bytes of a size line that are no digits. */
enum { SP_CHUNK_CR = 16, SP_CHUNK_LF, SP_CHUNK_OTHER };

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
 * @hex:	value of a hexadecimal digit, or SP_CHUNK_*
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

/* What is read of a line: @size is of SIZE and SIZE_LF. */
struct sp_chunk_scan {
	__u32	size;
	__u32	digits;
	__u32	bound;
};

/* @byte: of @hex. Return: the bound behind the byte; UNKNOWN: the daemon has to read the line. */
sp_inline __u32 sp_chunk_next(struct sp_chunk_scan *s, __u32 byte)
{
	switch (s->bound) {
	case SP_BOUND_CHUNK_END:
		return byte == SP_CHUNK_CR ? SP_BOUND_DATA_LF : SP_BOUND_UNKNOWN;
	case SP_BOUND_DATA_LF:
		return byte == SP_CHUNK_LF ? SP_BOUND_CHUNK : SP_BOUND_UNKNOWN;
	case SP_BOUND_SIZE:
		if (byte == SP_CHUNK_CR)
			return SP_BOUND_SIZE_LF;
		/* fall through */
	case SP_BOUND_CHUNK:
		if (byte > 15 || s->size >= SP_BOUNDARY_LAP >> 4 ||
		    s->digits++ >= SP_CHUNK_DIGITS_MAX)
			return SP_BOUND_UNKNOWN;
		s->size = s->size << 4 | byte;
		return SP_BOUND_SIZE;
	case SP_BOUND_SIZE_LF:
		return byte != SP_CHUNK_LF ? SP_BOUND_UNKNOWN :
		       s->size ? SP_BOUND_STOP : SP_BOUND_LAST;
	case SP_BOUND_LAST:
		return byte == SP_CHUNK_CR ? SP_BOUND_LAST_LF : SP_BOUND_UNKNOWN;
	case SP_BOUND_LAST_LF:
		return byte == SP_CHUNK_LF ? SP_BOUND_STOP : SP_BOUND_UNKNOWN;
	}
	return SP_BOUND_UNKNOWN;
}

/* A size that a boundary can keep; zeros before the size could go on without end. */
sp_inline int sp_chunk_is_kept(const struct sp_chunk_scan *s)
{
	return (s->bound != SP_BOUND_SIZE && s->bound != SP_BOUND_SIZE_LF) ||
	       (s->size <= 0xffff && (s->size || s->bound == SP_BOUND_SIZE_LF));
}

/**
 * sp_chunk_settle() - move a boundary behind a size line and its chunk's data, to the end of the
 * body, or to the end of the bytes. Extensions and trailers are the daemon's.
 * @line:	the bytes from the boundary on; room of SP_CHUNK_LINE_MAX
 * @n:		of them
 * @b:		sp_boundary_is_line()
 *
 * Return: 0: the daemon has to read the line.
 */
sp_inline int sp_chunk_settle(const volatile struct sp_response_table *t, const __u8 *line,
			      __u32 n, struct sp_boundary *b)
{
	struct sp_chunk_scan s = { .size = b->laps, .bound = b->bound };
	__u32 at = 0;

	while (at < SP_CHUNK_LINE_MAX && at < n && s.bound != SP_BOUND_STOP &&
	       s.bound != SP_BOUND_UNKNOWN) {
		s.bound = sp_chunk_next(&s, t->hex[line[at]]);
		at++;
	}
	if (s.bound == SP_BOUND_UNKNOWN)
		return 0;
	if (s.bound == SP_BOUND_STOP && s.size) {
		*b = sp_boundary_make(b->until + at, s.size, SP_BOUND_CHUNK_END, b->reading);
		return 1;
	}
	b->until += at;
	b->bound = s.bound;
	b->laps = s.bound == SP_BOUND_SIZE || s.bound == SP_BOUND_SIZE_LF ? s.size : 0;
	return at == n || s.bound == SP_BOUND_STOP ? sp_chunk_is_kept(&s) : 0;
}

#endif
