/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_list.c - src/check/list.c and schedule.c: lists of checks, and when each is due */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "check/list.c"
#include "check/schedule.c"

#define CHECK(id, at) "check\t" id "\ttcp\t" at "\t2000\t2000\t1\t\t\t\t\t\t\t"

static struct sp_record split(char *line)
{
	struct sp_record record;

	assert_null(sp_record_split(line, &record));
	return record;
}

#define LINE_ROOM	64

/* @line: LINE_ROOM bytes, needed as long as the record */
static struct sp_record split_copy(char *line, const char *text)
{
	snprintf(line, LINE_ROOM, "%s", text);
	return split(line);
}

static const char *begin(struct sp_check_list *list, const char *text)
{
	char line[LINE_ROOM];
	struct sp_record record = split_copy(line, text);

	return sp_check_list_begin(list, &record);
}

static const char *end(struct sp_check_list *list, const char *text)
{
	char line[LINE_ROOM];
	struct sp_record record = split_copy(line, text);

	return sp_check_list_end(list, &record);
}

static void lists_that_do_not_fit_are_refused(void **state)
{
	struct sp_check_list list = {};

	assert_string_equal(begin(&list, "begin\t1\t70000\t9\t0\t0"), "a list that is too long");
	assert_string_equal(begin(&list, "begin\t1\t2\t0\t0\t0"), "a bad number at once");
	list = (struct sp_check_list){};
	assert_string_equal(sp_check_list_add(&list, CHECK("0", "10.0.0.1:80")),
			    "a check beyond the list");
	assert_null(begin(&list, "begin\t1\t2\t9\t0\t0"));
	assert_null(sp_check_list_add(&list, CHECK("0", "10.0.0.1:80")));
	assert_string_equal(sp_check_list_add(&list, CHECK("0", "10.0.0.2:80")), "an id out of order");
	assert_string_equal(end(&list, "end\t1"), "a list that is too short");
	assert_null(sp_check_list_add(&list, CHECK("1", "10.0.0.2:80")));
	assert_string_equal(sp_check_list_add(&list, CHECK("2", "10.0.0.2:80")),
			    "a check beyond the list");
	assert_string_equal(end(&list, "end\t2"), "the end of another list");
	assert_null(end(&list, "end\t1"));
	sp_check_list_fini(&list);
}

static char pairs[256];

static void note_pair(void *ctx, struct sp_check *old, struct sp_check *new)
{
	size_t used = strlen(pairs);

	snprintf(pairs + used, sizeof(pairs) - used, "%u-%d ", old->def.id,
		 new ? (int)new->def.id : -1);
}

static void fill_list(struct sp_check_list *list, const char *const *checks, int count)
{
	char text[64];

	snprintf(text, sizeof(text), "begin\t1\t%d\t9\t0\t0", count);
	*list = (struct sp_check_list){};
	assert_null(begin(list, text));
	for (int i = 0; i < count; i++)
		assert_null(sp_check_list_add(list, checks[i]));
}

/* Ids are no part of a check. Of equal checks each has a partner of its own. */
static void equal_checks_are_found_again(void **state)
{
	static const char *const before[] = { CHECK("0", "10.0.0.1:80"), CHECK("1", "10.0.0.2:80"),
					      CHECK("2", "10.0.0.2:80"), CHECK("3", "10.0.0.9:80") };
	static const char *const after[] = { CHECK("0", "10.0.0.2:80"), CHECK("1", "10.0.0.3:80"),
					     CHECK("2", "10.0.0.1:80"), CHECK("3", "10.0.0.2:80") };
	struct sp_check_list old, new;
	int has_first, has_second;

	fill_list(&old, before, 4);
	fill_list(&new, after, 4);
	pairs[0] = 0;
	assert_int_equal(sp_check_list_compare(&old, &new, note_pair, NULL), 0);
	assert_non_null(strstr(pairs, "0-2 "));
	assert_non_null(strstr(pairs, "3--1 "));
	has_first = strstr(pairs, "1-0 ") && strstr(pairs, "2-3 ");
	has_second = strstr(pairs, "1-3 ") && strstr(pairs, "2-0 ");
	assert_true(has_first || has_second);
	sp_check_list_fini(&old);
	sp_check_list_fini(&new);
}

static void the_earliest_is_next(void **state)
{
	struct sp_schedule s;
	uint64_t last_ms = 0;

	assert_int_equal(sp_schedule_init(&s, 1000), 0);
	assert_null(sp_schedule_next(&s));
	for (unsigned int i = 0; i < 1000; i++)
		sp_schedule_add(&s, i, i * 7919 % 1000);
	for (int i = 0; i < 1000; i++) {
		const struct sp_due *due = sp_schedule_next(&s);

		assert_true(due->at_ms >= last_ms);
		assert_int_equal(due->at_ms, due->id * 7919 % 1000);
		last_ms = due->at_ms;
		sp_schedule_pop(&s);
	}
	assert_null(sp_schedule_next(&s));
	sp_schedule_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_that_do_not_fit_are_refused),
		cmocka_unit_test(equal_checks_are_found_again),
		cmocka_unit_test(the_earliest_is_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
