// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_holders.c - counts that are never too low, nor much too high */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "node/holders.c"

static const __u64 key[2] = { 0x0123456789abcdefULL, 0xfedcba9876543210ULL };
static struct sp_holders holders;

static int begin(void **state)
{
	memset(&holders, 0, sizeof(holders));
	return 0;
}

static __u32 count(struct sp_addr addr)
{
	return sp_holders_count(&holders, key, &addr);
}

static void add(struct sp_addr addr)
{
	sp_holders_add(&holders, key, &addr);
}

static struct sp_addr v6(__u32 net, __u32 host)
{
	return (struct sp_addr){ .w = { 0x20010db8, net, host, host } };
}

static void each_client_has_its_own(void **state)
{
	assert_int_equal(count(sp_addr_v4(1)), 0);
	for (int i = 0; i < 3; i++)
		add(sp_addr_v4(1));
	add(sp_addr_v4(2));
	assert_int_equal(count(sp_addr_v4(1)), 3);
	assert_int_equal(count(sp_addr_v4(2)), 1);
	assert_int_equal(count(sp_addr_v4(3)), 0);
}

/* A host can take addresses from a whole /64. */
static void hosts_of_one_net_count_together(void **state)
{
	for (__u32 host = 0; host < 10; host++)
		add(v6(1, host));
	assert_int_equal(count(v6(1, 77)), 10);
	assert_int_equal(count(v6(2, 1)), 0);
}

/* A client with many splices stands out among a million clients with a single splice. */
static void many_clients_make_small_errors(void **state)
{
	__u32 worst = 0;

	for (__u32 i = 0; i < 1000000; i++)
		add(sp_addr_v4(i));
	for (__u32 i = 0; i < 1000; i++)
		add(sp_addr_v4(5));
	for (__u32 i = 0; i < 1000000; i += 101)
		worst = i != 5 && count(sp_addr_v4(i)) > worst ? count(sp_addr_v4(i)) : worst;
	assert_in_range(worst, 1, 120);
	assert_in_range(count(sp_addr_v4(5)), 1001, 1120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_client_has_its_own, begin),
		cmocka_unit_test_setup(hosts_of_one_net_count_together, begin),
		cmocka_unit_test_setup(many_clients_make_small_errors, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
