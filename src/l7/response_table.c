// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "l7/response_table.h"

#include <assert.h>
#include <string.h>

/* FIRST: the first digit of a status. Each letter of a word is a class. */
enum class {
	OTHER, CR, LF, SPACE, COLON, FIRST, DIGIT, HYPHEN, NAME, VALUE, LETTER,
};

/*
 * States of the headers exist once for each framing known so far, and once more behind Connection:
 * close.
 *
 * @line:	at the begin of a line
 * @name:	in a name without a meaning here
 * @value:	in a value
 */
struct headers {
	__u8	line, name, value;
};

struct builder {
	struct sp_response_table	*t;
	__u8				free;
};

static const char letters[] = "acdefghiklnoprstuv";

static __u8 class_of(int byte)
{
	const char *letter = byte ? strchr(letters, byte | 0x20) : NULL;

	if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'))
		return letter ? LETTER + (letter - letters) : NAME;
	if (byte >= '0' && byte <= '9')
		return byte >= '2' && byte <= '5' ? FIRST : DIGIT;
	switch (byte) {
	case '\r': return CR;
	case '\n': return LF;
	case ' ': return SPACE;
	case ':': return COLON;
	case '-': return HYPHEN;
	case '_': return NAME;
	}
	return byte > ' ' && byte != 0x7f ? VALUE : OTHER;
}

static void set_next(struct builder *b, __u8 state, int class, __u8 next)
{
	b->t->next[state * SP_RESPONSE_CLASSES + class] = next;
}

static __u8 next_of(const struct builder *b, __u8 state, int class)
{
	return b->t->next[state * SP_RESPONSE_CLASSES + class];
}

static __u8 add_state(struct builder *b)
{
	assert(b->free < 255 && LETTER + sizeof(letters) - 1 <= SP_RESPONSE_CLASSES);
	return b->free++;
}

static void take_digits(struct builder *b, __u8 state, __u8 next)
{
	set_next(b, state, FIRST, next);
	set_next(b, state, DIGIT, next);
}

static void take_name(struct builder *b, __u8 state, __u8 name)
{
	take_digits(b, state, name);
	set_next(b, state, HYPHEN, name);
	for (int class = NAME; class < SP_RESPONSE_CLASSES; class++)
		if (class != VALUE)
			set_next(b, state, class, name);
}

/* CR LF, then @next. */
static void take_line_end(struct builder *b, __u8 state, __u8 next)
{
	__u8 lf = add_state(b);

	set_next(b, state, CR, lf);
	set_next(b, lf, LF, next);
}

static void take_value(struct builder *b, __u8 state, __u8 line)
{
	for (int class = SPACE; class < SP_RESPONSE_CLASSES; class++)
		set_next(b, state, class, state);
	b->t->flags[state] |= SP_RESPONSE_F_TEXT;
	take_line_end(b, state, line);
}

static struct headers add_headers(struct builder *b, __u8 end)
{
	struct headers h = { .line = add_state(b), .name = add_state(b), .value = add_state(b) };

	b->t->flags[h.line] |= SP_RESPONSE_F_LINE;
	take_name(b, h.line, h.name);
	take_line_end(b, h.line, end);
	take_name(b, h.name, h.name);
	set_next(b, h.name, COLON, h.value);
	take_value(b, h.value, h.line);
	return h;
}

/* A state for each prefix of a word. */
static void add_word(struct builder *b, const struct headers *h, const char *word, __u8 at_colon)
{
	__u8 at = h->line;

	for (; *word; word++) {
		int class = class_of(*word);
		__u8 next = next_of(b, at, class);

		if (next == h->name) {
			next = add_state(b);
			take_name(b, next, h->name);
			set_next(b, next, COLON, h->value);
			set_next(b, at, class, next);
		}
		at = next;
	}
	set_next(b, at, COLON, at_colon);
}

static __u8 add_blanks(struct builder *b)
{
	__u8 blanks = add_state(b);

	set_next(b, blanks, SPACE, blanks);
	return blanks;
}

/* A value of one word. Return: @blanks, the state behind the colon. */
static __u8 add_value(struct builder *b, __u8 blanks, const char *word, __u8 line)
{
	__u8 at = blanks;

	for (; *word; word++) {
		__u8 next = add_state(b);

		set_next(b, at, class_of(*word), next);
		at = next;
	}
	take_line_end(b, at, line);
	return blanks;
}

static void add_connection(struct builder *b, const struct headers *h,
			   const struct headers *closing)
{
	__u8 blanks = add_blanks(b);

	add_value(b, blanks, "close", closing->line);
	add_word(b, h, "connection", add_value(b, blanks, "keep-alive", h->line));
}

/* @at_length, @at_coding: behind the colons of the two headers */
static void add_words(struct builder *b, const struct headers *h, const struct headers *closing,
		      __u8 at_length, __u8 at_coding)
{
	add_connection(b, h, closing);
	add_word(b, h, "transfer-encoding", at_coding);
	add_word(b, h, "content-length", at_length);
}

/* @length: behind the colon of Content-Length */
static void add_behind_length(struct builder *b, __u8 length, const struct headers *closing)
{
	__u8 from = b->free;
	struct headers h = add_headers(b, SP_RESPONSE_END_LENGTH);

	add_words(b, &h, closing, SP_RESPONSE_BAD, SP_RESPONSE_BAD);
	take_digits(b, length, SP_RESPONSE_LENGTH);
	take_digits(b, SP_RESPONSE_LENGTH, SP_RESPONSE_LENGTH);
	take_line_end(b, SP_RESPONSE_LENGTH, h.line);
	for (__u8 state = from; state < b->free; state++)
		b->t->flags[state] |= SP_RESPONSE_F_LENGTH;
}

/* Behind the version. */
static void add_status(struct builder *b, __u8 line)
{
	__u8 first = add_state(b), second = add_state(b), third = add_state(b),
		behind = add_state(b), reason = add_state(b);

	set_next(b, SP_RESPONSE_VERSION, SPACE, first);
	set_next(b, first, FIRST, second);
	take_digits(b, second, third);
	take_digits(b, third, behind);
	set_next(b, behind, SPACE, reason);
	take_line_end(b, behind, line);
	take_value(b, reason, line);
}

static void add_ends(struct builder *b)
{
	for (int end = SP_RESPONSE_END; end <= SP_RESPONSE_END_CLOSES; end++)
		for (int class = 0; class < SP_RESPONSE_CLASSES; class++)
			set_next(b, end, class, end);
}

static void fill_hex(struct sp_response_table *t)
{
	memset(t->hex, SP_CHUNK_OTHER, sizeof(t->hex));
	t->hex['\r'] = SP_CHUNK_CR;
	t->hex['\n'] = SP_CHUNK_LF;
	for (int i = 0; i < 16; i++) {
		t->hex[(int)"0123456789abcdef"[i]] = i;
		t->hex[(int)"0123456789ABCDEF"[i]] = i;
	}
}

void sp_response_table_fill(struct sp_response_table *ret_table)
{
	struct builder b = { .t = ret_table, .free = SP_RESPONSE_FREE };
	struct headers bare, chunked, closing;
	__u8 length;

	memset(ret_table, 0, sizeof(*ret_table));
	for (int byte = 0; byte < 256; byte++)
		ret_table->class[byte] = class_of(byte);
	fill_hex(ret_table);
	bare = add_headers(&b, SP_RESPONSE_END);
	chunked = add_headers(&b, SP_RESPONSE_END_CHUNKED);
	closing = add_headers(&b, SP_RESPONSE_END_CLOSES);
	length = add_blanks(&b);
	add_words(&b, &bare, &closing, length,
		  add_value(&b, add_blanks(&b), "chunked", chunked.line));
	add_words(&b, &chunked, &closing, SP_RESPONSE_BAD, SP_RESPONSE_BAD);
	add_status(&b, bare.line);
	add_behind_length(&b, length, &closing);
	add_ends(&b);
}
