// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_traffic.c - services by name, and those that give way */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "node/traffic.c"

static void numbers_stay_with_a_name(void **state)
{
	struct sp_traffic t = { 0 };
	struct sp_served *a = sp_traffic_get(&t, "a"), *b = sp_traffic_get(&t, "b");

	assert_true(a && b && a != b && t.count == 2);
	sp_served_add_request(a, 204);
	sp_served_add_request(a, 999);
	sp_served_add_request(a, 0);
	sp_traffic_put(a);
	assert_ptr_equal(sp_traffic_get(&t, "a"), a);
	assert_true(a->refs == 1 && a->requests[2] == 1 && a->requests[0] == 2);
	assert_ptr_equal(sp_traffic_find(&t, "b"), b);
	assert_null(sp_traffic_find(&t, "c"));
	sp_traffic_fini(&t);
	assert_true(!t.count && !sp_traffic_find(&t, "a"));
}

static void unused_names_give_way(void **state)
{
	struct sp_traffic t = { 0 };
	char name[16];

	assert_non_null(sp_traffic_get(&t, "used"));
	for (int i = 1; i < SP_TRAFFIC_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		sp_traffic_put(sp_traffic_get(&t, name));
	}
	assert_int_equal(t.count, SP_TRAFFIC_MAX);
	assert_non_null(sp_traffic_get(&t, "new"));
	assert_int_equal(t.count, 2);
	for (int i = 2; i < SP_TRAFFIC_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(sp_traffic_get(&t, name));
	}
	assert_null(sp_traffic_get(&t, "no room"));
	assert_non_null(sp_traffic_get(&t, "used"));
	sp_traffic_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stay_with_a_name),
		cmocka_unit_test(unused_names_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
