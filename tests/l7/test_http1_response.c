// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_http1_response.c - end of a response, by status, headers and request; heads on which clients
 * differ; all prefixes of both
 */
#include "l7/http1_response.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Literal and length, as NULs are allowed */
#define LIT(text) (text), sizeof(text) - 1

#define OK11 "HTTP/1.1 200 OK\r\n"
#define OK10 "HTTP/1.0 200 OK\r\n"
#define NO_BODY .body = SP_HTTP1_BODY_NONE
#define CHUNKED .body = SP_HTTP1_BODY_CHUNKED
#define CLOSE .body = SP_HTTP1_BODY_CLOSE
#define LENGTH(n) .body = SP_HTTP1_BODY_LENGTH, .length = (n)
#define STAYS .is_persistent = true
#define ANY &any_request

static const struct sp_http1_request_kind any_request, head = {.is_head = true},
						       connect_to = {.is_connect = true};

static const struct good {
	const struct sp_http1_request_kind *of;
	const char *text;
	int status;
	struct sp_http1_framing framing;
} goods[] = {
	/* length, chunks, end of the connection */
	{ANY, OK11 "Content-Length: 5\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, OK11 "content-length:\t005 \t\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, OK11 "Content-Length: 0\r\n\r\n", 200, {NO_BODY, STAYS}},
	{ANY, OK11 "Content-Length: 9223372036854775807\r\n\r\n", 200, {LENGTH(INT64_MAX), STAYS}},
	{ANY, OK11 "Content-Length: 5\r\nX: y\r\nContent-Length: 05\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, OK11 "Transfer-Encoding: chunked\r\n\r\n", 200, {CHUNKED, STAYS}},
	{ANY, OK11 "transfer-encoding: gzip\t, CHUNKED \r\n\r\n", 200, {CHUNKED, STAYS}},
	{ANY, OK11 "Transfer-Encoding: gzip\r\n\r\n", 200, {CLOSE}},
	{ANY, OK11 "Transfer-Encoding: xchunked\r\n\r\n", 200, {CLOSE}},
	{ANY, OK11 "Transfer-Encoding: identity\r\n\r\n", 200, {CLOSE}},
	{ANY, OK11 "\r\n", 200, {CLOSE}},
	{ANY, OK10 "\r\n", 200, {CLOSE}},
	{ANY, OK11 "Connection: keep-alive\r\n\r\n", 200, {CLOSE}},
	{ANY, OK11 "Content_Length: 5\r\nX-Content-Length: 6\r\n\r\n", 200, {CLOSE}},
	/* the connection */
	{ANY, OK11 "Content-Length: 5\r\nConnection: close\r\n\r\n", 200, {LENGTH(5)}},
	{ANY, OK11 "Connection: keep-alive\r\nCONNECTION: x, Close\r\nContent-Length: 5\r\n\r\n", 200,
	 {LENGTH(5)}},
	{ANY, OK11 "Content-Length: 5\r\nConnection: Transfer-Encoding\r\n\r\n", 200,
	 {LENGTH(5), STAYS}},
	{ANY, OK11 "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", 200, {CHUNKED}},
	{ANY, OK10 "Content-Length: 5\r\n\r\n", 200, {LENGTH(5)}},
	{ANY, OK10 "Content-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, OK10 "Content-Length: 5\r\nConnection: keep-alive, close\r\n\r\n", 200, {LENGTH(5)}},
	{ANY, OK10 "Content-Length: 5\r\nKeep-Alive: timeout=5\r\n\r\n", 200, {LENGTH(5)}},
	/* no body by status */
	{ANY, "HTTP/1.1 100 Continue\r\n\r\n", 100, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 103, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 199 X\r\nContent-Length: 5\r\n\r\n", 199, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 204 No Content\r\n\r\n", 204, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", 304, {NO_BODY}},
	{ANY, "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", 205, {NO_BODY, STAYS}},
	{ANY, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 101,
	 {NO_BODY, STAYS, .is_upgrade = true}},
	{ANY, "HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n", 101,
	 {NO_BODY, STAYS, .is_upgrade = true}},
	{ANY, OK11 "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\n", 200,
	 {LENGTH(1), STAYS}},
	/* neighbours of these statuses have a body */
	{ANY, "HTTP/1.1 203 X\r\nContent-Length: 5\r\n\r\n", 203, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 206 X\r\nContent-Length: 5\r\n\r\n", 206, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 303 X\r\nContent-Length: 5\r\n\r\n", 303, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 305 X\r\nContent-Length: 5\r\n\r\n", 305, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 404 X\r\nContent-Length: 5\r\n\r\n", 404, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 999 X\r\nContent-Length: 5\r\n\r\n", 999, {LENGTH(5), STAYS}},
	/* no body by request */
	{&head, OK11 "Content-Length: 5\r\n\r\n", 200, {NO_BODY, STAYS}},
	{&head, OK11 "Transfer-Encoding: chunked\r\n\r\n", 200, {NO_BODY, STAYS}},
	{&head, OK11 "\r\n", 200, {NO_BODY, STAYS}},
	{&head, OK10 "\r\n", 200, {NO_BODY}},
	{&head, "HTTP/1.1 404 X\r\nContent-Length: 5\r\n\r\n", 404, {NO_BODY, STAYS}},
	{&head, "HTTP/1.1 205 X\r\n\r\n", 205, {NO_BODY, STAYS}},
	{&connect_to, OK11 "\r\n", 200, {NO_BODY, STAYS}},
	{&connect_to, "HTTP/1.1 299 X\r\nContent-Length: 5\r\n\r\n", 299, {NO_BODY, STAYS}},
	{&connect_to, OK11 "Transfer-Encoding: chunked\r\n\r\n", 200, {NO_BODY, STAYS}},
	{&connect_to, "HTTP/1.1 300 X\r\nContent-Length: 5\r\n\r\n", 300, {LENGTH(5), STAYS}},
	{&connect_to, "HTTP/1.1 405 X\r\nContent-Length: 5\r\n\r\n", 405, {LENGTH(5), STAYS}},
	/* lenient forms on which clients agree */
	{ANY, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200 a\t b\x80\r\nContent-Length: 5\r\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200\nContent-Length: 5\n\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200 OK\nContent-Length: 5\r\n\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\n", 200, {LENGTH(5), STAYS}},
	{ANY, "HTTP/1.1 200 OK\n\n", 200, {CLOSE}},
	{ANY, OK11 "X:\r\nY: \t\r\nZ:\xc3\x85 \"\r\nContent-Length: 5\r\n\r\n", 200, {LENGTH(5), STAYS}},
};

static const char no_version[] = "not HTTP/1.0 or HTTP/1.1";
static const char bad_status[] = "malformed status";
static const char behind_status[] = "characters behind the status";
static const char no_lf[] = "CR without LF";
static const char folded[] = "folded line";
static const char bad_name[] = "invalid character in a header's name";
static const char blank[] = "blank before a header's colon";
static const char no_number[] = "Content-Length is not a number";
static const char two_values[] = "Content-Length with two values";
static const char bad_coding[] = "malformed Transfer-Encoding";
static const char behind_chunked[] = "transfer coding behind chunked";
static const char not_with_status[] = "Transfer-Encoding with 1xx, 204 or 304";

/* @text: up to the decisive byte */
static const struct bad {
	const char *text;
	size_t len;
	const char *why;
} bads[] = {
	/* the status line */
	{LIT("<"), no_version},
	{LIT("h"), no_version},
	{LIT("\r"), no_version},
	{LIT("\n"), "LF without CR"},
	{LIT("\0"), "NUL character"},
	{LIT("\x16"), "control character"},
	{LIT("I"), no_version},
	{LIT("HTTP/2"), no_version},
	{LIT("HTTP/1.2"), no_version},
	{LIT("HTTP/1.10"), "characters behind the version"},
	{LIT("HTTP/1.1\t"), "characters behind the version"},
	{LIT("HTTP/1.1  "), bad_status},
	{LIT("HTTP/1.1 0"), bad_status},
	{LIT("HTTP/1.1 20 "), bad_status},
	{LIT("HTTP/1.1 2a"), bad_status},
	{LIT("HTTP/1.1 20\r"), bad_status},
	{LIT("HTTP/1.1 2000"), behind_status},
	{LIT("HTTP/1.1 200\t"), behind_status},
	{LIT("HTTP/1.1 200O"), behind_status},
	{LIT("HTTP/1.1 200 OK\rX"), no_lf},
	{LIT("HTTP/1.1 200 OK\r\r"), no_lf},
	{LIT("HTTP/1.1 200 \0"), "NUL character"},
	{LIT("HTTP/1.1 200 \x0b"), "control character"},
	/* lines */
	{LIT(OK11 " "), folded},
	{LIT(OK11 "X: y\r\n "), folded},
	{LIT(OK11 "X: y\n\t"), folded},
	{LIT(OK11 "Content-Length:\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5\r\n "), folded},
	{LIT(OK11 "Transfer-Encoding: gzip,\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: gzip\r\n "), folded},
	{LIT(OK11 "X\r"), bad_name},
	{LIT(OK11 "X\n"), "LF without CR"},
	{LIT(OK11 "X("), bad_name},
	{LIT(OK11 "X\x80"), bad_name},
	{LIT(OK11 ":"), "empty header name"},
	{LIT(OK11 "Content-Length "), blank},
	{LIT(OK11 "X\t"), blank},
	{LIT(OK11 "X: y\rC"), no_lf},
	{LIT(OK11 "X: y\r\r"), no_lf},
	{LIT(OK11 "X: y\0"), "NUL character"},
	{LIT(OK11 "X: y\x0c"), "control character"},
	{LIT(OK11 "X: y\x7f"), "control character"},
	{LIT(OK11 "X\0"), "NUL character"},
	{LIT(OK11 "\rX"), no_lf},
	/* the length */
	{LIT(OK11 "Content-Length: +5\r\n"), no_number},
	{LIT(OK11 "Content-Length: -5\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5x\r\n"), no_number},
	{LIT(OK11 "Content-Length: 0x5\r\n"), no_number},
	{LIT(OK11 "Content-Length: 1_0\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5 5\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5, 5\n"), no_number},
	{LIT(OK11 "Content-Length: 5,\r\n"), no_number},
	{LIT(OK11 "Content-Length: \xb2\r\n"), no_number},
	{LIT(OK11 "Content-Length: 9223372036854775808\r\n"), no_number},
	{LIT(OK11 "Content-Length: 18446744073709551621\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5\r\ncontent-length: 6\r\n"), two_values},
	{LIT(OK11 "Content-Length: 0\r\nContent-Length: 6\r\n"), two_values},
	{LIT(OK11 "Content-Length: 5\r\nContent-Length:\r\n"), no_number},
	{LIT(OK11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
	 "Transfer-Encoding next to Content-Length"},
	{LIT(OK11 "Transfer-Encoding: identity\r\nContent-Length: 5\r\n"),
	 "Content-Length next to Transfer-Encoding"},
	/* the coding */
	{LIT(OK11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
	 "Transfer-Encoding given twice"},
	{LIT(OK11 "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
	 "Transfer-Encoding given twice"},
	{LIT(OK11 "Transfer-Encoding: chunked, gzip\r\n"), behind_chunked},
	{LIT(OK11 "Transfer-Encoding: chunked, chunked\r\n"), behind_chunked},
	{LIT(OK11 "Transfer-Encoding: chunked, ,\r\n"), behind_chunked},
	{LIT(OK11 "Transfer-Encoding: chunked,\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: , chunked\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding:\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: chunked;q=1\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: \"chunked\"\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: chunked x\r\n"), bad_coding},
	{LIT(OK11 "Transfer-Encoding: \x0b"), "control character"},
	{LIT(OK10 "Transfer-Encoding: chunked\r\n"), "Transfer-Encoding in HTTP/1.0"},
	{LIT("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n"), not_with_status},
	{LIT("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n"), not_with_status},
	{LIT("HTTP/1.1 100 X\r\nTransfer-Encoding: chunked\r\n"), not_with_status},
	{LIT("HTTP/1.1 102 X\r\nTransfer-Encoding: gzip\r\n"), not_with_status},
	{LIT("HTTP/1.1 205 X\r\n\r\n"), "205 with a body"},
	{LIT("HTTP/1.1 205 X\r\nContent-Length: 1\r\n\r\n"), "205 with a body"},
	{LIT("HTTP/1.1 205 X\r\nTransfer-Encoding: chunked\r\n\r\n"), "205 with a body"},
};

/* The input lies in a heap block of its exact length: ASan sees a read behind. */
static enum sp_parse_verdict parse_copy(const char *text, size_t len,
					const struct sp_http1_request_kind *of,
					struct sp_http1_response *response)
{
	char *copy = malloc(len ? len : 1);
	enum sp_parse_verdict v;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(response, 0x5a, sizeof(*response));
	v = sp_http1_response_parse(copy, len, of, response);
	free(copy);
	assert_int_equal(response->why != NULL, v == SP_PARSE_BAD);
	return v;
}

static void assert_good(const struct good *g, const char *text, size_t len)
{
	struct sp_http1_response r;

	if (parse_copy(text, len, g->of, &r) != SP_PARSE_OK)
		fail_msg("%s: %s", r.why, text);
	assert_int_equal(r.status, g->status);
	assert_int_equal(r.minor, g->text[7] - '0');
	assert_int_equal(r.head_len, strlen(g->text));
	if (r.framing.body != g->framing.body || r.framing.length != g->framing.length ||
	    r.framing.is_persistent != g->framing.is_persistent ||
	    r.framing.is_upgrade != g->framing.is_upgrade)
		fail_msg("body %d of %llu, persistent %d, upgrade %d: %s", r.framing.body,
			 (unsigned long long)r.framing.length, r.framing.is_persistent,
			 r.framing.is_upgrade, text);
	assert_false(r.framing.expects_continue || r.framing.is_head || r.framing.is_connect);
}

static void end_of_response_is_found(void **state)
{
	struct sp_http1_response r;
	size_t i, cut;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		const char *text = goods[i].text;

		assert_good(&goods[i], text, strlen(text));
		for (cut = 0; cut < strlen(text); cut++)
			if (parse_copy(text, cut, goods[i].of, &r) != SP_PARSE_INCOMPLETE)
				fail_msg("first %zu bytes of: %s", cut, text);
	}
}

static void bytes_behind_the_head_do_not_matter(void **state)
{
	static const char *const behind[] = {"\n", "\r\n", " x", "\x01", "HTTP/1.1 200 OK\r\n\r\n"};
	char text[256];
	size_t i, j;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		for (j = 0; j < sizeof(behind) / sizeof(*behind); j++) {
			snprintf(text, sizeof(text), "%s%s", goods[i].text, behind[j]);
			assert_good(&goods[i], text, strlen(text));
		}
	}
}

static void unclear_end_is_refused_at_its_decisive_byte(void **state)
{
	struct sp_http1_response r;
	size_t i, cut;

	for (i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		const struct bad *b = &bads[i];

		if (parse_copy(b->text, b->len, ANY, &r) != SP_PARSE_BAD)
			fail_msg("taken: %s (%s)", b->text, b->why);
		assert_string_equal(r.why, b->why);
		for (cut = 0; cut < b->len; cut++)
			if (parse_copy(b->text, cut, ANY, &r) != SP_PARSE_INCOMPLETE)
				fail_msg("%s after %zu bytes: %s", r.why, cut, b->text);
	}
}

static void head_is_bounded(void **state)
{
	static char text[SP_HTTP1_RESPONSE_HEAD_MAX + 16];
	struct sp_http1_response r;
	size_t max = SP_HTTP1_RESPONSE_HEAD_MAX;

	memset(text, 'x', sizeof(text));
	memcpy(text, OK11 "X:", strlen(OK11 "X:"));
	assert_int_equal(parse_copy(text, max - 1, ANY, &r), SP_PARSE_INCOMPLETE);
	assert_int_equal(parse_copy(text, max, ANY, &r), SP_PARSE_BAD);
	assert_string_equal(r.why, "head too long");
	memcpy(text + max - 4, "\r\n\r\n", 4);
	assert_int_equal(parse_copy(text, sizeof(text), ANY, &r), SP_PARSE_OK);
	assert_int_equal(r.head_len, max);
	memcpy(text + max - 4, "x\r\n\r\n", 5);
	assert_int_equal(parse_copy(text, sizeof(text), ANY, &r), SP_PARSE_BAD);
}

static void every_byte_of_a_header_is_judged(void **state)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct sp_http1_response r;
	int c;

	for (c = 0; c < 256; c++) {
		char name[] = OK11 "Xc: y\r\n\r\n", value[] = OK11 "X: ycy\r\n\r\n";
		bool is_token = c && strchr(token, c), is_ctl = (c < ' ' && c != '\t') || c == 127;

		name[strlen(OK11 "X")] = c;
		value[strlen(OK11 "X: y")] = c;
		assert_int_equal(parse_copy(LIT(name), ANY, &r) == SP_PARSE_OK,
				 is_token || c == ':');
		assert_int_equal(parse_copy(LIT(value), ANY, &r) == SP_PARSE_OK, !is_ctl);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_of_response_is_found),
		cmocka_unit_test(bytes_behind_the_head_do_not_matter),
		cmocka_unit_test(unclear_end_is_refused_at_its_decisive_byte),
		cmocka_unit_test(head_is_bounded),
		cmocka_unit_test(every_byte_of_a_header_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
