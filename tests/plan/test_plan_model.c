// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model against known figures, and properties that need no solver. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "example.h"
#include "plan/measures.h"
#include "plan/states.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const double no_price[SP_PLAN_PRICE_COUNT];

static const enum sp_plan_measure columns[] = {
	SP_PLAN_MEASURE_failed, SP_PLAN_MEASURE_capacity, SP_PLAN_MEASURE_service,
		SP_PLAN_MEASURE_unsafe,
	SP_PLAN_MEASURE_vacation, SP_PLAN_MEASURE_busy, SP_PLAN_MEASURE_down,
	SP_PLAN_MEASURE_throughput,
};

/* The example, with one rate changed. */
static const struct {
	double at_hours;
	enum sp_plan_rate rate;
	double value;
	double is[COUNT(columns)];
} table[] = {
	{ 10, SP_PLAN_RATE_lambda, .02,
	  { .199289, .996429, .998916, .001079, .935011, .063788, .001201, .063720 } },
	{ -1, SP_PLAN_RATE_lambda, .02,
	  { .201410, .996169, .998913, .001079, .933883, .064820, .001296, .064752 } },
	{ -1, SP_PLAN_RATE_coverage, .5,
	  { .205677, .991887, .994619, .005373, .933888, .064815, .001296, .064473 } },
	{ -1, SP_PLAN_RATE_coverage, 1,
	  { .200337, .997245, .999992, 0, .933882, .064821, .001296, .064821 } },
	{ -1, SP_PLAN_RATE_beta, 60,
	  { .200445, .997137, .999884, .000108, .933882, .064821, .001296, .064814 } },
	{ -1, SP_PLAN_RATE_theta, 5,
	  { .085141, .998566, .998918, .001082, .933736, .064965, .001299, .064895 } },
	{ -1, SP_PLAN_RATE_mu, 5,
	  { .144280, .997343, .998915, .001080, .986762, .012978, .000260, .064822 } },
};

static void known_figures(void **state)
{
	double value[SP_PLAN_MEASURE_COUNT];

	for (size_t i = 0; i < COUNT(table); i++) {
		struct sp_plan_model model = example();

		model.rate[table[i].rate] = table[i].value;
		assert_int_equal(sp_plan_measure(&model, no_price, table[i].at_hours, value), 0);
		for (size_t c = 0; c < COUNT(columns); c++)
			/* figures have six decimals */
			assert_true(fabs(value[columns[c]] - table[i].is[c]) < 5.1e-7);
	}
}

static void numbers_of_states(void **state)
{
	for (unsigned int units = 1; units < 8; units++) {
		struct sp_plan_model model = { .operating = units };

		assert_int_equal(sp_state_count(&model), 6 * units - 1);
		for (size_t i = 0; i < sp_state_count(&model); i++) {
			struct sp_state s = sp_state_of(&model, i);

			assert_int_equal(sp_state_number(&model, s), i);
			assert_true(s.failed < units || (s.failed == units && !s.unsafe));
			assert_true(s.failed || s.repairman == SP_REPAIRMAN_VACATION);
		}
	}
}

static void failures_by_what_is_left(void **state)
{
	struct sp_plan_model model = example();
	/* the cold unit becomes warm, then all operate */
	static const double rate[] = { .065, .065, .06, .04, .02, 0 };

	for (unsigned int failed = 0; failed < COUNT(rate); failed++)
		assert_float_equal(sp_plan_failure_rate(&model, failed), rate[failed], 1e-15);
}

/* A single unit, always covered: availability and times are as in textbooks. */
static void one_unit(void **state)
{
	struct sp_plan_model model = { .operating = 1, .rate = { .01, 0, 1, 60, 2, 0, 1, 4 } };
	double value[SP_PLAN_MEASURE_COUNT], up = 100, down = 1 / 4.0 + 1 / 2.0;

	assert_int_equal(sp_plan_measure(&model, no_price, SP_PLAN_STEADY, value), 0);
	assert_float_equal(value[SP_PLAN_MEASURE_service_lost], down / (up + down), 1e-15);
	assert_float_equal(value[SP_PLAN_MEASURE_hours_to_service_lost], up, 1e-11);
	assert_true(isinf(value[SP_PLAN_MEASURE_hours_to_unsafe]));
	assert_float_equal(value[SP_PLAN_MEASURE_throughput], 1 / (up + down), 1e-15);
}

/* Tiny probabilities would vanish as 1 minus the probability of service. */
static void tiny_probabilities(void **state)
{
	struct sp_plan_model model = { .operating = 1, .warm = 5,
				       .rate = { 1e-4, 1e-4, 1, 60, 1, 0, 1, 1e6 } };
	double value[SP_PLAN_MEASURE_COUNT], p = 0, all = 0, product = 1, expected;

	/* theta is so fast that birth and death remain: P(n) ~ L(0)...L(n-1) / mu^n */
	for (unsigned int n = 0; n <= 6; n++) {
		all += product;
		p = product;
		product *= (6 - n) * 1e-4;
	}
	expected = p / all;
	assert_int_equal(sp_plan_measure(&model, no_price, SP_PLAN_STEADY, value), 0);
	assert_true(value[SP_PLAN_MEASURE_service_lost] > 0 &&
		    value[SP_PLAN_MEASURE_service_lost] < 1e-20);
	assert_float_equal(value[SP_PLAN_MEASURE_service_lost] / expected, 1, 1e-5);
}

static void cost_of_an_hour(void **state)
{
	struct sp_plan_model model = example();
	double value[SP_PLAN_MEASURE_COUNT];
	double price[SP_PLAN_PRICE_COUNT] = {
		[SP_PLAN_PRICE_operating] = 2, [SP_PLAN_PRICE_cold] = 1,
			[SP_PLAN_PRICE_failed] = 10,
		[SP_PLAN_PRICE_short] = 1000, [SP_PLAN_PRICE_busy] = 50,
	};

	assert_int_equal(sp_plan_measure(&model, price, SP_PLAN_STEADY, value), 0);
	assert_float_equal(value[SP_PLAN_MEASURE_cost],
			   3 * 2 + 1 + .201410 * 10 + .003831 * 1000 + .064820 * 50, 1e-3);
}

static void bad_models_are_named(void **state)
{
	char error[SP_PLAN_ERROR_MAX];
	static const struct {
		enum sp_plan_rate rate;
		double value;
		const char *says;
	} bad[] = {
		{ SP_PLAN_RATE_lambda, -1,
		  "lambda -1 (an operating unit fails): must not be negative" },
		{ SP_PLAN_RATE_coverage, 1.5,
		  "coverage 1.5 (probability that a failure is covered): is a probability, at most 1" },
		{ SP_PLAN_RATE_mu, 0,
		  "mu 0 (repair): must be above 0, or there is no steady state" },
		{ SP_PLAN_RATE_beta, NAN,
		  "beta nan (reboot out of an unsafe state): must be a finite number" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sp_plan_model model = example();

		assert_int_equal(sp_plan_model_check(&model, error), 0);
		model.rate[bad[i].rate] = bad[i].value;
		assert_int_not_equal(sp_plan_model_check(&model, error), 0);
		assert_string_equal(error, bad[i].says);
	}
}

static void thousand_states_take_no_time(void **state)
{
	struct sp_plan_model model = example();
	double value[SP_PLAN_MEASURE_COUNT], slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT];
	clock_t start = clock();

	model.operating = 165;
	assert_true(sp_state_count(&model) > 1000);
	assert_int_equal(sp_plan_measure(&model, no_price, 10, value), 0);
	assert_int_equal(sp_plan_sensitivity(&model, no_price, SP_PLAN_STEADY, slope), 0);
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_figures),
		cmocka_unit_test(numbers_of_states),
		cmocka_unit_test(failures_by_what_is_left),
		cmocka_unit_test(one_unit),
		cmocka_unit_test(tiny_probabilities),
		cmocka_unit_test(cost_of_an_hour),
		cmocka_unit_test(bad_models_are_named),
		cmocka_unit_test(thousand_states_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
