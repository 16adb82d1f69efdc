/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_addr.c - src/base/addr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/addr.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* text, and its printed form */
static const char *const good_addrs[][2] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "2001:DB8:0:0::0001", "2001:db8::1" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "::ffff:192.0.2.1", "192.0.2.1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static const char *const bad_addrs[] = {
	"", " ", "192.0.2", "192.0.2.256", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1.1", "0x7f.1",
	"localhost", "2001:db8:::1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "[::1]",
	"fe80::1%eth0", "::1/64",
};

static const char *const good_endpoints[][2] = {
	{ "192.0.2.1:80", "192.0.2.1:80" },
	{ "192.0.2.1:65535", "192.0.2.1:65535" },
	{ "192.0.2.1:1", "192.0.2.1:1" },
	{ "[2001:db8::1]:443", "[2001:db8::1]:443" },
	{ "[::]:08080", "[::]:8080" },
	{ "[::ffff:192.0.2.1]:80", "192.0.2.1:80" },
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
};

static const char *const bad_endpoints[] = {
	"", ":", ":80", "[]:80", "[:80", "]:80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0",
		"192.0.2.1:65536",
	"192.0.2.1:99999", "192.0.2.1:000080", "192.0.2.1:+80", "192.0.2.1: 80", "192.0.2.1:80 ",
	"192.0.2.1:-1", "192.0.2.1:http", "192.0.2.1:8o", "[192.0.2.1]:80", "2001:db8::1:80",
	"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]80", "[2001:db8::1:80", "2001:db8::1]:80",
	"[[::1]]:80", "[::1]]:80", "*:80", "example.org:80",
	"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
};

static void addresses_round_trip(void **state)
{
	for (size_t i = 0; i < COUNT(good_addrs); i++) {
		char *buf = malloc(SP_ADDR_STRLEN); /* so that the sanitizer sees a byte too many */
		struct sp_addr addr, again;

		assert_int_equal(sp_addr_parse(good_addrs[i][0], &addr), 0);
		assert_ptr_equal(sp_addr_format(&addr, buf), buf);
		assert_string_equal(buf, good_addrs[i][1]);
		assert_int_equal(sp_addr_parse(buf, &again), 0);
		assert_true(sp_addr_equal(&addr, &again));
		free(buf);
	}
}

static void ipv4_is_mapped(void **state)
{
	static const unsigned char bytes[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct sp_addr addr;

	assert_int_equal(sp_addr_parse("192.0.2.1", &addr), 0);
	assert_memory_equal(&addr, bytes, sizeof(bytes));
	assert_true(sp_addr_is_v4(&addr));
	assert_int_equal(sp_addr_parse("::1", &addr), 0);
	assert_false(sp_addr_is_v4(&addr));
}

static void bad_addresses_are_refused(void **state)
{
	const struct sp_addr before = sp_addr_v4(42);
	struct sp_addr addr = before;

	for (size_t i = 0; i < COUNT(bad_addrs); i++) {
		if (sp_addr_parse(bad_addrs[i], &addr) != -EINVAL)
			fail_msg("taken: '%s'", bad_addrs[i]);
		assert_true(sp_addr_equal(&addr, &before));
	}
}

static void endpoints_round_trip(void **state)
{
	for (size_t i = 0; i < COUNT(good_endpoints); i++) {
		char *buf = malloc(SP_ENDPOINT_STRLEN);
		struct sp_addr addr;
		__be16 port_be;

		if (sp_endpoint_parse(good_endpoints[i][0], &addr, &port_be))
			fail_msg("refused: '%s'", good_endpoints[i][0]);
		assert_ptr_equal(sp_endpoint_format(&addr, port_be, buf), buf);
		assert_string_equal(buf, good_endpoints[i][1]);
		free(buf);
	}
}

static void ports_are_in_network_order(void **state)
{
	struct sp_addr addr;
	__be16 port_be;

	assert_int_equal(sp_endpoint_parse("192.0.2.1:258", &addr, &port_be), 0);
	assert_memory_equal(&port_be, "\x01\x02", 2);
}

static void bad_endpoints_are_refused(void **state)
{
	const struct sp_addr before = sp_addr_v4(42);
	struct sp_addr addr = before;
	__be16 port_be = 77;

	for (size_t i = 0; i < COUNT(bad_endpoints); i++) {
		if (sp_endpoint_parse(bad_endpoints[i], &addr, &port_be) != -EINVAL)
			fail_msg("taken: '%s'", bad_endpoints[i]);
		assert_true(sp_addr_equal(&addr, &before));
		assert_int_equal(port_be, 77);
	}
}

static void tuples_have_both_ends(void **state)
{
	char buf[SP_TUPLE_STRLEN],
		*longest = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535";
	struct sp_tuple t = { .saddr = sp_addr_v4(htonl(0xc0000201)),
			      .daddr = sp_addr_v4(htonl(0xc6336401)),
			      .sport = htons(40000), .dport = htons(80) };

	assert_string_equal(sp_tuple_format(&t, buf), "192.0.2.1:40000 > 198.51.100.1:80");
	assert_true(2 * strlen(longest) + strlen(" > ") < sizeof(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_round_trip),
		cmocka_unit_test(ipv4_is_mapped),
		cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(endpoints_round_trip),
		cmocka_unit_test(ports_are_in_network_order),
		cmocka_unit_test(bad_endpoints_are_refused),
		cmocka_unit_test(tuples_have_both_ends),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
