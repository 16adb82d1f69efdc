// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_http1_chunk.c - chunk lines good and bad, with all their prefixes; whole bodies; the bounds
 */
#include "l7/http1_chunk.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Literal and length, as NULs are allowed */
#define LIT(text) (text), sizeof(text) - 1

static const struct good {
	const char *text;
	size_t len;
	bool is_after_data;
	uint64_t data_len;
	bool is_last;
} goods[] = {
	{LIT("5\r\n"), false, 5, false},
	{LIT("\r\n5\r\n"), true, 5, false},
	{LIT("a\r\n"), false, 10, false},
	{LIT("F\r\n"), false, 15, false},
	{LIT("09aFf\r\n"), false, 0x9aff, false},
	{LIT("0000000000000010\r\n"), false, 16, false},
	{LIT("7fffffffffffffff\r\n"), false, INT64_MAX, false},
	{LIT("7FFFFFFFFFFFFFFF;a\r\n"), false, INT64_MAX, false},
	/* extensions */
	{LIT("1;a\r\n"), false, 1, false},
	{LIT("1;a=b\r\n"), false, 1, false},
	{LIT("1;a;b=c; \td=e\r\n"), false, 1, false},
	{LIT("1;a=\"\"\r\n"), false, 1, false},
	{LIT("1;a=\"b;c=d\t\\\"\x80\\\\\";e\r\n"), false, 1, false},
	{LIT("1;chunk-signature=0fa9\r\n"), false, 1, false},
	/* the last chunk */
	{LIT("0\r\n\r\n"), false, 0, true},
	{LIT("\r\n0\r\n\r\n"), true, 0, true},
	{LIT("\r\n000;a=b\r\n\r\n"), true, 0, true},
	{LIT("0\r\nX:\r\n\r\n"), false, 0, true},
	{LIT("0\r\nServer-Timing: a;dur=1 \t\x80\r\ngrpc-status:0\r\n\r\n"), false, 0, true},
	{LIT("0\r\nXHost: a\r\nHosts: b\r\nContent-Lengths: 5\r\n\r\n"), false, 0, true},
};

static const char overflows[] = "chunk size overflows";
static const char no_number[] = "chunk size is not a number";
static const char behind_size[] = "characters behind the chunk size";
static const char no_name[] = "empty name of a chunk extension";
static const char no_value[] = "empty value of a chunk extension";
static const char open_quotation[] = "quotation without end in a chunk extension";
static const char too_much_data[] = "chunk is longer than its size";
static const char no_cr[] = "LF without CR";
static const char no_lf[] = "CR without LF";
static const char control[] = "control character";
static const char nul[] = "NUL character";
static const char refused[] = "trailer that frames or routes the message";

/* @text: up to the decisive byte */
static const struct bad {
	const char *text;
	size_t len;
	bool is_after_data;
	const char *why;
} bads[] = {
	/* the size */
	{LIT("\r"), false, no_number},
	{LIT(" "), false, no_number},
	{LIT("\t"), false, no_number},
	{LIT("-"), false, no_number},
	{LIT("+"), false, no_number},
	{LIT(";"), false, no_number},
	{LIT("g"), false, no_number},
	{LIT("\x80"), false, no_number},
	{LIT("0x"), false, behind_size},
	{LIT("5h"), false, behind_size},
	{LIT("5_"), false, behind_size},
	{LIT("5,"), false, behind_size},
	{LIT("5 "), false, behind_size},
	{LIT("5\t"), false, behind_size},
	{LIT("5="), false, behind_size},
	{LIT("5\n"), false, no_cr},
	{LIT("5\r5"), false, no_lf},
	{LIT("5\r\r"), false, no_lf},
	{LIT("5\0"), false, nul},
	{LIT("\0"), false, nul},
	{LIT("5\x0b"), false, control},
	{LIT("5\x7f"), false, control},
	{LIT("8000000000000000"), false, overflows},
	{LIT("ffffffffffffffff"), false, overflows},
	{LIT("FFFFFFFFFFFFFFFe"), false, overflows},
	{LIT("00000000000000000"), false, overflows},
	{LIT("00000000000000005"), false, overflows},
	{LIT("10000000000000005"), false, overflows},
	/* the end of the data before */
	{LIT("5"), true, too_much_data},
	{LIT("X"), true, too_much_data},
	{LIT("\n"), true, no_cr},
	{LIT("\r5"), true, no_lf},
	{LIT("\rX"), true, no_lf},
	{LIT("\r\r"), true, no_lf},
	{LIT("\0"), true, nul},
	{LIT("\r\n\r"), true, no_number},
	{LIT("\r\n\n"), true, no_cr},
	{LIT("\r\n "), true, no_number},
	/* extensions: CVE-2025-55315 and its relatives */
	{LIT("2;\n"), false, no_cr},
	{LIT("2;a\n"), false, no_cr},
	{LIT("2;a=\n"), false, no_cr},
	{LIT("2;a=b\n"), false, no_cr},
	{LIT("2;a=\"\n"), false, no_cr},
	{LIT("2;a=\"b\"\n"), false, no_cr},
	{LIT("2;a\rX"), false, no_lf},
	{LIT("2;a=b\rX"), false, no_lf},
	{LIT("2;a=\"b\r"), false, open_quotation},
	{LIT("2;a=\"b\\\r"), false, open_quotation},
	{LIT("2;a=\"b\\\"\r"), false, open_quotation},
	{LIT("2;a=\"b\0"), false, nul},
	{LIT("2;a\0"), false, nul},
	{LIT("2;a=b\x01"), false, control},
	{LIT("2;a=\"\x1f"), false, control},
	{LIT("2;\r"), false, no_name},
	{LIT("2; \r"), false, no_name},
	{LIT("2;;"), false, no_name},
	{LIT("2;a;\r"), false, no_name},
	{LIT("2;="), false, no_name},
	{LIT("2;\""), false, no_name},
	{LIT("2;a=\r"), false, no_value},
	{LIT("2;a=;"), false, no_value},
	{LIT("2;a= "), false, no_value},
	{LIT("2;a "), false, behind_size},
	{LIT("2;a=b "), false, behind_size},
	{LIT("2;a=b="), false, behind_size},
	{LIT("2;a=\"b\"c"), false, behind_size},
	{LIT("2;a("), false, behind_size},
	/* trailers */
	{LIT("0\r\n\n"), false, no_cr},
	{LIT("0\r\n\rX"), false, no_lf},
	{LIT("0\r\n:"), false, "empty header name"},
	{LIT("0\r\n "), false, "folded line"},
	{LIT("0\r\nX: y\r\n\t"), false, "folded line"},
	{LIT("0\r\nX "), false, "blank before a header's colon"},
	{LIT("0\r\nGET "), false, "blank before a header's colon"},
	{LIT("0\r\nX\r"), false, "invalid character in a header's name"},
	{LIT("0\r\nX\n"), false, no_cr},
	{LIT("0\r\nX: y\n"), false, no_cr},
	{LIT("0\r\nX: y\r\n\n"), false, no_cr},
	{LIT("0\r\nX: y\rZ"), false, no_lf},
	{LIT("0\r\nX: y\0"), false, nul},
	{LIT("0\r\nX\0"), false, nul},
	{LIT("0\r\nX: \x08"), false, control},
	{LIT("0\r\nContent-Length:"), false, refused},
	{LIT("0\r\nX: y\r\nTRANSFER-ENCODING:"), false, refused},
	{LIT("0\r\nhost:"), false, refused},
	{LIT("0\r\nConnection:"), false, refused},
	{LIT("0\r\nUpgrade:"), false, refused},
	{LIT("0\r\nExpect:"), false, refused},
	{LIT("0\r\nTE:"), false, refused},
	{LIT("0\r\nTrailer:"), false, refused},
	{LIT("0\r\nKeep-Alive:"), false, refused},
	{LIT("0\r\nContent_Length:"), false, refused},
	{LIT("0\r\nTransfer_Encoding:"), false, refused},
};

/* The input lies in a heap block of its exact length: ASan sees a read behind. */
static enum sp_parse_verdict parse_copy(const char *text, size_t len, bool is_after_data,
					struct sp_http1_chunk *chunk)
{
	char *copy = malloc(len ? len : 1);
	enum sp_parse_verdict v;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(chunk, 0x5a, sizeof(*chunk));
	v = sp_http1_chunk_parse(copy, len, is_after_data, chunk);
	free(copy);
	assert_int_equal(chunk->why != NULL, v == SP_PARSE_BAD);
	return v;
}

static void assert_good(const struct good *g, const char *text, size_t len)
{
	struct sp_http1_chunk chunk;

	if (parse_copy(text, len, g->is_after_data, &chunk) != SP_PARSE_OK)
		fail_msg("%s: %s", chunk.why, text);
	assert_int_equal(chunk.head_len, g->len);
	assert_int_equal(chunk.data_len, g->data_len);
	assert_int_equal(chunk.is_last, g->is_last);
}

static void good_lines_are_read(void **state)
{
	struct sp_http1_chunk chunk;
	size_t i, cut;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		const struct good *g = &goods[i];

		assert_good(g, g->text, g->len);
		for (cut = 0; cut < g->len; cut++)
			if (parse_copy(g->text, cut, g->is_after_data, &chunk) !=
			    SP_PARSE_INCOMPLETE)
				fail_msg("first %zu bytes of: %s", cut, g->text);
	}
}

static void bytes_behind_the_lines_do_not_matter(void **state)
{
	static const char *const behind[] = {"\n", "\r\n", " ", "\x01", "0\r\n\r\n"};
	char text[256];
	size_t i, j;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		for (j = 0; j < sizeof(behind) / sizeof(*behind); j++) {
			memcpy(text, goods[i].text, goods[i].len);
			strcpy(text + goods[i].len, behind[j]);
			assert_good(&goods[i], text, goods[i].len + strlen(behind[j]));
		}
	}
}

static void bad_lines_are_refused_at_their_decisive_byte(void **state)
{
	struct sp_http1_chunk chunk;
	size_t i, cut;

	for (i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		const struct bad *b = &bads[i];

		if (parse_copy(b->text, b->len, b->is_after_data, &chunk) != SP_PARSE_BAD)
			fail_msg("taken: %s (%s)", b->text, b->why);
		assert_string_equal(chunk.why, b->why);
		for (cut = 0; cut < b->len; cut++)
			if (parse_copy(b->text, cut, b->is_after_data, &chunk) !=
			    SP_PARSE_INCOMPLETE)
				fail_msg("%s after %zu bytes: %s", chunk.why, cut, b->text);
	}
}

/* Length of the chunked body at @text by the parser, or 0 if the end is not there */
static size_t body_len(const char *text, size_t len)
{
	struct sp_http1_chunk chunk = {};
	size_t at = 0;

	while (parse_copy(text + at, len - at, at > 0, &chunk) == SP_PARSE_OK) {
		at += chunk.head_len;
		if (chunk.is_last)
			return at;
		if (chunk.data_len > len - at)
			return 0;
		at += chunk.data_len;
	}
	return 0;
}

static void body_ends_with_its_last_chunk(void **state)
{
	static const char body[] = "4;a=b\r\nWi\r\n\r\n6\r\n0\r\n\r\nX\r\n000\r\nX: y\r\n\r\n";
	char text[128];
	size_t cut;

	strcpy(text, body);
	strcat(text, "GET / HTTP/1.1\r\n");
	assert_int_equal(body_len(text, strlen(text)), strlen(body));
	for (cut = 0; cut < strlen(body); cut++)
		assert_int_equal(body_len(text, cut), 0);
}

/* Some readers take each of these bodies for two messages. */
static void smuggled_message_is_not_found(void **state)
{
	static const char *const bodies[] = {
		"2;\nxx\r\n10\r\n\r\nAAAABBBBCCCCDDDD\r\n0\r\n\r\n",
		"10;\r\nAAAA\r\n0\r\n\r\nGET / H\r\n0\r\n\r\n",
		"5\r\nAAAAAXX0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"5\r\nAAAAA\n0\r\n\r\n",
		"5\nAAAAA\r\n0\r\n\r\n",
		"5\r\nAAAAA\r\n0\n\nGET / HTTP/1.1\r\n\r\n",
		"5\r\nAAAAA\r\n0\r\nContent-Length: 5\r\n\r\n",
		"5 \r\nAAAAA\r\n0\r\n\r\n",
		"0x5\r\nAAAAA\r\n0\r\n\r\n",
		"10000000000000005\r\nAAAAA\r\n0\r\n\r\n",
		"-5\r\nAAAAA\r\n0\r\n\r\n",
		"\r\n5\r\nAAAAA\r\n0\r\n\r\n",
	};
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		assert_int_equal(body_len(bodies[i], strlen(bodies[i])), 0);
}

static void extensions_are_bounded(void **state)
{
	static char text[2 * SP_HTTP1_CHUNK_EXTENSIONS_MAX];
	struct sp_http1_chunk chunk;
	size_t max = SP_HTTP1_CHUNK_EXTENSIONS_MAX, i;
	static const char *const starts[] = {"5;a=", "5;", "5;a=\"", "5; "};

	for (i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		memset(text, starts[i][strlen(starts[i]) - 1] == ' ' ? ' ' : 'x', sizeof(text));
		memcpy(text, starts[i], strlen(starts[i]));
		assert_int_equal(parse_copy(text, 1 + max, false, &chunk), SP_PARSE_INCOMPLETE);
		assert_int_equal(parse_copy(text, 2 + max, false, &chunk), SP_PARSE_BAD);
		assert_string_equal(chunk.why, "chunk extensions too long");
		assert_int_equal(parse_copy(text, sizeof(text), false, &chunk), SP_PARSE_BAD);
	}
	memset(text, 'x', sizeof(text));
	memcpy(text, "5;a=", 4);
	memcpy(text + 1 + max, "\r\n", 2);
	assert_int_equal(parse_copy(text, 3 + max, false, &chunk), SP_PARSE_OK);
	assert_int_equal(chunk.head_len, 3 + max);
	memcpy(text + 1 + max, "x\r\n", 3);
	assert_int_equal(parse_copy(text, 4 + max, false, &chunk), SP_PARSE_BAD);
}

static void trailers_are_bounded(void **state)
{
	static char text[2 * SP_HTTP1_TRAILERS_MAX];
	struct sp_http1_chunk chunk;
	size_t max = SP_HTTP1_TRAILERS_MAX;

	memset(text, 'x', sizeof(text));
	memcpy(text, "0\r\na:", 5);
	assert_int_equal(parse_copy(text, 2 + max, false, &chunk), SP_PARSE_INCOMPLETE);
	assert_int_equal(parse_copy(text, 3 + max, false, &chunk), SP_PARSE_BAD);
	assert_string_equal(chunk.why, "trailers too long");
	memcpy(text + max - 1, "\r\n\r\n", 4);
	assert_int_equal(parse_copy(text, 3 + max, false, &chunk), SP_PARSE_OK);
	assert_int_equal(chunk.head_len, 3 + max);
	memcpy(text + max - 1, "x\r\n\r\n", 5);
	assert_int_equal(parse_copy(text, 4 + max, false, &chunk), SP_PARSE_BAD);
}

/* The longest valid lines, and one byte less */
static void no_input_of_the_greatest_length_is_incomplete(void **state)
{
	static char text[SP_HTTP1_CHUNK_HEAD_MAX];
	struct sp_http1_chunk chunk;
	size_t at = 2 + 16 + SP_HTTP1_CHUNK_EXTENSIONS_MAX;

	memset(text, 'x', sizeof(text));
	memcpy(text, "\r\n0000000000000000;a=", 21);
	memcpy(text + at, "\r\na:", 4);
	assert_int_equal(parse_copy(text, sizeof(text), true, &chunk), SP_PARSE_BAD);
	assert_int_equal(parse_copy(text, sizeof(text) - 1, true, &chunk), SP_PARSE_INCOMPLETE);
	memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
	assert_int_equal(parse_copy(text, sizeof(text), true, &chunk), SP_PARSE_OK);
}

/* The grammar of RFC 9112, 7.1, is written down a second time here. */
static void every_byte_is_judged_by_the_grammar(void **state)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct sp_http1_chunk chunk;
	int c;

	for (c = 0; c < 256; c++) {
		char size[] = "1c\r\n", name[] = "1;ac\r\n", quoted[] = "1;a=\"bcd\"\r\n";
		bool is_token = c && strchr(token, c), is_ctl = (c < ' ' && c != '\t') || c == 127;

		size[1] = name[3] = quoted[6] = c;
		assert_int_equal(parse_copy(LIT(size), false, &chunk) == SP_PARSE_OK,
				 c && strchr("0123456789abcdefABCDEF", c));
		assert_int_equal(parse_copy(LIT(name), false, &chunk) == SP_PARSE_OK, is_token);
		assert_int_equal(parse_copy(LIT(quoted), false, &chunk) == SP_PARSE_OK,
				 !is_ctl && c != '"');
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_are_read),
		cmocka_unit_test(bytes_behind_the_lines_do_not_matter),
		cmocka_unit_test(bad_lines_are_refused_at_their_decisive_byte),
		cmocka_unit_test(body_ends_with_its_last_chunk),
		cmocka_unit_test(smuggled_message_is_not_found),
		cmocka_unit_test(extensions_are_bounded),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(no_input_of_the_greatest_length_is_incomplete),
		cmocka_unit_test(every_byte_is_judged_by_the_grammar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
