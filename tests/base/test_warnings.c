/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_warnings.c - src/base/warnings.c: warnings in force, their duration, and their log lines */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/warnings.c"

#define LASTING	SP_WARNING_CLOCK_OFF
#define PASSING	SP_WARNING_SEND_REFUSED
#define PASSES_S 60

static char said[1024];
static int said_count, is_log_full;

/* ---- fakes ---- */

void sp_log(enum sp_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	said_count++;
}

int sp_log_limit_pass(struct sp_log_limit *limit, unsigned int *ret_suppressed)
{
	*ret_suppressed = 0;
	return !is_log_full;
}

/* ---- tests ---- */

static int begin(void **state)
{
	memset(&table, 0, sizeof(table));
	said_count = is_log_full = 0;
	return 0;
}

static unsigned int in_force(void)
{
	const struct sp_warning *w = NULL;
	unsigned int n = 0;

	while ((w = sp_warnings_next(w)))
		n++;
	return n;
}

static void one_comes_of_many_calls(void **state)
{
	for (int i = 1; i < 4; i++)
		sp_warn(PASSING, i, "b0", "%d packets", i);
	assert_int_equal(in_force(), 1);
	assert_string_equal(sp_warnings_next(NULL)->text, "3 packets");
	assert_string_equal(sp_warnings_next(NULL)->remedy, sp_warning_kind_remedy(PASSING));
	assert_int_equal(said_count, 1);
	assert_non_null(strstr(said, "1 packets. Remedy: "));
}

static void kinds_and_objects_are_apart(void **state)
{
	sp_warn(PASSING, 1, "b0", "x");
	sp_warn(PASSING, 1, "b1", "x");
	sp_warn(LASTING, 1, "b0", "x");
	assert_int_equal(in_force(), 3);
	sp_warn_over(LASTING, "b0");
	sp_warn_over(LASTING, "b1");
	assert_int_equal(in_force(), 2);
	assert_int_equal(said_count, 4);
	assert_string_equal(said, "no longer: x");
}

static void time_ends_it_unless_it_is_said_again(void **state)
{
	sp_warn(PASSING, 0, "b0", "x");
	sp_warn(LASTING, 0, "p1", "y");
	sp_warnings_tick(PASSES_S * SECOND_NS - 1);
	sp_warn(PASSING, PASSES_S * SECOND_NS - 1, "b0", "x");
	sp_warnings_tick(PASSES_S * SECOND_NS);
	assert_int_equal(in_force(), 2);
	sp_warnings_tick(2 * PASSES_S * SECOND_NS);
	assert_int_equal(in_force(), 1);
	assert_int_equal(sp_warnings_next(NULL)->kind, LASTING);
}

static void it_may_have_a_remedy_of_its_own(void **state)
{
	sp_warn_with("nft ...", PASSING, 1, "b0", "x");
	assert_string_equal(sp_warnings_next(NULL)->remedy, "nft ...");
	assert_string_equal(said, "x. Remedy: nft ...");
}

static void long_names_are_cut_and_found_again(void **state)
{
	char name[2 * SP_WARNING_OBJECT_MAX];

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = 0;
	sp_warn(LASTING, 1, name, "%s", name);
	sp_warn(LASTING, 1, name, "%s", name);
	assert_int_equal(in_force(), 1);
	sp_warn_over(LASTING, name);
	assert_int_equal(in_force(), 0);
}

static void a_full_table_is_left_to_the_log(void **state)
{
	char name[8];

	for (int i = 0; i <= SP_WARNINGS_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		sp_warn(LASTING, 1, name, "x");
	}
	assert_int_equal(in_force(), SP_WARNINGS_MAX);
	assert_int_equal(said_count, SP_WARNINGS_MAX + 1);
}

static void a_full_log_loses_no_warning(void **state)
{
	is_log_full = 1;
	sp_warn(LASTING, 1, "p1", "x");
	assert_int_equal(said_count, 0);
	assert_int_equal(in_force(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_comes_of_many_calls, begin),
		cmocka_unit_test_setup(kinds_and_objects_are_apart, begin),
		cmocka_unit_test_setup(time_ends_it_unless_it_is_said_again, begin),
		cmocka_unit_test_setup(it_may_have_a_remedy_of_its_own, begin),
		cmocka_unit_test_setup(long_names_are_cut_and_found_again, begin),
		cmocka_unit_test_setup(a_full_table_is_left_to_the_log, begin),
		cmocka_unit_test_setup(a_full_log_loses_no_warning, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
