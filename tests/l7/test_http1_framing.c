// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_http1_framing.c - end of a request and of its connection: the framing of good heads, and the
 * reason for which bad heads are refused, at the decisive byte
 */
#include "l7/http1.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST_A "Host: a\r\n"
#define GET10 "GET / HTTP/1.0\r\n"
#define GET11 "GET / HTTP/1.1\r\n" HOST_A
#define POST10 "POST / HTTP/1.0\r\n"
#define POST11 "POST / HTTP/1.1\r\n" HOST_A
#define CONNECT11 "CONNECT a:1 HTTP/1.1\r\n" HOST_A
#define HTTP10 .is_persistent = false
#define HTTP11 .is_persistent = true
#define NO_BODY .body = SP_HTTP1_BODY_NONE
#define CHUNKED .body = SP_HTTP1_BODY_CHUNKED
#define LENGTH(n) .body = SP_HTTP1_BODY_LENGTH, .length = (n)

static const struct good {
	const char *text; /* without the empty line */
	struct sp_http1_framing framing;
} goods[] = {
	/* the body */
	{GET11, {NO_BODY, HTTP11}},
	{GET10, {NO_BODY, HTTP10}},
	{POST10, {NO_BODY, HTTP10}},
	{POST11, {NO_BODY, HTTP11}},
	{POST11 "Content-Length: 1\r\n", {LENGTH(1), HTTP11}},
	{POST10 "content-length:\t0012 \r\n", {LENGTH(12), HTTP10}},
	{POST11 "Content-Length: 0\r\n", {NO_BODY, HTTP11}},
	{POST11 "Content-Length: 9223372036854775807\r\n", {LENGTH(INT64_MAX), HTTP11}},
	{GET11 "Content-Length: 5\r\n", {LENGTH(5), HTTP11}},
	{GET10 "Content-Length: 0\r\n", {NO_BODY, HTTP10}},
	{"PUT / HTTP/1.0\r\nContent-Length: 3\r\n", {LENGTH(3), HTTP10}},
	{POST11 "Transfer-Encoding: chunked\r\n", {CHUNKED, HTTP11}},
	{POST11 "transfer-encoding: gzip, CHUNKED\r\n", {CHUNKED, HTTP11}},
	{"DELETE / HTTP/1.1\r\n" HOST_A "Transfer-Encoding: chunked\r\n", {CHUNKED, HTTP11}},
	{"HEAD / HTTP/1.1\r\n" HOST_A, {NO_BODY, HTTP11, .is_head = true}},
	{"HEAD / HTTP/1.1\r\n" HOST_A "Content-Length: 2\r\n",
	 {LENGTH(2), HTTP11, .is_head = true}},
	{"HEADX / HTTP/1.1\r\n" HOST_A, {NO_BODY, HTTP11}},
	{CONNECT11, {NO_BODY, HTTP11, .is_connect = true}},
	{CONNECT11 "Content-Length: 0\r\n", {NO_BODY, HTTP11, .is_connect = true}},
	{"TRACE / HTTP/1.1\r\n" HOST_A "Content-Length: 00\r\n", {NO_BODY, HTTP11}},
	/* the connection */
	{GET11 "Connection: close\r\n", {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: CLOSE\r\n", {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: keep-alive , close\r\n", {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: close\t,keep-alive\r\n", {NO_BODY, .is_persistent = false}},
	{GET11 "connection: close\r\nConnection: keep-alive\r\n",
	 {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: keep-alive\r\nConnection: close\r\n",
	 {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: x\r\nConnection:\r\nConnection: ,, close ,\r\n",
	 {NO_BODY, .is_persistent = false}},
	{GET11 "Connection: keep-alive\r\n", {NO_BODY, HTTP11}},
	{GET11 "Connection:\r\n", {NO_BODY, HTTP11}},
	{GET11 "Connection: xclose, closex, clos, TE, a=b;c\r\n", {NO_BODY, HTTP11}},
	{GET11 "Proxy-Connection: close\r\nX-Connection: close\r\n", {NO_BODY, HTTP11}},
	{GET10 "Connection: Keep-Alive\r\n", {NO_BODY, .is_persistent = true}},
	{GET10 "Connection: keep-alive, close\r\n", {NO_BODY, HTTP10}},
	{GET10 "Connection: keep-alive, TE\r\n", {NO_BODY, .is_persistent = true}},
	{GET10 "Connection: keep-alivex\r\nKeep-Alive: timeout=5\r\n", {NO_BODY, HTTP10}},
	/* Upgrade */
	{GET11 "Connection: Upgrade\r\nUpgrade: websocket\r\n",
	 {NO_BODY, HTTP11, .is_upgrade = true}},
	{GET11 "upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n",
	 {NO_BODY, HTTP11, .is_upgrade = true}},
	{GET11 "Upgrade: h2c\r\nConnection: HTTP2-Settings\r\nConnection: Upgrade\r\n",
	 {NO_BODY, HTTP11, .is_upgrade = true}},
	{POST11 "Upgrade: h2c\r\nConnection: upgrade, close\r\nContent-Length: 4\r\n",
	 {LENGTH(4), .is_persistent = false, .is_upgrade = true}},
	{POST11 "Upgrade: h2c\r\nConnection: upgrade\r\nTransfer-Encoding: chunked\r\n",
	 {CHUNKED, HTTP11, .is_upgrade = true}},
	{GET11 "Upgrade: websocket\r\n", {NO_BODY, HTTP11}},
	{GET11 "Connection: upgrade\r\n", {NO_BODY, HTTP11}},
	{GET11 "Connection: upgrades\r\nUpgrade: websocket\r\n", {NO_BODY, HTTP11}},
	{GET10 "Connection: upgrade\r\nUpgrade: websocket\r\n", {NO_BODY, HTTP10}},
	/* Expect */
	{POST11 "Content-Length: 5\r\nExpect: 100-continue\r\n",
	 {LENGTH(5), HTTP11, .expects_continue = true}},
	{POST11 "expect:100-Continue \r\nTransfer-Encoding: chunked\r\n",
	 {CHUNKED, HTTP11, .expects_continue = true}},
	{POST10 "Content-Length: 5\r\nExpect: 100-continue\r\n", {LENGTH(5), HTTP10}},
	{POST11 "Expect: 100-continue\r\n", {NO_BODY, HTTP11}},
	{POST11 "Content-Length: 5\r\nExpect:\r\n", {LENGTH(5), HTTP11}},
};

static const struct bad {
	const char *text; /* ends with the decisive byte */
	const char *why;
} bads[] = {
	{CONNECT11 "Content-Length: 1\r", "body with CONNECT"},
	{CONNECT11 "Transfer-Encoding:", "body with CONNECT"},
	{"TRACE / HTTP/1.1\r\nContent-Length: 01\r", "body with TRACE"},
	{"trace / HTTP/1.1\r\nTransfer-Encoding:", "body with TRACE"},
	{GET10 "Content-Length: 1\r", "body with GET, HEAD or DELETE in HTTP/1.0"},
	{"get / HTTP/1.0\r\nContent-Length: 1 ", "body with GET, HEAD or DELETE in HTTP/1.0"},
	{"HEAD / HTTP/1.0\r\nContent-Length: 1\r", "body with GET, HEAD or DELETE in HTTP/1.0"},
	{"DELETE / HTTP/1.0\r\nContent-Length: 1\r", "body with GET, HEAD or DELETE in HTTP/1.0"},
	{GET10 "Transfer-Encoding:", "Transfer-Encoding in HTTP/1.0"},
	{"head ", "HEAD or CONNECT in another case"},
	{"HEAd ", "HEAD or CONNECT in another case"},
	{"Connect ", "HEAD or CONNECT in another case"},
	{GET11 "Connection: \"close\"\r", "quotation mark in Connection"},
	{GET11 "Connection: a, \"b, close\"\r", "quotation mark in Connection"},
	{GET11 "Connection: close, Content-Length\r",
	 "Connection names a header that frames the message"},
	{GET11 "Connection: TRANSFER-ENCODING ,x\r",
	 "Connection names a header that frames the message"},
	{GET11 "Connection: host\r", "Connection names a header that frames the message"},
	{GET11 "Connection: x\x01", "control character"},
	{GET11 "Connection: x\n", "LF without CR"},
	{GET11 "Connection: close\r\n ", "folded line"},
	{GET11 "Connection ", "blank before a header's colon"},
	{POST11 "Expect: 200-ok\r", "expectation that is not 100-continue"},
	{POST11 "Expect: y 100-continue\r", "expectation that is not 100-continue"},
	{POST11 "Expect: 100-continue, 100-continue\r", "expectation that is not 100-continue"},
	{POST11 "Expect: 100-continue;q=1\r", "expectation that is not 100-continue"},
	{POST11 "Expect:\r\nExpect:", "Expect given twice"},
	{GET11 "Upgrade: \x7f", "control character"},
};

/* The input lies in a heap block of its exact length: ASan sees a read behind. */
static enum sp_parse_verdict parse_copy(const char *text, size_t len, struct sp_http1 *head)
{
	char *copy = malloc(len ? len : 1);
	enum sp_parse_verdict v;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(head, 0x5a, sizeof(*head));
	v = sp_http1_parse(copy, len, head);
	free(copy);
	return v;
}

static void assert_framing(const struct sp_http1_framing *got, const struct sp_http1_framing *want,
			   const char *text)
{
	if (got->body != want->body || got->length != want->length ||
	    got->is_persistent != want->is_persistent || got->is_upgrade != want->is_upgrade ||
	    got->expects_continue != want->expects_continue || got->is_head != want->is_head ||
	    got->is_connect != want->is_connect)
		fail_msg("body %d of %llu, persistent %d, upgrade %d, continue %d: %s", got->body,
			 (unsigned long long)got->length, got->is_persistent, got->is_upgrade,
			 got->expects_continue, text);
}

static void framing_is_read_from_the_head(void **state)
{
	struct sp_http1 head;
	char text[512];
	size_t i, len, cut;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		len = snprintf(text, sizeof(text), "%s\r\n", goods[i].text);
		if (parse_copy(text, len, &head) != SP_PARSE_OK)
			fail_msg("%s: %s", head.why, text);
		assert_framing(&head.framing, &goods[i].framing, text);
		for (cut = 0; cut < len; cut++)
			assert_int_equal(parse_copy(text, cut, &head), SP_PARSE_INCOMPLETE);
	}
}

static void unclear_framing_is_refused_at_its_decisive_byte(void **state)
{
	struct sp_http1 head;
	size_t i, len, cut;

	for (i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		len = strlen(bads[i].text);
		if (parse_copy(bads[i].text, len, &head) != SP_PARSE_BAD)
			fail_msg("taken: %s", bads[i].text);
		assert_string_equal(head.why, bads[i].why);
		for (cut = 0; cut < len; cut++)
			if (parse_copy(bads[i].text, cut, &head) != SP_PARSE_INCOMPLETE)
				fail_msg("%s after %zu bytes: %s", head.why, cut, bads[i].text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing_is_read_from_the_head),
		cmocka_unit_test(unclear_framing_is_refused_at_its_decisive_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
