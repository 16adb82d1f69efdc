// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <math.h>

#include "print.h"
#include "states.h"

json_t *sp_json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *model_object(const struct sp_plan_model *model)
{
	json_t *o = json_pack("{s:i, s:i, s:i, s:i}", "operating", (int)model->operating, "warm",
			      (int)model->warm,
			      "cold", (int)model->cold, "states", (int)sp_state_count(model));

	for (int r = 0; r < SP_PLAN_RATE_COUNT; r++)
		json_object_set_new(o, sp_plan_rate_name(r), sp_json_number(model->rate[r]));
	return o;
}

static json_t *values_object(const double value[SP_PLAN_MEASURE_COUNT])
{
	json_t *o = json_object();

	for (int m = 0; m < SP_PLAN_MEASURE_COUNT; m++)
		json_object_set_new(o, sp_plan_measure_name(m), sp_json_number(value[m]));
	return o;
}

/* Probabilities of 0, 1, ... failed units. */
static json_t *by_failed(const struct sp_group *group)
{
	json_t *safe = json_array(), *unsafe = json_array();

	for (unsigned int n = 0; n <= group->units; n++)
		json_array_append_new(safe, json_real(group->safe[n]));
	for (unsigned int n = 0; n < group->units; n++)
		json_array_append_new(unsafe, json_real(group->unsafe[n]));
	return json_pack("{s:o, s:o}", "safe", safe, "unsafe", unsafe);
}

json_t *sp_json_model(const struct sp_plan_params *params, const struct sp_plan_result *result)
{
	json_t *slopes = json_object();

	for (int r = 0; r < SP_PLAN_RATE_COUNT; r++)
		json_object_set_new(slopes, sp_plan_rate_name(r), values_object(result->slope[r]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "model", model_object(&params->model),
			 "at_hours",
			 params->at_hours < 0 ? json_null() :
			 json_real(params->at_hours), "measures",
			 values_object(result->value), "by_failed",
			 result->group.units ? by_failed(&result->group) :
			 json_null(), "sensitivity", slopes);
}
