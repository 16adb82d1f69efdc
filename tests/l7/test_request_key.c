// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_request_key.c - which part of a request is hashed: the same part gives the same key */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "l7/request_key.h"

#define NONE NULL

static const struct {
	enum sp_hash_by	by;
	const char	*name;
	const char	*target;	/* NULL: "/" */
	const char	*headers;
	const char	*part;		/* NULL: no key */
} cases[] = {
	{ SP_HASH_BY_HEADER, "X-User", "/", "X-User: ann\r\n", "ann" },
	{ SP_HASH_BY_HEADER, "X-User", "/", "x-uSER:  ann \r\n", "ann" },
	{ SP_HASH_BY_HEADER, "X-User", "/", "X-User: ANN\r\n", "ANN" },
	{ SP_HASH_BY_HEADER, "X-User", "/", "X-User:\r\nX-User: b\r\nX-User: c\r\n", "b" },
	{ SP_HASH_BY_HEADER, "X-User", "/", "X-Users: ann\r\nX-Use: ann\r\n", NONE },
	{ SP_HASH_BY_HEADER, "X-User", "/", "X-User: \r\n", NONE },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: sid=1\r\n", "1" },
	{ SP_HASH_BY_COOKIE, "sid", "/", "cookie: a=b; sid=1; c=d\r\n", "1" },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: a=b;sid=\"1\" ;c\r\n", "\"1\"" },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: a=b\r\nCookie: sid=2=3\r\n", "2=3" },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: sid=; sid=4\r\n", "4" },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: SID=1; xsid=1; sidx=1; sid\r\n", NONE },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Cookie: ;;; \r\nX-Sid: sid=1\r\n", NONE },
	{ SP_HASH_BY_COOKIE, "sid", "/", "Set-Cookie: sid=1\r\n", NONE },
	{ SP_HASH_BY_PATH, NULL, "/a/b", "", "/a/b" },
	{ SP_HASH_BY_PATH, NULL, "/a/./x/../b?q=1", "", "/a/b" },
	{ SP_HASH_BY_PATH, NULL, "/%61//b", "", "/a/b" },
	{ SP_HASH_BY_PATH, NULL, "http://h/a/b", "", "/a/b" },
	{ SP_HASH_BY_PATH, NULL, "http://h", "", "/" },
};

static void assert_key(size_t i, const char *method, const char *target)
{
	static struct sp_http1 head;
	char text[512];
	__u64 key = 0;
	int len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, target,
			   cases[i].headers);

	if (sp_http1_parse(text, len, &head) != SP_PARSE_OK)
		fail_msg("case %zu: bad head", i);
	if (sp_request_key(&head, cases[i].by, cases[i].name, &key) != (cases[i].part ? 0 : -2))
		fail_msg("case %zu: %s", i, cases[i].part ? "no key" : "a key");
	if (cases[i].part && key != sp_balance_hash(cases[i].part, strlen(cases[i].part)))
		fail_msg("case %zu: another key", i);
}

static void the_part_is_hashed(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_key(i, "GET", cases[i].target);
}

static void a_star_is_no_path(void **state)
{
	static struct sp_http1 head;
	static const char text[] = "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n";
	__u64 key;

	assert_int_equal(sp_http1_parse(text, sizeof(text) - 1, &head), SP_PARSE_OK);
	assert_int_equal(sp_request_key(&head, SP_HASH_BY_PATH, NULL, &key), -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_part_is_hashed),
		cmocka_unit_test(a_star_is_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
