/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* print.h - what a model is worth, for people and for programs. Read by src/plan/. */
#ifndef SP_PLAN_PRINT_H
#define SP_PLAN_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "group.h"
#include "params.h"

/* All that is known of the bare model; @group in the steady state, and if its units are not 0. */
struct sp_plan_result {
	struct sp_group	group;
	double	value[SP_PLAN_MEASURE_COUNT];
	double	slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT];
};

void sp_print_model(const struct sp_plan_params *params, const struct sp_plan_result *result,
		    FILE *out);

/* Owned by the caller. What is no number, as a time to what never comes, is null. */
json_t *sp_json_model(const struct sp_plan_params *params, const struct sp_plan_result *result);
json_t *sp_json_number(double value);

#endif
