/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_reused.c - src/proxy/reused.c: splices whose port the client has reused, and their time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proxy/reused.c"

#define S	1000000000ULL
#define NOW	(3600 * S)

static void each_is_known_for_some_seconds(void **state)
{
	static struct sp_reused r;
	struct sp_tuple a = { .sport = 1 }, b = { .sport = 2 };

	sp_reused_add(&r, 7, &a, 100, NOW);
	assert_true(sp_reused_has(&r, 7, &a, 100, NOW));
	assert_true(sp_reused_has(&r, 7, &a, 100, NOW + 9 * S));
	assert_false(sp_reused_has(&r, 7, &a, 100, NOW + 10 * S));
	/* the new connection */
	assert_false(sp_reused_has(&r, 7, &a, 101, NOW));
	assert_false(sp_reused_has(&r, 7, &b, 100, NOW));
}

static void a_new_one_takes_the_place(void **state)
{
	static struct sp_reused r;
	struct sp_tuple a = { .sport = 1 }, b = { .sport = 2 };

	sp_reused_add(&r, 7, &a, 100, NOW);
	sp_reused_add(&r, 7 + SP_REUSED_SLOTS, &b, 200, NOW);
	assert_false(sp_reused_has(&r, 7, &a, 100, NOW));
	assert_true(sp_reused_has(&r, 7 + SP_REUSED_SLOTS, &b, 200, NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_known_for_some_seconds),
		cmocka_unit_test(a_new_one_takes_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
