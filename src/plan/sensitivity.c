// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <math.h>

#include "measures.h"

#define STEP	   1e-3
#define POINTS_MAX 5
#define NOTHING	   1e-12 /* of a measure: no change in a step, but rounding */

/* A derivative out of measures at some distances, in steps. */
struct rule {
	int	count;
	double	at[POINTS_MAX];
	double	weight[POINTS_MAX];
};

static const struct rule both_sides = { 4, { -2, -1, 1, 2 },
					{ 1 / 12.0, -8 / 12.0, 8 / 12.0, -1 / 12.0 } };
static const struct rule one_side = { 5, { 0, 1, 2, 3, 4 },
				      { -25 / 12.0, 4, -3, 16 / 12.0, -3 / 12.0 } };

/*
 * The step is a share of the rate, so that it never leaves what is allowed; of 0, a share of
 * another rate.
 */
static const struct rule *choose_rule(const struct sp_plan_model *model, enum sp_plan_rate rate,
				      double *ret_step)
{
	double value = model->rate[rate];

	if (rate == SP_PLAN_RATE_coverage && value >= 1) {
		*ret_step = -STEP;
		return &one_side;
	}
	if (!(value > 0)) {
		*ret_step = STEP * (rate == SP_PLAN_RATE_coverage ? 1 :
				    rate == SP_PLAN_RATE_breakdown ?
				    model->rate[SP_PLAN_RATE_mend] :
								     model->rate[SP_PLAN_RATE_lambda]);
		return &one_side;
	}
	*ret_step = STEP * (rate == SP_PLAN_RATE_coverage ? fmin(value, 1 - value) : value);
	return &both_sides;
}

static int find_slope(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
		      double hours, enum sp_plan_rate rate,
		      double ret_slope[SP_PLAN_MEASURE_COUNT])
{
	double value[SP_PLAN_MEASURE_COUNT], step;
	const struct rule *rule = choose_rule(model, rate, &step);
	int err = 0;

	for (int m = 0; m < SP_PLAN_MEASURE_COUNT; m++)
		ret_slope[m] = 0;
	for (int i = 0; !err && i < rule->count; i++) {
		struct sp_plan_model moved = *model;

		moved.rate[rate] += rule->at[i] * step;
		err = sp_plan_measure(&moved, price, hours, value);
		for (int m = 0; !err && m < SP_PLAN_MEASURE_COUNT; m++)
			ret_slope[m] += rule->weight[i] * value[m] / step;
	}
	for (int m = 0; !err && m < SP_PLAN_MEASURE_COUNT; m++)
		if (fabs(ret_slope[m] * step) < NOTHING * fabs(value[m]))
			ret_slope[m] = 0;
	return err;
}

int sp_plan_sensitivity(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
			double hours,
			double ret_slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT])
{
	int err = 0;

	for (int rate = 0; !err && rate < SP_PLAN_RATE_COUNT; rate++)
		err = find_slope(model, price, hours, rate, ret_slope[rate]);
	return err;
}
