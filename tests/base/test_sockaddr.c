/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_sockaddr.c - src/base/sockaddr.c: endpoints in the form of socket calls, and back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "base/sockaddr.c"

static struct sp_addr addr_of(const char *text)
{
	struct sp_addr addr;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return sp_addr_v4(v4.s_addr);
	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static void ipv4_is_made(void **state)
{
	struct sp_addr addr = addr_of("192.0.2.1");
	struct sockaddr_in want = { .sin_family = AF_INET, .sin_port = htons(80) };
	union sp_sockaddr at;

	memset(&at, 0xff, sizeof(at));
	inet_pton(AF_INET, "192.0.2.1", &want.sin_addr);
	assert_int_equal(sp_sockaddr_make(&addr, htons(80), &at), sizeof(want));
	assert_memory_equal(&at, &want, sizeof(want));
}

static void ipv6_is_made(void **state)
{
	struct sp_addr addr = addr_of("2001:db8::1");
	struct sockaddr_in6 want = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	union sp_sockaddr at;

	memset(&at, 0xff, sizeof(at));
	inet_pton(AF_INET6, "2001:db8::1", &want.sin6_addr);
	assert_int_equal(sp_sockaddr_make(&addr, htons(443), &at), sizeof(want));
	assert_memory_equal(&at, &want, sizeof(want));
}

static void both_come_back(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::1" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sp_endpoint before = { addr_of(texts[i]), htons(7946) }, after;
		union sp_sockaddr at;

		sp_sockaddr_make(&before.addr, before.port_be, &at);
		after = sp_sockaddr_endpoint(&at);
		assert_int_equal(sp_endpoint_compare(&before, &after), 0);
	}
}

static void other_families_are_nothing(void **state)
{
	union sp_sockaddr at = { .un = { .sun_family = AF_UNIX,
					 .sun_path = "/run/of/another/family" } };
	struct sp_endpoint nothing = { 0 }, got = sp_sockaddr_endpoint(&at);

	assert_int_equal(sp_endpoint_compare(&got, &nothing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_made),
		cmocka_unit_test(ipv6_is_made),
		cmocka_unit_test(both_come_back),
		cmocka_unit_test(other_families_are_nothing),
	};

	return cmocka_run_group_tests_name("sockaddr", tests, NULL, NULL);
}
