// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_keys.c - key files good and bad, and the errors of the bad */
#include "base/keys.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define K1 "000102030405060708090a0b0c0d0e0f"
#define K2 "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"
#define K1_WORDS 0x0001020304050607ULL, 0x08090a0b0c0d0e0fULL
#define K2_WORDS 0xf0f1f2f3f4f5f6f7ULL, 0xf8f9fafbfcfdfeffULL

static int load(const char *text, char error[SP_KEYS_ERROR_MAX], struct sp_keys *keys)
{
	char path[] = "/tmp/sp-keys-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = sp_keys_load(path, error, keys);
	unlink(path);
	return err;
}

static void keys_are_read(void **state)
{
	static const struct {
		const char *text;
		struct sp_keys keys;
	} cases[] = {
		{ K1 "\n", { 1, { { K1_WORDS } } } },
		{ K1, { 1, { { K1_WORDS } } } },
		{ K2 "\n" K1 "\n", { 2, { { K2_WORDS }, { K1_WORDS } } } },
		{ "# new\n\n" K1 "\r\n  \n#old\n " K2 " \n\n",
		  { 2, { { K1_WORDS }, { K2_WORDS } } } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char error[SP_KEYS_ERROR_MAX] = "";
		struct sp_keys keys;

		assert_int_equal(load(cases[i].text, error, &keys), 0);
		assert_true(sp_keys_are_same(&keys, &cases[i].keys));
	}
}

static void long_comment_is_one_line(void **state)
{
	char error[SP_KEYS_ERROR_MAX] = "", text[1000];
	struct sp_keys keys;

	memset(text, '#', 900);
	strcpy(text + 900, "\n" K1 "\n");
	assert_int_equal(load(text, error, &keys), 0);
	assert_int_equal(keys.count, 1);
}

static void bad_file_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", ":1: found no key;" },
		{ "# nothing\n", ":2: found no key;" },
		{ K1 "\n" K2 "\n" K1 "\n", ":3: found a third key;" },
		{ K1 "\n\n" K2 "\n# more\n" "x\n", ":5: found a third key;" },
		{ K1 "\n" K2 "0\n", ":2: found no key;" },
		{ K1 K2 "\n", ":1: found no key;" },
		{ K1 "x\n", ":1: found no key;" },
		{ "x" K1 "\n", ":1: found no key;" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char error[SP_KEYS_ERROR_MAX] = "";
		struct sp_keys keys = { 0 };

		assert_int_equal(load(cases[i].text, error, &keys), -EINVAL);
		assert_int_equal(keys.count, 0);
		if (!strstr(error, cases[i].says))
			fail_msg("%s does not say %s", error, cases[i].says);
	}
}

static void file_that_is_not_there_is_named(void **state)
{
	char error[SP_KEYS_ERROR_MAX] = "";
	struct sp_keys keys;

	assert_int_equal(sp_keys_load("/nonexistent/key", error, &keys), -ENOENT);
	assert_string_equal(error,
			    "key_file /nonexistent/key: can't read it: No such file or directory");
	assert_int_equal(sp_keys_load("/", error, &keys), -EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(long_comment_is_one_line),
		cmocka_unit_test(bad_file_is_refused_by_name),
		cmocka_unit_test(file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
