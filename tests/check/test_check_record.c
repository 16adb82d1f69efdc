/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_check_record.c - src/check/record.c: records, written and read, and each refusal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check/record.c"

/* Return: the record of @text, split in a buffer that the next call uses again. */
static struct sp_record split(const char *text)
{
	static char line[SP_CHECK_LINE_MAX];
	struct sp_record record;

	snprintf(line, sizeof(line), "%s", text);
	assert_null(sp_record_split(line, &record));
	return record;
}

static void lines_of_a_message(void **state)
{
	char text[] = "alive\nhello\t1\n\nresult";
	char *at = text;

	assert_string_equal(sp_record_next(&at), "alive");
	assert_string_equal(sp_record_next(&at), "hello\t1");
	assert_string_equal(sp_record_next(&at), "");
	assert_string_equal(sp_record_next(&at), "result");
	assert_null(sp_record_next(&at));
}

static void bad_lines_are_refused(void **state)
{
	static char long_line[SP_CHECK_LINE_MAX + 1];
	char control[] = "result\t1\x1b[2J", many[] = "a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to";
	struct sp_record record;

	memset(long_line, 'x', SP_CHECK_LINE_MAX);
	assert_string_equal(sp_record_split(long_line, &record), "the line is too long");
	assert_string_equal(sp_record_split(control, &record), "a byte is not printable ASCII");
	assert_string_equal(sp_record_split(many, &record), "there are too many fields");
}

static void a_check_comes_as_it_was_sent(void **state)
{
	struct sp_check_def def = {
		.id = 7, .type = "https", .interval_ms = 2000, .timeout_ms = 500, .is_verified = 1,
		.method = "GET", .path = "/x y", .host = "", .sni = "a.example", .ca_file = "/ca",
		.expect = "200-399,404", .body = "all is well",
	}, got;
	char buf[SP_CHECK_LINE_MAX];
	struct sp_record record;
	int len;

	assert_int_equal(sp_endpoint_parse("[2001:db8::1]:8080", &def.at.addr, &def.at.port_be), 0);
	len = sp_check_def_format(&def, buf);
	assert_int_equal(buf[len - 1], '\n');
	buf[len - 1] = 0;
	record = split(buf);
	assert_null(sp_check_def_parse(&record, &got));
	assert_int_equal(sp_endpoint_compare(&def.at, &got.at), 0);
	assert_int_equal(got.id, 7);
	assert_string_equal(got.path, "/x y");
	assert_string_equal(got.host, "");
	assert_string_equal(got.body, "all is well");
	assert_int_equal(got.timeout_ms, 500);
}

static void bad_checks_are_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "check\t0\ttcp\t10.0.0.1:80\t1\t1\t1\t\t\t\t\t\t", "wrong number of fields" },
		{ "check\t0\tudp\t10.0.0.1:80\t1\t1\t1\t\t\t\t\t\t\t", "a bad type" },
		{ "check\t0\ttcp\t10.0.0.1\t1\t1\t1\t\t\t\t\t\t\t", "a bad endpoint" },
		{ "check\t0\ttcp\t10.0.0.1:80\t0\t1\t1\t\t\t\t\t\t\t", "a bad number" },
		{ "check\t0\ttcp\t10.0.0.1:80\t1\t-1\t1\t\t\t\t\t\t\t", "a bad number" },
		{ "check\tx\ttcp\t10.0.0.1:80\t1\t1\t1\t\t\t\t\t\t\t", "a bad number" },
		{ "check\t0\ttcp\t10.0.0.1:80\t1\t1\t2\t\t\t\t\t\t\t", "a bad number" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sp_record record = split(cases[i].line);
		struct sp_check_def def;

		assert_string_equal(sp_check_def_parse(&record, &def), cases[i].why);
	}
}

static void results_come_as_they_were_sent(void **state)
{
	struct sp_check_result result = { 3, 4, 5, 1, "HTTP\t200\n\x1b[1m" }, got;
	char buf[SP_CHECK_LINE_MAX], reason[200];
	struct sp_record record;

	buf[sp_check_result_format(&result, buf) - 1] = 0;
	record = split(buf);
	assert_null(sp_check_result_parse(&record, &got));
	assert_int_equal(got.generation, 3);
	assert_int_equal(got.id, 4);
	assert_int_equal(got.took_ms, 5);
	assert_true(got.is_passed);
	assert_string_equal(got.reason, "HTTP?200??[1m");
	memset(reason, 'x', sizeof(reason));
	reason[sizeof(reason) - 1] = 0;
	result.reason = reason;
	buf[sp_check_result_format(&result, buf) - 1] = 0;
	record = split(buf);
	assert_null(sp_check_result_parse(&record, &got));
	assert_int_equal(strlen(got.reason), SP_CHECK_REASON_MAX - 1);
}

static void bad_results_are_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "result\t1\t1\tpassed\t1", "wrong number of fields" },
		{ "result\t1\t1\tpassed\t1\tx\ty", "wrong number of fields" },
		{ "result\t1\t1\tmaybe\t1\tx", "a bad outcome" },
		{ "result\t1\t4294967296\tpassed\t1\tx", "a bad number" },
		{ "result\t1\t99999999999\tpassed\t1\tx", "a bad number" },
		{ "result\t1\t1\tfailed\t3600001\tx", "a bad number" },
		{ "result\t\t1\tfailed\t1\tx", "a bad number" },
		{ "result\t1\t1 \tfailed\t1\tx", "a bad number" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sp_record record = split(cases[i].line);
		struct sp_check_result result;

		assert_string_equal(sp_check_result_parse(&record, &result), cases[i].why);
	}
}

static void the_begin_of_a_list(void **state)
{
	struct sp_check_begin begin = { 1, 2, 3, 1024, 19999 }, got;
	char buf[SP_CHECK_LINE_MAX];
	struct sp_record record;

	buf[sp_check_begin_format(&begin, buf) - 1] = 0;
	record = split(buf);
	assert_null(sp_check_begin_parse(&record, &got));
	assert_memory_equal(&begin, &got, sizeof(begin));
	record = split("begin\t1\t2\t3\t60000\t1024");
	assert_string_equal(sp_check_begin_parse(&record, &got), "a bad range of ports");
	record = split("begin\t1\t2\t3\t0\t65536");
	assert_string_equal(sp_check_begin_parse(&record, &got), "a bad number");
}

static void expected_statuses(void **state)
{
	assert_true(sp_check_is_expected("200-399", 200));
	assert_true(sp_check_is_expected("200-399", 399));
	assert_false(sp_check_is_expected("200-399", 400));
	assert_true(sp_check_is_expected("204,404,500-501", 404));
	assert_true(sp_check_is_expected("204,404,500-501", 501));
	assert_false(sp_check_is_expected("204,404,500-501", 405));
	assert_false(sp_check_is_expected("", 200));
	assert_false(sp_check_is_expected("x,200", 201));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_message),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(a_check_comes_as_it_was_sent),
		cmocka_unit_test(bad_checks_are_refused),
		cmocka_unit_test(results_come_as_they_were_sent),
		cmocka_unit_test(bad_results_are_refused),
		cmocka_unit_test(the_begin_of_a_list),
		cmocka_unit_test(expected_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
