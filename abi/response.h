/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * response.h - the usual head of a response, read by a table of states. Headers that do not matter
 * and text are passed eight bytes at a time. For BPF and user space.
 *
 * The table accepts a part of the heads that sp_http1_response_parse() accepts, and finds the same
 * end. The daemon reads all others. src/l7/response_table.c makes the table.
 */
#ifndef SP_ABI_RESPONSE_H
#define SP_ABI_RESPONSE_H

#include "half.h"

#define SP_RESPONSE_CLASSES	32	/* of bytes */
#define SP_RESPONSE_ROOM	2048	/* for the bytes of a head */
#define SP_RESPONSE_READ_MAX	(SP_RESPONSE_ROOM - SP_RESPONSE_BLOCK)
#define SP_RESPONSE_DIGITS_MAX	10
#define SP_RESPONSE_BLOCK	8	/* bytes of a look at many at once */
#define SP_RESPONSE_NAME_MAX	24	/* of a header that is passed as a whole */
#define SP_RESPONSE_VALUE_MAX	64	/* likewise */
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
	SP_RESPONSE_VERSION,		/* behind the version */
	SP_RESPONSE_FREE,
};

enum {
	SP_RESPONSE_F_TEXT	= 1 << 0, /* a printable byte does not change the state */
	SP_RESPONSE_F_LENGTH	= 1 << 1, /* Content-Length is behind */
	SP_RESPONSE_F_LINE	= 1 << 2, /* at the begin of a header */
};

/**
 * struct sp_response_table - transitions between states
 * @class:	of each byte, below SP_RESPONSE_CLASSES
 * @hex:	value of a hexadecimal digit, or SP_CHUNK_*
 * @flags:	SP_RESPONSE_F_* of each state
 * @next:	the state behind a byte: by state, then by class. Room behind, as the verifier
 *		knows no bound of a class
 */
struct sp_response_table {
	__u8	class[256];
	__u8	hex[256];
	__u8	flags[256];
	__u8	next[256 * SP_RESPONSE_CLASSES + 256];
};

/**
 * struct sp_response_scan - what was read of a head
 * @state:	SP_RESPONSE_*, or a state of the table
 * @at:		bytes read
 * @length_at:	bytes read before the step with the end of the Content-Length
 */
struct sp_response_scan {
	__u32	state;
	__u32	at;
	__u32	length_at;
};

#define SP_RESPONSE_VERSION_TEXT	"HTTP/1.1"
#define SP_RESPONSE_STATUS_AT		9

/* The table begins behind the version; its classes do not tell H from h. */
sp_inline struct sp_response_scan sp_response_begin(const __u8 *head)
{
	struct sp_response_scan s = { .state = SP_RESPONSE_VERSION,
				      .at = sizeof(SP_RESPONSE_VERSION_TEXT) - 1 };

	for (int i = 0; i < (int)sizeof(SP_RESPONSE_VERSION_TEXT) - 1; i++)
		if (head[i] != SP_RESPONSE_VERSION_TEXT[i])
			s.state = SP_RESPONSE_BAD;
	return s;
}

sp_inline __u32 sp_response_next(const volatile struct sp_response_table *t, __u32 state, __u8 byte)
{
	return t->next[(state & 255) * SP_RESPONSE_CLASSES + t->class[byte]];
}

#define SP_RESPONSE_AT(at)	((at) & (SP_RESPONSE_ROOM - 1))
#define SP_RESPONSE_ONES	0x0101010101010101ULL
#define SP_RESPONSE_TOPS	(SP_RESPONSE_ONES << 7)

/* Eight bytes, the first one lowest. */
sp_inline __u64 sp_response_word(const __u8 *head, __u32 at)
{
	__u64 word;

	__builtin_memcpy(&word, head + SP_RESPONSE_AT(at), sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word;
#else
	return __builtin_bswap64(word);
#endif
}

/* Return: bytes before the first marked one. @marks: SP_RESPONSE_TOPS or some of these, not 0 */
sp_inline __u32 sp_response_before(__u64 marks)
{
	__u64 below = (marks & -marks) - 1;

	return ((below & SP_RESPONSE_ONES) * SP_RESPONSE_ONES >> 56) - 1;
}

/* Return: a mark at the first byte that is not from 0x20 to 0x7e; marks behind it say nothing. */
sp_inline __u64 sp_response_no_text(__u64 word)
{
	__u64 del = word ^ SP_RESPONSE_ONES * 0x7f;

	return (word | (word - SP_RESPONSE_ONES * 0x20) | (del - SP_RESPONSE_ONES)) &
	       SP_RESPONSE_TOPS;
}

/* Return: a mark at each byte that is neither a letter nor a hyphen. */
sp_inline __u64 sp_response_no_name(__u64 word)
{
	__u64 low = word & ~SP_RESPONSE_TOPS, folded = low | SP_RESPONSE_ONES * 0x20,
	      no_hyphen = (low ^ SP_RESPONSE_ONES * '-') + SP_RESPONSE_ONES * 0x7f,
	      letter = (folded + SP_RESPONSE_ONES * (0x80 - 'a')) &
		       ~(folded + SP_RESPONSE_ONES * (0x80 - 'z' - 1));

	return ((~letter & no_hyphen) | word) & SP_RESPONSE_TOPS;
}

/* Return: bytes from @at on before the first one that @mark marks; at most @max, in whole words */
sp_inline __u32 sp_response_run(const __u8 *head, __u32 at, __u32 max, __u64 (*mark)(__u64 word))
{
	__u32 len = 0;

	while (len < max) {
		__u64 marks = mark(sp_response_word(head, at + len));

		if (marks)
			return len + sp_response_before(marks);
		len += SP_RESPONSE_BLOCK;
	}
	return len;
}

sp_inline __u32 sp_response_text(const __u8 *head, __u32 at)
{
	return sp_response_run(head, at, SP_RESPONSE_VALUE_MAX, sp_response_no_text);
}

/* Whether the bytes are those of @of, with small letters, for which capitals are taken, too. */
sp_inline int sp_response_is_word(__u64 word, const char *of)
{
	__u64 want = 0, fold = 0;

	for (int i = 0; i < SP_RESPONSE_BLOCK; i++) {
		want |= (__u64)of[i] << 8 * i;
		fold |= (of[i] >= 'a' && of[i] <= 'z' ? 0x20ULL : 0) << 8 * i;
	}
	return (word | fold) == want;
}

sp_inline int sp_response_is_keep_alive(const __u8 *head, __u32 at)
{
	return sp_response_is_word(sp_response_word(head, at + 8), "on: keep") &&
	       sp_response_is_word(sp_response_word(head, at + 16), "-alive\r\n");
}

/* Whether this may be Content-Length, Transfer-Encoding, or Connection with another option. */
sp_inline int sp_response_may_matter(const __u8 *head, __u32 at)
{
	__u64 word = sp_response_word(head, at);

	if (sp_response_is_word(word, "content-"))
		return (head[SP_RESPONSE_AT(at + 8)] | 0x20) == 'l';
	if (sp_response_is_word(word, "connecti"))
		return !sp_response_is_keep_alive(head, at);
	return sp_response_is_word(word, "transfer");
}

/* Return: 0: longer than the names that are passed */
sp_inline __u32 sp_response_name(const __u8 *head, __u32 at)
{
	__u32 len = sp_response_run(head, at, SP_RESPONSE_NAME_MAX, sp_response_no_name);

	return len < SP_RESPONSE_NAME_MAX ? len : 0;
}

/*
 * A header that the table would leave in the state before it.
 *
 * Return: its bytes, with CRLF; 0: it may matter, or is unusual.
 */
sp_inline __u32 sp_response_header(const __u8 *head, __u32 at)
{
	__u32 len;

	if (sp_response_may_matter(head, at))
		return 0;
	len = sp_response_name(head, at);
	if (!len || head[SP_RESPONSE_AT(at + len)] != ':')
		return 0;
	len += sp_response_text(head, at + len);
	if (head[SP_RESPONSE_AT(at + len)] != '\r' || head[SP_RESPONSE_AT(at + len + 1)] != '\n')
		return 0;
	return len + 2;
}

/* Return: bytes that do not change the state of the scan. */
sp_inline __u32 sp_response_pass(const volatile struct sp_response_table *t,
				 const struct sp_response_scan *s, const __u8 *head)
{
	__u8 flags = t->flags[s->state & 255];

	if (flags & SP_RESPONSE_F_LINE)
		return sp_response_header(head, s->at);
	return flags & SP_RESPONSE_F_TEXT ? sp_response_text(head, s->at) : 0;
}

/* Byte by byte, each step waits for the one before. Return: whether the head ends here. */
sp_inline int sp_response_read(const volatile struct sp_response_table *t,
			       struct sp_response_scan *s, const __u8 *head)
{
	__u32 state = s->state, at = s->at;
	__u8 flags = 0;

	for (int i = 0; i < SP_RESPONSE_BLOCK; i++) {
		state = sp_response_next(t, state, head[SP_RESPONSE_AT(at)]);
		at++;
		flags = t->flags[state & 255];
		if (state <= SP_RESPONSE_END_CLOSES ||
		    flags & (SP_RESPONSE_F_TEXT | SP_RESPONSE_F_LINE))
			break;
	}
	s->state = state;
	s->at = at;
	if (state <= SP_RESPONSE_END_CLOSES)
		return 1;
	if (!(flags & SP_RESPONSE_F_LENGTH))
		s->length_at = at;
	return 0;
}

/*
 * A step. @head: room of SP_RESPONSE_ROOM and SP_RESPONSE_BLOCK; behind the bytes, at most
 * SP_RESPONSE_READ_MAX, are as many zeros as a block has: no step goes past a zero.
 *
 * Return: whether the head ends here, or is not a usual one.
 */
sp_inline int sp_response_take(const volatile struct sp_response_table *t,
			       struct sp_response_scan *s, const __u8 *head)
{
	__u32 passed = sp_response_pass(t, s, head);

	s->at += passed;
	return passed ? 0 : sp_response_read(t, s, head);
}

/* The number before the first CR of the step. Return: digits; 0: too many. */
sp_inline __u32 sp_response_length(const struct sp_response_scan *s, const __u8 *head,
				   __u64 *ret_length)
{
	__u32 at = s->length_at, digits = 0;
	__u64 unit = 1, length = 0;

	for (int i = 0; i < SP_RESPONSE_BLOCK && head[SP_RESPONSE_AT(at)] != '\r'; i++)
		at++;
	for (; digits <= SP_RESPONSE_DIGITS_MAX; digits++) {
		__u32 value = head[SP_RESPONSE_AT(at - 1 - digits)] - '0';

		if (value > 9)
			break;
		length += value * unit;
		unit *= 10;
	}
	*ret_length = length;
	return digits <= SP_RESPONSE_DIGITS_MAX ? digits : 0;
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

sp_inline struct sp_boundary sp_response_boundary(const struct sp_response_scan *s, __u32 until,
						  __u64 length, int is_bodyless, __u8 reading)
{
	if (sp_response_is_last(s, is_bodyless))
		return sp_boundary_make(until, 0, SP_BOUND_NONE, reading);
	if (is_bodyless)
		return sp_boundary_make(until, 0, SP_BOUND_STOP, reading);
	if (s->state == SP_RESPONSE_END_CHUNKED)
		return sp_boundary_make(until, 0, SP_BOUND_CHUNK, reading);
	return sp_boundary_make(until, length, SP_BOUND_STOP, reading);
}

/**
 * sp_response_settle() - move a boundary from the begin of a response to the end of the head or,
 * if that is known, of the response
 * @head:	room of SP_RESPONSE_ROOM
 * @b:		bound HEAD, and a reading of which the daemon needs nothing but WAKE
 *
 * Return: 0: the daemon has to read the head.
 */
sp_inline int sp_response_settle(const struct sp_response_scan *s, const __u8 *head,
				 struct sp_boundary *b)
{
	const __u8 *status = head + SP_RESPONSE_STATUS_AT;
	int is_bodyless = sp_response_is_bodyless(status, b->reading);
	__u64 length = 0;

	if (s->state < SP_RESPONSE_END || s->state > SP_RESPONSE_END_CLOSES)
		return 0;
	/* clients differ about a 205 with a body, and chunks that can't be there */
	if (sp_response_is(status, "205") ||
	    (s->state == SP_RESPONSE_END_CHUNKED && sp_response_is_bodyless(status, 0)))
		return 0;
	if (s->state == SP_RESPONSE_END_LENGTH && !sp_response_length(s, head, &length))
		return 0;
	if (length >= SP_BOUNDARY_LAP - SP_RESPONSE_READ_MAX)
		return 0;
	*b = sp_response_boundary(s, b->until + s->at, length, is_bodyless, b->reading);
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
