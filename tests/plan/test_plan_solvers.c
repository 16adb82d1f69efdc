// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Solvers are checked by a second method. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "example.h"
#include "plan/measures.h"
#include "plan/states.h"
#include "plan/steady.h"
#include "plan/transient.h"

#define STATES_MAX 1300
#define AGREED	   1e-9

static double one[STATES_MAX], other[STATES_MAX];
static const double no_price[SP_PLAN_PRICE_COUNT];

/* Models: the example, a model with rates far apart, and a large model. */
static size_t models(struct sp_plan_model list[3])
{
	list[0] = example();
	list[1] = (struct sp_plan_model){ .operating = 4, .warm = 2,
					  .rate = { 5e-4, 5e-4, .999, 30, .25, 1e-4, .125, 1 } };
	list[2] = example();
	list[2].operating = 150;
	list[2].warm = 30;
	list[2].rate[SP_PLAN_RATE_mu] = 4;
	return 3;
}

static void assert_same(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(isfinite(one[i]) && isfinite(other[i]));
		assert_float_equal(one[i], other[i], AGREED);
	}
}

static void steady(void **state)
{
	struct sp_plan_model list[3];
	struct sp_chain chain;

	for (size_t i = 0, n = models(list); i < n; i++) {
		assert_int_equal(sp_states_chain(&list[i], &chain), 0);
		assert_int_equal(sp_steady(&chain, one), 0);
		assert_int_equal(sp_steady_by_lu(&chain, other), 0);
		assert_same(chain.count);
		sp_chain_fini(&chain);
	}
}

static void time_to_an_event(void **state)
{
	unsigned char set[STATES_MAX];
	struct sp_plan_model list[3];
	struct sp_chain chain;

	for (size_t i = 0, n = models(list); i < n; i++) {
		double sum = 0, other_sum = 0;

		assert_int_equal(sp_states_chain(&list[i], &chain), 0);
		for (size_t s = 0; s < chain.count; s++)
			set[s] = sp_state_of(&list[i], s).unsafe ||
				sp_state_of(&list[i], s).failed > 2;
		assert_int_equal(sp_time_before(&chain, set, one), 0);
		assert_int_equal(sp_time_before_by_lu(&chain, set, other), 0);
		for (size_t s = 0; s < chain.count; s++) {
			sum += one[s];
			other_sum += other[s];
		}
		assert_true(fabs(other_sum / sum - 1) < AGREED);
		sp_chain_fini(&chain);
	}
}

static void begin(double *p, size_t count)
{
	memset(p, 0, count * sizeof(*p));
	p[0] = 1;
}

static void transient(void **state)
{
	static const double hours[] = { 0, .01, 1, 10, 300 };
	struct sp_plan_model list[3];
	struct sp_chain chain;

	models(list);
	for (size_t i = 0; i < 2; i++)
		for (size_t t = 0; t < sizeof(hours) / sizeof(hours[0]); t++) {
			assert_int_equal(sp_states_chain(&list[i], &chain), 0);
			begin(one, chain.count);
			begin(other, chain.count);
			assert_int_equal(sp_transient_by_jumps(&chain, hours[t], one), 0);
			assert_int_equal(sp_transient_by_squares(&chain, hours[t], other), 0);
			assert_same(chain.count);
			begin(other, chain.count);
			assert_int_equal(sp_transient_by_exponential(&chain, hours[t], other), 0);
			assert_same(chain.count);
			sp_chain_fini(&chain);
		}
}

/*
 * The smallest probabilities, too, must agree digit by digit after a very long time, at rates 1e8
 * apart.
 */
static void transient_becomes_steady(void **state)
{
	struct sp_plan_model list[3];
	struct sp_chain chain;

	models(list);
	list[1].rate[SP_PLAN_RATE_beta] = 24000;
	assert_int_equal(sp_states_chain(&list[1], &chain), 0);
	begin(one, chain.count);
	assert_int_equal(sp_transient(&chain, 1e5, one), 0);
	assert_int_equal(sp_steady(&chain, other), 0);
	for (size_t i = 0; i < chain.count; i++)
		assert_true(fabs(one[i] / other[i] - 1) < 1e-9);
	sp_chain_fini(&chain);
}

static void stuck_chain_is_refused(void **state)
{
	struct sp_plan_model model = example();
	struct sp_chain chain;

	model.rate[SP_PLAN_RATE_theta] = 0;
	model.rate[SP_PLAN_RATE_mu] = 0;
	assert_int_equal(sp_states_chain(&model, &chain), 0);
	assert_int_not_equal(sp_steady(&chain, one), 0);
	sp_chain_fini(&chain);
}

/* The derivative by LU and a small step to one side. */
static void derivative(const struct sp_plan_model *model, enum sp_plan_rate rate, double *ret)
{
	struct sp_plan_model moved = *model;
	struct sp_chain chain, next;
	double p[64], step = model->rate[rate] * 1e-6;
	double sum = 0;

	moved.rate[rate] += step;
	assert_int_equal(sp_states_chain(model, &chain), 0);
	assert_int_equal(sp_states_chain(&moved, &next), 0);
	assert_int_equal(sp_steady_by_lu(&chain, p), 0);
	assert_int_equal(sp_steady_by_lu(&next, ret), 0);
	for (size_t i = 0; i < chain.count; i++) {
		ret[i] = (ret[i] - p[i]) / step;
		sum += ret[i];
	}
	assert_float_equal(sum, 0, 1e-6);
	sp_chain_fini(&chain);
	sp_chain_fini(&next);
}

static void sensitivity(void **state)
{
	static double slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT],
		value[SP_PLAN_MEASURE_COUNT];
	struct sp_plan_model model = example();

	assert_int_equal(sp_plan_sensitivity(&model, no_price, SP_PLAN_STEADY, slope), 0);
	for (int r = 0; r < SP_PLAN_RATE_COUNT; r++) {
		derivative(&model, r, one);
		sp_plan_measure_states(&model, no_price, one, value);
		assert_float_equal(slope[r][SP_PLAN_MEASURE_failed], value[SP_PLAN_MEASURE_failed],
				   1e-4 * fabs(value[SP_PLAN_MEASURE_failed]) + 1e-8);
		assert_float_equal(slope[r][SP_PLAN_MEASURE_capacity_lost],
				   value[SP_PLAN_MEASURE_capacity_lost],
				   1e-4 * fabs(value[SP_PLAN_MEASURE_capacity_lost]) + 1e-8);
	}
}

/* A rate at its ends can move to a single side. */
static void sensitivity_at_the_ends(void **state)
{
	static double slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT];
	static double near_by[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT];
	struct sp_plan_model model = example();

	model.rate[SP_PLAN_RATE_coverage] = 1;
	model.rate[SP_PLAN_RATE_alpha] = 0;
	assert_int_equal(sp_plan_sensitivity(&model, no_price, SP_PLAN_STEADY, slope), 0);
	model.rate[SP_PLAN_RATE_coverage] = 1 - 1e-6;
	model.rate[SP_PLAN_RATE_alpha] = 1e-8;
	assert_int_equal(sp_plan_sensitivity(&model, no_price, SP_PLAN_STEADY, near_by), 0);
	for (int r = SP_PLAN_RATE_alpha; r <= SP_PLAN_RATE_coverage; r++)
		assert_float_equal(slope[r][SP_PLAN_MEASURE_failed] / near_by[r][SP_PLAN_MEASURE_failed], 1, 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady),
		cmocka_unit_test(time_to_an_event),
		cmocka_unit_test(transient),
		cmocka_unit_test(transient_becomes_steady),
		cmocka_unit_test(stuck_chain_is_refused),
		cmocka_unit_test(sensitivity),
		cmocka_unit_test(sensitivity_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
