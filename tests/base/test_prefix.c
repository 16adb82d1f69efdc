// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_prefix.c - ranges of addresses: text, bounds, families */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prefix.c"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct sp_prefix prefix_of(const char *text)
{
	struct sp_prefix prefix;

	if (sp_prefix_parse(text, &prefix))
		fail_msg("refused: '%s'", text);
	return prefix;
}

static struct sp_addr addr_of(const char *text)
{
	struct sp_addr addr;

	assert_int_equal(sp_addr_parse(text, &addr), 0);
	return addr;
}

static void texts_round_trip(void **state)
{
	static const char *const texts[][2] = {
		{ "192.0.2.0/24", "192.0.2.0/24" }, { "192.0.2.1", "192.0.2.1/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" }, { "192.0.2.1/32", "192.0.2.1/32" },
		{ "128.0.0.0/1", "128.0.0.0/1" }, { "::/0", "::/0" }, { "::1", "::1/128" },
		{ "2001:DB8::/32", "2001:db8::/32" }, { "2001:db8:8000::/33", "2001:db8:8000::/33" },
		{ "fe80::/10", "fe80::/10" }, { "::/96", "::/96" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
	};
	char buf[SP_PREFIX_STRLEN];

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct sp_prefix prefix = prefix_of(texts[i][0]), again;

		assert_string_equal(sp_prefix_format(&prefix, buf), texts[i][1]);
		again = prefix_of(buf);
		assert_true(sp_prefix_equal(&prefix, &again));
	}
}

static void bad_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"", "/", "/8", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8",
		"192.0.2.0/08", "192.0.2.0/8 ", "192.0.2.0/8/8", "192.0.2/24", "::/129", "::/1000",
		"example.org", "[::1]/128", "::1%lo/128",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
	};
	struct sp_prefix prefix;

	for (size_t i = 0; i < COUNT(texts); i++)
		if (sp_prefix_parse(texts[i], &prefix) != -EINVAL)
			fail_msg("taken: '%s'", texts[i]);
}

static void bits_behind_the_prefix_are_named(void **state)
{
	static const char *const texts[][2] = {
		{ "192.0.2.1/24", "192.0.2.0/24" }, { "10.1.0.0/8", "10.0.0.0/8" },
		{ "1.2.3.4/0", "0.0.0.0/0" }, { "2001:db8::1/32", "2001:db8::/32" },
		{ "::1/0", "::/0" },
	};
	char buf[SP_PREFIX_STRLEN];
	struct sp_prefix prefix;

	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(sp_prefix_parse(texts[i][0], &prefix), -ERANGE);
		assert_string_equal(sp_prefix_format(&prefix, buf), texts[i][1]);
	}
}

static const struct { const char *prefix, *addr; int has; } ranges[] = {
	{ "192.0.2.0/24", "192.0.2.0", 1 },
	{ "192.0.2.0/24", "192.0.2.255", 1 },
	{ "192.0.2.0/24", "192.0.3.0", 0 },
	{ "192.0.2.0/24", "192.0.1.255", 0 },
	{ "192.0.2.128/25", "192.0.2.127", 0 },
	{ "192.0.2.128/25", "192.0.2.128", 1 },
	{ "192.0.2.1", "192.0.2.1", 1 },
	{ "192.0.2.1", "192.0.2.2", 0 },
	{ "0.0.0.0/0", "255.255.255.255", 1 },
	{ "0.0.0.0/0", "::", 0 },
	{ "0.0.0.0/0", "2001:db8::1", 0 },
	{ "::/0", "2001:db8::1", 1 },
	{ "::/0", "192.0.2.1", 0 },
	{ "::/64", "192.0.2.1", 0 },
	{ "2001:db8::/33", "2001:db8:7fff::", 1 },
	{ "2001:db8::/33", "2001:db8:8000::", 0 },
	{ "::2/127", "::3", 1 },
	{ "::2/127", "::4", 0 },
};

static void addresses_are_in_their_range(void **state)
{
	for (size_t i = 0; i < COUNT(ranges); i++) {
		struct sp_prefix prefix = prefix_of(ranges[i].prefix);
		struct sp_addr addr = addr_of(ranges[i].addr);

		if (sp_prefix_has(&prefix, &addr) != ranges[i].has)
			fail_msg("%s: %s", ranges[i].prefix, ranges[i].addr);
	}
}

static void any_of_a_list_will_do(void **state)
{
	struct sp_prefix list[] = { prefix_of("10.0.0.0/8"), prefix_of("2001:db8::/32") };
	struct sp_addr in = addr_of("2001:db8::1"), out = addr_of("192.0.2.1");

	assert_true(sp_prefixes_have(list, 2, &in));
	assert_false(sp_prefixes_have(list, 1, &in));
	assert_false(sp_prefixes_have(list, 2, &out));
	assert_false(sp_prefixes_have(NULL, 0, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_round_trip),
		cmocka_unit_test(bad_texts_are_refused),
		cmocka_unit_test(bits_behind_the_prefix_are_named),
		cmocka_unit_test(addresses_are_in_their_range),
		cmocka_unit_test(any_of_a_list_will_do),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
