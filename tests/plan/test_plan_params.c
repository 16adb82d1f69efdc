// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Parameters as people write them, and the messages for errors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan/params.h"
#include "plan/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void hours(void **state)
{
	static const struct {
		const char *text;
		double is;
	} good[] = {
		{ "0.15s", .15 / 3600 }, { "150ms", .15 / 3600 }, { "2min", 2 / 60.0 }, { "4h", 4 },
			{ "4 h", 4 }, { "1e3h", 1000 },
		{ "2d", 48 }, { "1y", 8766 }, { "0s", 0 }, { "never", INFINITY },
	};
	static const char *const bad[] = { "", "4", "h", "-1h", "4x", "4hh", "nan", "nanh", "inf",
					   "infh", "1e999h", "0x4h", "4h5" };
	const char *why;
	double value;

	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(sp_parse_hours(good[i].text, &value, &why), 0);
		assert_true(value == good[i].is || fabs(value - good[i].is) < 1e-12 * good[i].is);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		value = 17;
		assert_int_not_equal(sp_parse_hours(bad[i], &value, &why), 0);
		assert_true(value == 17);
	}
}

static void rates_and_probabilities(void **state)
{
	const char *why;
	double value;

	assert_int_equal(sp_parse_per_hour(".02", &value, &why), 0);
	assert_float_equal(value, .02, 1e-15);
	assert_int_equal(sp_parse_per_hour("5/min", &value, &why), 0);
	assert_float_equal(value, 300, 1e-10);
	assert_int_not_equal(sp_parse_per_hour("5 per h", &value, &why), 0);
	assert_int_not_equal(sp_parse_per_hour("5/", &value, &why), 0);
	assert_int_equal(sp_parse_probability("99.9%", &value, &why), 0);
	assert_float_equal(value, .999, 1e-15);
	assert_int_equal(sp_parse_probability("0.999", &value, &why), 0);
	assert_int_not_equal(sp_parse_probability("0.9 9", &value, &why), 0);
}

static void counts(void **state)
{
	static const char *const bad[] = { "", "-1", "3.5", "1e3", " 3", "1000000001",
					   "99999999999999999999" };
	const char *why;
	unsigned int value;

	assert_int_equal(sp_parse_count("1000000000", &value, &why), 0);
	assert_int_equal(value, 1000000000);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_not_equal(sp_parse_count(bad[i], &value, &why), 0);
}

static void errors_have_a_name(void **state)
{
	static const struct {
		const char *name, *value, *says;
	} bad[] = {
		{ "lambda", "x",
		  "lambda `x`: a rate is a number per hour, or with /s, /min, /h, /d or /y" },
		{ "at", "10", "at `10`: a time has a unit: ms, s, min, h, d or y; or is `never`" },
		{ "warm", "-1", "warm `-1`: a count is a whole number, 0 or more" },
		{ "cost", "failed=1,pony=3", "cost: `pony` has no price: operating=N, ..." },
		{ "cost", "failed=x", "cost: failed=x: not a number" },
		{ "cost", "failed", "cost: `failed` has no price: operating=N, ..." },
		{ "pony", "1", "there is no parameter `pony`" },
	};
	struct sp_plan_params params;
	char error[SP_PLAN_ERROR_MAX];

	for (size_t i = 0; i < COUNT(bad); i++) {
		sp_plan_params_init(&params);
		assert_int_not_equal(sp_param_set(sp_plan_model_params, &params, bad[i].name,
						  bad[i].value, error), 0);
		assert_string_equal(error, bad[i].says);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void files(void **state)
{
	char path[] = "/tmp/sp-plan-XXXXXX", error[SP_PLAN_ERROR_MAX], expected[SP_PLAN_ERROR_MAX];
	struct sp_plan_params params;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	sp_plan_params_init(&params);
	write_file(path,
		   "# a comment\n\n operating = 3\nlambda=2/h # of a host\ncost = failed=2,busy=3\n");
	assert_int_equal(sp_param_read(sp_plan_model_params, &params, path, error), 0);
	assert_int_equal(params.model.operating, 3);
	assert_float_equal(params.model.rate[SP_PLAN_RATE_lambda], 2, 1e-15);
	assert_float_equal(params.price[SP_PLAN_PRICE_busy], 3, 1e-15);
	write_file(path, "operating = 3\npony = 1\n");
	assert_int_not_equal(sp_param_read(sp_plan_model_params, &params, path, error), 0);
	snprintf(expected, sizeof(expected), "%s:2: there is no parameter `pony`", path);
	assert_string_equal(error, expected);
	write_file(path, "operating 3\n");
	assert_int_not_equal(sp_param_read(sp_plan_model_params, &params, path, error), 0);
	assert_non_null(strstr(error, ":1: `operating 3`: a line is `name = value`"));
	unlink(path);
	assert_int_not_equal(sp_param_read(sp_plan_model_params, &params, path, error), 0);
	assert_non_null(strstr(error, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours),
		cmocka_unit_test(rates_and_probabilities),
		cmocka_unit_test(counts),
		cmocka_unit_test(errors_have_a_name),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
