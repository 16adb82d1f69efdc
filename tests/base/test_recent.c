// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_recent.c - the last lines of the log are kept, in order, as many as there is room for */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/recent.c"

static int start_empty(void **state)
{
	memset(&recent, 0, sizeof(recent));
	return 0;
}

static void add_text(enum sp_log_level level, const char *text)
{
	sp_recent_add(level, text, strlen(text));
}

static void lines_come_in_order(void **state)
{
	assert_null(sp_recent_next(0));
	assert_true(sp_recent_last() == 0);
	add_text(SP_LOG_WARN, "one");
	add_text(SP_LOG_DEBUG, "not this");
	add_text(SP_LOG_INFO, "two");
	assert_string_equal(sp_recent_next(0)->text, "one");
	assert_int_equal(sp_recent_next(0)->level, SP_LOG_WARN);
	assert_true(sp_recent_next(0)->at_ms > 1000000000000);
	assert_string_equal(sp_recent_next(1)->text, "two");
	assert_null(sp_recent_next(2));
	assert_null(sp_recent_next(99));
	assert_null(sp_recent_next(UINT64_MAX));
}

static void the_oldest_go(void **state)
{
	char text[16];

	for (int i = 1; i <= SP_RECENT_MAX + 3; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		add_text(SP_LOG_INFO, text);
	}
	assert_string_equal(sp_recent_next(0)->text, "line 4");
	assert_true(sp_recent_next(0)->seq == 4);
	assert_string_equal(sp_recent_next(sp_recent_last() - 1)->text, "line 259");
}

static void lines_are_cut_and_printable(void **state)
{
	char text[2 * SP_RECENT_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	text[1] = '\n';
	text[2] = '\xc3';
	sp_recent_add(SP_LOG_ERR, text, sizeof(text));
	assert_int_equal(strlen(sp_recent_next(0)->text), SP_RECENT_TEXT_MAX - 1);
	assert_memory_equal(sp_recent_next(0)->text, "x??x", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_come_in_order, start_empty),
		cmocka_unit_test_setup(the_oldest_go, start_empty),
		cmocka_unit_test_setup(lines_are_cut_and_printable, start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
