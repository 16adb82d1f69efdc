/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_begun.c - src/proxy/begun.c: which responses are the same representation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/begun.c"

#define OK	"HTTP/1.1 200 OK\r\n"
#define PART	"HTTP/1.1 206 Partial Content\r\n"
#define TAG	"ETag: \"one\"\r\n"
#define FIVE	"Content-Length: 5\r\n"
#define HINTS	"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
#define RANGE	"Content-Range: bytes 0-4/9\r\n"

static struct sp_begun begun(const char *text)
{
	struct sp_begun b;

	assert_int_equal(sp_begun_read(text, strlen(text), &b), SP_PARSE_OK);
	return b;
}

static const char *const known[] = {
	OK TAG FIVE "\r\n", OK FIVE TAG "Content-Encoding: gzip\r\n\r\n", PART TAG FIVE RANGE "\r\n",
	HINTS OK TAG FIVE "\r\n", OK "etag:\"\x21\x7e\"\r\n" FIVE "\r\n",
};

static const char *const unknown[] = {
	OK FIVE "\r\n", OK "ETag: W/\"one\"\r\n" FIVE "\r\n", OK "ETag: one\r\n" FIVE "\r\n",
	OK "ETag: \"\"\r\n" FIVE "\r\n", OK "ETag: \"a\", \"b\"\r\n" FIVE "\r\n",
	OK TAG TAG FIVE "\r\n",
	OK TAG "ETag: W/\"one\"\r\n" FIVE "\r\n", OK "ETag: \"o ne\"\r\n" FIVE "\r\n",
	OK "Last-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n" FIVE "\r\n",
	OK TAG "Transfer-Encoding: chunked\r\n\r\n", OK TAG "\r\n",
	OK TAG FIVE "Connection: close\r\n\r\n",
	OK TAG "Content-Length: 0\r\n\r\n", PART TAG FIVE "\r\n",
	PART TAG FIVE "Content-Type: multipart/byteranges; boundary=x\r\n\r\n",
	"HTTP/1.1 404 Not Found\r\n" TAG FIVE "\r\n", "HTTP/1.0 200 OK\r\n" TAG FIVE "\r\n",
	OK TAG FIVE "Content-Encoding: gzip\r\nContent-Encoding: br\r\n\r\n",
};

static void only_some_can_go_on(void **state)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct sp_begun b = begun(known[i]);

		assert_true(sp_begun_is_same(&b, &b));
		assert_int_equal(b.head_len, strlen(known[i]));
		assert_int_equal(b.length, 5);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct sp_begun b = begun(unknown[i]);

		assert_true(b.status);
		if (sp_begun_is_same(&b, &b))
			fail_msg("the same as itself: %s", unknown[i]);
	}
}

static void heads_may_differ(void **state)
{
	struct sp_begun a = begun(OK TAG FIVE "\r\n");
	struct sp_begun b = begun(HINTS OK "Server: x\r\nContent-Length: 005\r\n" TAG "\r\n");

	assert_true(sp_begun_is_same(&a, &b));
}

static void representations_differ(void **state)
{
	static const char *const others[] = {
		OK "ETag: \"two\"\r\n" FIVE "\r\n", OK TAG "Content-Length: 6\r\n\r\n",
		OK TAG FIVE "Content-Encoding: gzip\r\n\r\n", OK TAG FIVE RANGE "\r\n",
		PART TAG FIVE RANGE "\r\n", OK "ETag: \"one\"\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct sp_begun a = begun(OK TAG FIVE "\r\n");

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct sp_begun b = begun(others[i]);

		assert_false(sp_begun_is_same(&a, &b));
	}
}

static void coding_is_no_range(void **state)
{
	struct sp_begun a = begun(OK TAG FIVE "Content-Encoding: x\r\n\r\n");
	struct sp_begun b = begun(OK TAG FIVE "Content-Range: x\r\n\r\n");

	assert_false(sp_begun_is_same(&a, &b));
}

static void too_long_a_tag_is_none(void **state)
{
	char text[400];
	struct sp_begun b;

	snprintf(text, sizeof(text), OK "ETag: \"%0200d\"\r\n" FIVE "\r\n", 1);
	b = begun(text);
	assert_false(sp_begun_is_same(&b, &b));
}

static void interim_heads_are_counted(void **state)
{
	static const char text[] = HINTS OK TAG FIVE "\r\n";
	struct sp_begun b;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		assert_int_equal(sp_begun_read(text, len, &b), SP_PARSE_INCOMPLETE);
		assert_int_equal(b.status, 0);
		assert_int_equal(b.head_len, len < sizeof(HINTS) - 1 ? 0 : sizeof(HINTS) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_some_can_go_on),
		cmocka_unit_test(heads_may_differ),
		cmocka_unit_test(representations_differ),
		cmocka_unit_test(coding_is_no_range),
		cmocka_unit_test(too_long_a_tag_is_none),
		cmocka_unit_test(interim_heads_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
