// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_path.c - paths and their normal forms, by the sections of RFC 3986, and properties of all
 * paths
 */
#include "l7/path.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/*
 * The normal form is written into a heap block of exactly the required size: ASan sees a write
 * behind the block. NUL-terminated; to be freed.
 */
static char *normal_of(const char *path, const char **ret_why)
{
	size_t len = strlen(path);
	char *buf = malloc(len ?: 1), *text;
	struct sp_str normal = sp_path_normalize((struct sp_str){path, len}, buf, ret_why);

	assert_ptr_equal(normal.p, buf);
	assert_in_range(normal.len, 1, len ?: 1);
	text = strndup(buf, normal.len);
	free(buf);
	return text;
}

static void check(const char *path, const char *want, const char *want_why)
{
	const char *why;
	char *normal = normal_of(path, &why);

	if (strcmp(normal, want) != 0 || strcmp(why ?: "", want_why ?: "") != 0)
		fail_msg("%s: %s (%s), not %s (%s)", path, normal, why, want, want_why);
	free(normal);
}

static void servers_agree(void **state)
{
	static const char *const cases[][2] = {
		{"/", "/"},
		{"", "/"}, /* 6.2.3 */
		{"/a/b", "/a/b"},
		{"/a/b/", "/a/b/"},
		{"/Admin", "/Admin"},
		{"/%c3%A4", "/%C3%A4"},			    /* 6.2.2.1 */
		{"/%61dmin/%7E%2d%2E%5f%39", "/admin/~-._9"}, /* 6.2.2.2 */
		{"/%40%3b%20%25", "/@;%20%25"},
		{"/%252e/%252f", "/%252e/%252f"},	    /* decoded once at most */
		{"/%3F%23", "/%3F%23"},
		{"/./a", "/a"},				    /* 6.2.2.3, 5.2.4 */
		{"/a/./b/.", "/a/b/"},
		{"/x/../admin", "/admin"},
		{"/x/%2e%2E/admin", "/admin"},
		{"/x/.%2e/admin", "/admin"},
		{"/admin/..", "/"},
		{"/a/b/../../c", "/c"},
		{"/mid/content=5/../6", "/mid/6"},	    /* 5.2.4 */
		{"/a/b/c/./../../g", "/a/g"},		    /* 5.2.4 */
		{"/.../.a/a./..a", "/.../.a/a./..a"},
		{"//admin", "/admin"},
		{"///a////b//", "/a/b/"},
		{"/a//./b", "/a/b"},
		{"//x/../admin", "/admin"},
		{"/a;x=1/b;y", "/a;x=1/b;y"},
		{"/\"<>[]^`{|}", "/\"<>[]^`{|}"},
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++)
		check(cases[i][0], cases[i][1], NULL);
}

static void servers_disagree(void **state)
{
	static const char *const cases[][3] = {
		{"/admin%2fx", "/admin%2Fx", "encoded slash in the path"},
		{"/x%2f..%2Fadmin", "/x%2F..%2Fadmin", "encoded slash in the path"},
		{"/%2e%2e%2f", "/..%2F", "encoded slash in the path"},
		{"/admin%00x", "/admin%00x", "encoded NUL in the path"},
		{"/x\\..\\admin", "/x\\..\\admin", "backslash in the path"},
		{"/x%5c..%5Cadmin", "/x%5C..%5Cadmin", "encoded backslash in the path"},
		{"/../admin", "/admin", "\"..\" above the root of the path"},
		{"/a/../../b", "/b", "\"..\" above the root of the path"},
		{"/%2e%2e", "/", "\"..\" above the root of the path"},
		{"/a//../b", "/b", "\"..\" behind an empty segment of the path"},
		{"/a//b/../../c", "/c", "\"..\" behind an empty segment of the path"},
		{"//x/../../admin", "/admin", "\"..\" behind an empty segment of the path"},
		{"/a//b//c/../../..", "/", "\"..\" behind an empty segment of the path"},
		{"/x/..;/admin", "/x/..;/admin", "dot segment with parameters in the path"},
		{"/.;a/admin", "/.;a/admin", "dot segment with parameters in the path"},
		{"/x/..%3b/admin", "/x/..;/admin", "dot segment with parameters in the path"},
		{"/%", "/%", "malformed escape in the path"},
		{"/a%4", "/a%4", "malformed escape in the path"},
		{"/%zz/%61", "/%zz/a", "malformed escape in the path"},
		{"/%u0061", "/%u0061", "malformed escape in the path"},
		{"/%2%65/%61", "/%2%65/a", "malformed escape in the path"},
		{"/%g1/../a", "/a", "malformed escape in the path"},
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++)
		check(cases[i][0], cases[i][1], cases[i][2]);
}

/* Random paths consist of the parts that the rules name, in all combinations. */
static void any_path(char *path)
{
	static const char *const pieces[] = {
		"/", "/", ".", "..", "a", "%2e", "%2E", "%61", "%2f", "%", "%2", "%25", "65", "e",
			";", "\\", "%00", "b",
	};
	int count = random() % 12;

	strcpy(path, "/");
	while (count--)
		strcat(path, pieces[random() % COUNT(pieces)]);
}

static void normal_form_is_its_own(void **state)
{
	char path[64];
	int i;

	srandom(1);
	for (i = 0; i < 50000; i++) {
		const char *why, *again_why;
		char *once, *twice;

		any_path(path);
		once = normal_of(path, &why);
		twice = normal_of(once, &again_why);
		if (strcmp(once, twice) != 0)
			fail_msg("%s, %s, %s", path, once, twice);
		if (!why && again_why)
			fail_msg("%s: %s of its normal form %s alone", path, again_why, once);
		if (!why && (strstr(once, "//") || strstr(once, "/./") || strstr(once, "/../")))
			fail_msg("%s: %s is not normal", path, once);
		free(once);
		free(twice);
	}
}

static void normalizing_in_place_is_the_same(void **state)
{
	char path[64];
	int i;

	srandom(2);
	for (i = 0; i < 5000; i++) {
		const char *why, *in_place_why;
		struct sp_str normal;
		char *want;

		any_path(path);
		want = normal_of(path, &why);
		normal = sp_path_normalize((struct sp_str){path, strlen(path)}, path,
					   &in_place_why);
		assert_int_equal(normal.len, strlen(want));
		assert_memory_equal(normal.p, want, normal.len);
		assert_ptr_equal(why, in_place_why);
		free(want);
	}
}

/* The longest path of a head: its second half is of segments that go back. */
static void longest_path_is_normalized(void **state)
{
	static char path[SP_PATH_MAX], buf[SP_PATH_MAX];
	struct sp_str normal;
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(path); i++)
		path[i] = i < sizeof(path) / 2 ? "/a"[i % 2] : "/.."[(i - sizeof(path) / 2) % 3];
	normal = sp_path_normalize((struct sp_str){path, sizeof(path)}, buf, &why);
	assert_null(why);
	assert_in_range(normal.len, sizeof(path) / 6, sizeof(path) / 6 + 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_agree),
		cmocka_unit_test(servers_disagree),
		cmocka_unit_test(normal_form_is_its_own),
		cmocka_unit_test(normalizing_in_place_is_the_same),
		cmocka_unit_test(longest_path_is_normalized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
