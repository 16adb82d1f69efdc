// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <math.h>

#include "print.h"
#include "states.h"

static void print_rates(const struct sp_plan_model *model, FILE *out)
{
	fprintf(out, "operating %u, warm %u, cold %u: %zu states\n", model->operating, model->warm,
		model->cold,
		sp_state_count(model));
	for (int r = 0; r < SP_PLAN_RATE_COUNT; r++)
		fprintf(out, "  %-10s %12g  %s\n", sp_plan_rate_name(r), model->rate[r],
			sp_plan_rate_what(r));
}

static void print_measures(const double value[SP_PLAN_MEASURE_COUNT], FILE *out)
{
	for (int m = 0; m < SP_PLAN_MEASURE_COUNT; m++) {
		fprintf(out, "  %-22s ", sp_plan_measure_name(m));
		if (isinf(value[m]))
			fprintf(out, "%14s", "never");
		else if (value[m] && fabs(value[m]) < 1e-3)
			fprintf(out, "%14.6e", value[m]);
		else
			fprintf(out, "%14.6f", value[m]);
		fprintf(out, "  %s\n", sp_plan_measure_what(m));
	}
}

static void print_slopes(const double slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT], FILE *out)
{
	fprintf(out, "%-24s", "");
	for (int r = 0; r < SP_PLAN_RATE_COUNT; r++)
		fprintf(out, " %11s", sp_plan_rate_name(r));
	fputc('\n', out);
	for (int m = 0; m < SP_PLAN_MEASURE_COUNT; m++) {
		fprintf(out, "  %-22s", sp_plan_measure_name(m));
		for (int r = 0; r < SP_PLAN_RATE_COUNT; r++)
			if (isfinite(slope[r][m]))
				fprintf(out, " %11.3e", slope[r][m]);
			else
				fprintf(out, " %11s", "-");
		fputc('\n', out);
	}
}

void sp_print_model(const struct sp_plan_params *params, const struct sp_plan_result *result,
		    FILE *out)
{
	print_rates(&params->model, out);
	if (params->at_hours < 0)
		fputs("\nin the steady state\n", out);
	else
		fprintf(out, "\nafter %g hours\n", params->at_hours);
	print_measures(result->value, out);
	fputs("\nchange of each with each rate (derivative)\n", out);
	print_slopes(result->slope, out);
}
