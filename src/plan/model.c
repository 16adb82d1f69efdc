// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define UNITS_ABSOLUTE_MAX 5000

static const struct {
	const char *name;
	const char *what;
} rates[] = {
#define X(name, what) { #name, what },
	SP_PLAN_RATES(X)
#undef X
};

const char *sp_plan_rate_name(enum sp_plan_rate rate)
{
	return rates[rate].name;
}

const char *sp_plan_rate_what(enum sp_plan_rate rate)
{
	return rates[rate].what;
}

unsigned int sp_plan_units(const struct sp_plan_model *model)
{
	return model->operating + model->warm + model->cold;
}

static unsigned int smaller_of(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

double sp_plan_failure_rate(const struct sp_plan_model *model, unsigned int failed)
{
	unsigned int left = sp_plan_units(model) - failed;
	unsigned int working = smaller_of(model->operating, left);

	return working * model->rate[SP_PLAN_RATE_lambda] +
	       smaller_of(model->warm, left - working) * model->rate[SP_PLAN_RATE_alpha];
}

/* Without these the chain gets stuck, and has no steady state. */
static int must_be_positive(enum sp_plan_rate rate)
{
	return rate == SP_PLAN_RATE_lambda || rate == SP_PLAN_RATE_beta ||
	       rate == SP_PLAN_RATE_mu ||
	       rate == SP_PLAN_RATE_mend || rate == SP_PLAN_RATE_theta;
}

static int check_rate(enum sp_plan_rate rate, double value, char error[SP_PLAN_ERROR_MAX])
{
	const char *why = NULL;

	if (!isfinite(value))
		why = "must be a finite number";
	else if (value < 0)
		why = "must not be negative";
	else if (rate == SP_PLAN_RATE_coverage && value > 1)
		why = "is a probability, at most 1";
	else if (!value && must_be_positive(rate))
		why = "must be above 0, or there is no steady state";
	if (!why)
		return 0;
	snprintf(error, SP_PLAN_ERROR_MAX, "%s %g (%s): %s", rates[rate].name, value,
		 rates[rate].what, why);
	return -EINVAL;
}

static int check_units(const struct sp_plan_model *model, char error[SP_PLAN_ERROR_MAX])
{
	const char *why = NULL;

	if (!model->operating)
		why = "there must be an operating unit";
	else if (model->operating > UNITS_ABSOLUTE_MAX || model->warm > UNITS_ABSOLUTE_MAX ||
		 model->cold > UNITS_ABSOLUTE_MAX || sp_plan_units(model) > UNITS_ABSOLUTE_MAX)
		why = "more units than any model of this kind can tell something about (5000)";
	if (!why)
		return 0;
	snprintf(error, SP_PLAN_ERROR_MAX, "operating %u, warm %u, cold %u: %s", model->operating,
		 model->warm,
		 model->cold, why);
	return -EINVAL;
}

int sp_plan_model_check(const struct sp_plan_model *model, char error[SP_PLAN_ERROR_MAX])
{
	int err = check_units(model, error);

	for (int i = 0; !err && i < SP_PLAN_RATE_COUNT; i++)
		err = check_rate(i, model->rate[i], error);
	return err;
}
