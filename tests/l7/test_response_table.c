// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_response_table.c - heads and size lines for the datapath: the parser must find the same end;
 * heads for the parser alone
 */
#include "l7/response_table.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "l7/http1_chunk.h"
#include "l7/http1_response.h"

#define COUNT(table)	(sizeof(table) / sizeof((table)[0]))
#define OK11		"HTTP/1.1 200 OK\r\n"
#define LENGTH(n)	"Content-Length: " #n "\r\n"
#define CHUNKED		"Transfer-Encoding: chunked\r\n"
#define ROOM		2048

/* The same states; in the second table, none is known to pass more than a byte. */
static struct sp_response_table table, bytewise;

static void fill_tables(void)
{
	sp_response_table_fill(&table);
	bytewise = table;
	for (int state = 0; state < 256; state++)
		bytewise.flags[state] &= SP_RESPONSE_F_LENGTH;
}

/* Return: whether @ret was settled, from a boundary at 1000. */
static int settle_by(const struct sp_response_table *t, const char *text, size_t len, __u8 reading,
		     struct sp_boundary *ret)
{
	__u8 head[ROOM + SP_RESPONSE_BLOCK] = { 0 };
	struct sp_response_scan s;

	memcpy(head, text, len);
	*ret = sp_boundary_make(1000, 0, SP_BOUND_HEAD, reading);
	s = sp_response_begin(head);
	if (s.state == SP_RESPONSE_BAD)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (sp_response_take(t, &s, head))
			break;
	return sp_response_settle(&s, head, ret);
}

static int settle(const char *text, size_t len, __u8 reading, struct sp_boundary *ret)
{
	struct sp_boundary slow;
	int is_settled = settle_by(&table, text, len, reading, ret);

	if (settle_by(&bytewise, text, len, reading, &slow) != is_settled ||
	    memcmp(&slow, ret, sizeof(slow)))
		fail_msg("byte by byte the end is another: %.*s", (int)len, text);
	return is_settled;
}

static const struct {
	const char	*head;
	__u8		reading;
	__u32		body;
	__u8		bound;
} clear[] = {
	{ OK11 LENGTH(5) "\r\n", 0, 5, SP_BOUND_STOP },
	{ OK11 "content-length:  005\r\n\r\n", 0, 5, SP_BOUND_STOP },
	{ OK11 "CONTENT-LENGTH:0\r\n\r\n", 0, 0, SP_BOUND_STOP },
	{ "HTTP/1.1 200\r\n" LENGTH(7) "\r\n", 0, 7, SP_BOUND_STOP },
	{ "HTTP/1.1 404 \x80 (not: found)\r\nServer: x/1 \r\n" LENGTH(1234)
	  "A_b-9: \"\r\nE:\r\n\r\n", 0, 1234, SP_BOUND_STOP },
	{ OK11 "Content-Lengt: 1\r\nContent-Lengthy: 2\r\nConnectio: 3\r\nConnections: 4\r\n"
	  "Transfer-Encodings: 5\r\nTransfer-Encodin: 6\r\nCon: 7\r\n" LENGTH(8)
	  "Content: 9\r\nX-Connection: close\r\nETag: \"Content-Length: 3\"\r\n\r\n", 0, 8, SP_BOUND_STOP },
	{ OK11 LENGTH(5) "Connection: keep-alive\r\nconnection:Keep-Alive\r\n\r\n", 0, 5, SP_BOUND_STOP },
	{ OK11 "Connection:  keep-alive\r\n" LENGTH(5) "\r\n", 0, 5, SP_BOUND_STOP },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 0, 0, SP_BOUND_STOP },
	{ "HTTP/1.1 204 No Content\r\n" LENGTH(5) "\r\n", 0, 0, SP_BOUND_STOP },
	{ "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 0, 0, SP_BOUND_STOP },
	{ "HTTP/1.1 304 Not Modified\r\n" LENGTH(5) "\r\n", 0, 0, SP_BOUND_STOP },
	{ OK11 LENGTH(5) "\r\n", SP_READING_NO_BODY, 0, SP_BOUND_STOP },
	{ OK11 "\r\n", SP_READING_NO_BODY, 0, SP_BOUND_STOP },
	{ "HTTP/1.1 599 x\r\n" LENGTH(1000000000) "\r\n", 0, 1000000000, SP_BOUND_STOP },
	{ OK11 CHUNKED "\r\n", 0, 0, SP_BOUND_CHUNK },
	{ OK11 "transfer-encoding:  CHUNKED\r\nConnection: keep-alive\r\n\r\n", 0, 0, SP_BOUND_CHUNK },
	{ OK11 CHUNKED "\r\n", SP_READING_NO_BODY, 0, SP_BOUND_STOP },
};

/* The response ends with its connection. */
static const char *const last[] = {
	OK11 "\r\n", OK11 "Connection: close\r\n" LENGTH(5) "\r\n", OK11 "Content-Lengt: 5\r\n\r\n",
	OK11 LENGTH(5) "connection:Close\r\nX: y\r\n\r\n", OK11 CHUNKED "Connection: close\r\n\r\n",
};

static void last_heads_are_settled(void **state)
{
	for (size_t i = 0; i < COUNT(last); i++) {
		struct sp_boundary b;

		if (!settle(last[i], strlen(last[i]), 0, &b))
			fail_msg("not settled:\n%s", last[i]);
		assert_int_equal(b.bound, SP_BOUND_NONE);
	}
}

static void usual_heads_are_settled(void **state)
{
	for (size_t i = 0; i < COUNT(clear); i++) {
		size_t len = strlen(clear[i].head);
		struct sp_boundary b;

		if (!settle(clear[i].head, len, clear[i].reading, &b))
			fail_msg("not settled:\n%s", clear[i].head);
		assert_int_equal(b.bound, clear[i].bound);
		assert_int_equal(b.reading, clear[i].reading);
		assert_int_equal(b.laps, 0);
		assert_int_equal(b.until, 1000 + len + clear[i].body);
	}
}

static const char *const others[] = {
	OK11 "Content-Length:\r\n\r\n", OK11 "Content-Length: 5 \r\n\r\n",
	OK11 "Content-Length: 5,5\r\n\r\n", OK11 "Content-Length: +5\r\n\r\n",
	OK11 "Content-Length:\t5\r\n\r\n", OK11 LENGTH(5) LENGTH(5) "\r\n",
	OK11 LENGTH(5) LENGTH(6) "\r\n", OK11 LENGTH(5) "X: y\r\n" LENGTH(5) "\r\n",
	OK11 LENGTH(12345678901) "\r\n", OK11 LENGTH(1073741824) "\r\n",
	OK11 CHUNKED LENGTH(5) "\r\n", OK11 LENGTH(5) CHUNKED "\r\n", OK11 CHUNKED CHUNKED "\r\n",
	OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n", OK11 "Transfer-Encoding: chunked \r\n\r\n",
	OK11 "Transfer-Encoding: chunkedx\r\n\r\n", OK11 "Transfer-Encoding:\r\n\r\n",
	"HTTP/1.1 204 x\r\n" CHUNKED "\r\n", "HTTP/1.1 304 x\r\n" CHUNKED "\r\n",
	OK11 LENGTH(5) "TRANSFER-ENCODING: x\r\n\r\n", OK11 LENGTH(5) "connection: keep-aliv\r\n\r\n",
	OK11 LENGTH(5) "connection: closed\r\n\r\n", OK11 LENGTH(5) "connection: clos\r\n\r\n",
	OK11 "Connection: close\r\n", OK11 "Connection: close\r\n\r", OK11 "\r",
	"HTTP/1.1 205 x\r\nConnection: close\r\n\r\n",
	OK11 LENGTH(5) "Connection: keep-alive, close\r\n\r\n",
	OK11 LENGTH(5) "Connection: keep-alivex\r\n\r\n",
	OK11 LENGTH(5) "Connection:\r\n\r\n", OK11 LENGTH(5) "Connection: upgrade\r\n\r\n",
	OK11 LENGTH(5) "X: y\n\r\n", OK11 LENGTH(5) "X: y\r\r\n\r\n", OK11 LENGTH(5) "X: y\r\n\n",
	OK11 LENGTH(5) "X: y\r\n z\r\n\r\n", OK11 LENGTH(5) "X: \tz\r\n\r\n",
	OK11 LENGTH(5) "X: \1\r\n\r\n", OK11 LENGTH(5) "X: \x7f\r\n\r\n",
	OK11 LENGTH(5) "X : y\r\n\r\n", OK11 LENGTH(5) ": y\r\n\r\n", OK11 LENGTH(5) "X\r\n\r\n",
	OK11 LENGTH(5) "X\x80: y\r\n\r\n", OK11 LENGTH(5) "X(: y\r\n\r\n", OK11 LENGTH(5),
	OK11 LENGTH(5) "\r", "HTTP/1.0 200 OK\r\n" LENGTH(5) "\r\n",
	"http/1.1 200 OK\r\n" LENGTH(5) "\r\n", "HTTP/1.1  200 OK\r\n" LENGTH(5) "\r\n",
	"\r\n" OK11 LENGTH(5) "\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 x\r\n" LENGTH(5) "\r\n", "HTTP/1.1 600 x\r\n" LENGTH(5) "\r\n",
	"HTTP/1.1 20 x\r\n" LENGTH(5) "\r\n", "HTTP/1.1 2000 x\r\n" LENGTH(5) "\r\n",
	"HTTP/1.1 2x0 x\r\n" LENGTH(5) "\r\n", "HTTP/1.1 205 x\r\n" LENGTH(5) "\r\n",
	"HTTP/1.1 200 O\tK\r\n" LENGTH(5) "\r\n", "HTTP/1.1 200 OK\n" LENGTH(5) "\r\n", "",
};

static void other_heads_are_left(void **state)
{
	for (size_t i = 0; i < COUNT(others); i++) {
		struct sp_boundary b;

		if (settle(others[i], strlen(others[i]), 0, &b))
			fail_msg("settled:\n%s", others[i]);
		assert_int_equal(b.bound, SP_BOUND_HEAD);
	}
}

/* The parser finds the same end of a settled head. */
static int check_like_parser(const char *text, size_t len, __u8 reading)
{
	const struct sp_http1_request_kind of = { .is_head = !!(reading & SP_READING_NO_BODY) };
	struct sp_http1_response parsed;
	enum sp_parse_verdict v;
	struct sp_boundary b, want;

	if (!settle(text, len, reading, &b))
		return 0;
	v = sp_http1_response_parse(text, len, &of, &parsed);
	if (b.bound == SP_BOUND_NONE) {		/* so do heads that the parser refuses */
		if (v == SP_PARSE_OK && parsed.framing.is_persistent)
			fail_msg("does not end with its connection: %.*s", (int)len, text);
		return 1;
	}
	if (v != SP_PARSE_OK || parsed.status < 200 || !parsed.framing.is_persistent)
		fail_msg("the parser does not agree: %.*s", (int)len, text);
	want = sp_boundary_make(1000 + parsed.head_len, parsed.framing.length,
				parsed.framing.body == SP_HTTP1_BODY_CHUNKED ? SP_BOUND_CHUNK :
				SP_BOUND_STOP, reading);
	if (memcmp(&b, &want, sizeof(b)))
		fail_msg("the parser finds another end: %.*s", (int)len, text);
	return 1;
}

static const char *const parts[] = {
	LENGTH(5), LENGTH(17), "content-Length:20\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n",
	"Server: nginx\r\n",
	"Transfer-Encoding: chunked\r\n", "Date: Sun, 29 Nov 2026 19:57:14 GMT\r\n", "A: b\r\n",
	"ETag: \"5\"\r\n", "\r\n", " folded\r\n", "Connection-X: y\r\n", "X:\r\n",
	"Set-Cookie: a=b; c\r\n", "Content-Security-Policy-Report-Only: default-src 'self'\r\n", "X-1: 2\r\n", "Trailer: x\r\n",
	"Strict-Transport-Security: max-age=1\r\n", "Last-Modified: Sun, 29 Nov 2026 19:57:14 GMT\r\n", "Accept_Ranges: bytes\r\n",
	"Link: </a/path/that/is/long/enough/to/be/more/than/one/step/takes/at/once/so/that/two/steps/are/needed/for/it/and/more/than/128>\r\n",
};
static const char *const lines[] = {
	OK11, OK11, OK11, "HTTP/1.1 304 Not Modified\r\n", "HTTP/1.1 204\r\n", "HTTP/1.1 100 x\r\n",
	"HTTP/1.1 205 x\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 404 Not Found\r\n",
};

static size_t make_head(char *to)
{
	size_t len = sprintf(to, "%s", lines[random() % COUNT(lines)]);
	int n = random() % 6;

	while (n--)
		len += sprintf(to + len, "%s", parts[random() % COUNT(parts)]);
	return len + sprintf(to + len, "\r\n%s", random() % 2 ? "body" : "");
}

/* Bytes replaced, left out or doubled. */
static size_t spoil(char *text, size_t len)
{
	static const char bytes[] = "\r\n:  \t-_5Cct\x7f\x80";
	size_t at = random() % len;

	switch (random() % 4) {
	case 0:
		text[at] = random() % 2 ? bytes[random() % sizeof(bytes)] : random();
		return len;
	case 1:
		memmove(text + at, text + at + 1, len - at - 1);
		return len - 1;
	case 2:
		memmove(text + at + 1, text + at, len - at);
		return len + 1;
	}
	return len;
}

static void random_heads_end_where_the_parser_says(void **state)
{
	int settled = 0;

	srandom(1);
	for (int i = 0; i < 400000; i++) {
		char text[ROOM];
		size_t len = make_head(text);
		int spoils = random() % 4;

		while (spoils-- && len > 1)
			len = spoil(text, len);
		settled += check_like_parser(text, len, random() % 4 ? 0 : SP_READING_NO_BODY);
	}
	print_message("%d of 400000 settled\n", settled);
	assert_true(settled > 20000);
}

/* ---- size lines ---- */

static const char *const pieces[] = {
	"\r\n", "0", "1", "5", "a", "F", "00", "1f40", "\r", "\n", ";x", " ", "0\r\n\r\n", "7fffffff", "3fffffff", "40000000",
	"0\r\nA: b\r\n\r\n", "g", "",
};

/* As packets with a cut each bring the line. Return: bytes read; 0: left to the parser. */
static size_t settle_pieces(const char *text, size_t len, struct sp_boundary *b)
{
	size_t at = 0, n;

	while (at < len && sp_boundary_is_line(*b) && (!at || b->bound != SP_BOUND_CHUNK_END)) {
		__u8 line[SP_CHUNK_LINE_MAX] = { 0 };

		n = 1 + random() % 6;
		if (random() % 2 || n > len - at)
			n = len - at;
		if (n > SP_CHUNK_LINE_MAX)
			n = SP_CHUNK_LINE_MAX;
		memcpy(line, text + at, n);
		if (!sp_chunk_settle(&table, line, n, b))
			return 0;
		at += n;
	}
	return at;
}

/* The parser finds the same end of a settled line. Return: whether settled. */
static int check_line(const char *text, size_t len, __u8 bound)
{
	struct sp_boundary b = sp_boundary_make(1000, 0, bound, 0), want;
	struct sp_http1_chunk chunk;
	size_t n = settle_pieces(text, len, &b);
	enum sp_parse_verdict v;

	if (!n)
		return 0;
	v = sp_http1_chunk_parse(text, n, bound == SP_BOUND_CHUNK_END, &chunk);
	if (sp_boundary_is_line(b) && b.bound != SP_BOUND_CHUNK_END) {
		if (v != SP_PARSE_INCOMPLETE)
			fail_msg("the parser has read on: %.*s", (int)len, text);
		return 0;
	}
	if (v != SP_PARSE_OK)
		fail_msg("the parser does not agree: %.*s", (int)len, text);
	want = sp_boundary_make(1000 + chunk.head_len, chunk.data_len,
				chunk.is_last ? SP_BOUND_STOP : SP_BOUND_CHUNK_END, 0);
	if (memcmp(&b, &want, sizeof(b)))
		fail_msg("the parser finds another end: %.*s", (int)len, text);
	return 1;
}

static void random_lines_end_where_the_parser_says(void **state)
{
	int settled = 0;

	srandom(2);
	for (int i = 0; i < 1000000; i++) {
		char text[128] = "";
		int n = 1 + random() % 5;

		while (n--)
			strcat(text, pieces[random() % COUNT(pieces)]);
		settled += check_line(text, strlen(text), random() % 2 ? SP_BOUND_CHUNK :
				      SP_BOUND_CHUNK_END);
	}
	print_message("%d of 1000000 settled\n", settled);
	assert_true(settled > 20000);
}

/* An empty table settles nothing. */
static void no_table_no_end(void **state)
{
	struct sp_boundary b;

	memset(&table, 0, sizeof(table));
	memset(&bytewise, 0, sizeof(bytewise));
	assert_false(settle(clear[0].head, strlen(clear[0].head), 0, &b));
	assert_false(settle(last[0], strlen(last[0]), 0, &b));
	fill_tables();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_heads_are_settled),
		cmocka_unit_test(last_heads_are_settled),
		cmocka_unit_test(other_heads_are_left),
		cmocka_unit_test(random_heads_end_where_the_parser_says),
		cmocka_unit_test(random_lines_end_where_the_parser_says),
		cmocka_unit_test(no_table_no_end),
	};

	fill_tables();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
