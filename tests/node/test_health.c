/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_health.c - src/node/health.c, in virtual time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "node/health.c"

#define RISE 2
#define FALL 3

/* Add a result for each letter, + passed or - failed. Return: the state after each, as U or D. */
static const char *states_after(const char *results)
{
	struct sp_health h = {};
	static char states[64];
	size_t n = 0;

	for (; results[n]; n++) {
		struct sp_health_result result = { results[n] == '+', 7, "HTTP 500" };
		int was_down = h.is_down;
		int has_changed = sp_health_add(&h, &result, RISE, FALL, n + 1);

		assert_int_equal(has_changed, h.is_down != was_down);
		assert_int_equal(h.checked_ns, n + 1);
		if (has_changed)
			assert_int_equal(h.changed_ns, n + 1);
		states[n] = h.is_down ? 'D' : 'U';
	}
	states[n] = 0;
	assert_int_equal(h.passed + h.failed, n);
	return states;
}

static void rise_and_fall(void **state)
{
	static const struct {
		const char *results, *states;
	} cases[] = {
		{ "+++---", "UUUUUD" },	  { "+--+--+--+", "UUUUUUUUUU" },
		{ "-", "D" },		  { "-+", "DD" },
		{ "-++", "DDU" },	  { "-+-+-+", "DDDDDD" },
		{ "-++--+---", "DDUUUUUUD" }, { "-++---++", "DDUUUDDU" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(states_after(cases[i].results), cases[i].states);
}

static void long_reasons_are_cut(void **state)
{
	struct sp_health h = {};
	char reason[3 * SP_HEALTH_REASON_MAX];

	memset(reason, 'x', sizeof(reason));
	reason[sizeof(reason) - 1] = 0;
	sp_health_add(&h, &(struct sp_health_result){ 0, 1, reason }, RISE, FALL, 1);
	assert_int_equal(strlen(h.reason), SP_HEALTH_REASON_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rise_and_fall),
		cmocka_unit_test(long_reasons_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
