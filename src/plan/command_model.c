// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* spliced-plan model: the bare model, by its rates. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "command.h"
#include "estimate.h"
#include "print.h"
#include "svg.h"

#define PATIENCE_S   20	/* without --large */
#define PLOT_POINTS  60
#define PLOT_REPAIRS 10 /* mean times of a repair in a picture, if no time is given */

static const char usage[] = "usage: spliced-plan model --lambda RATE --mu RATE [OPTION...]\n\n"
	"M operating units with spares, one repairman; see spliced-plan(1).\n";

static int check_time(const struct sp_plan_params *params)
{
	unsigned int units = sp_plan_units(&params->model);
	double s;
	int err = sp_plan_estimate(&params->model, params->at_hours, &s);

	if (err)
		return sp_fail_errno(err);
	if (units > SP_PLAN_UNITS_MAX)
		return sp_fail(SP_EXIT_USAGE,
			       "%u units are more than %d: that would take about %.2g s; --large does it", units,
			       SP_PLAN_UNITS_MAX, s);
	if (s > PATIENCE_S)
		return sp_fail(SP_EXIT_USAGE,
			       "so long a time with %u units would take about %.2g s; --large does it", units, s);
	return 0;
}

static int draw_plot(const struct sp_plan_params *params, FILE *out)
{
	struct sp_svg svg = {
		.title = "share of time that is lost", .x_name = "hours", .points = PLOT_POINTS,
		.lines = 2,
		.line = { { .name = "of capacity" }, { .name = "of service" } },
	};
	double end = params->at_hours > 0 ? params->at_hours :
		PLOT_REPAIRS / params->model.rate[SP_PLAN_RATE_mu];
	double value[SP_PLAN_MEASURE_COUNT];
	int err = 0;

	for (size_t i = 0; !err && i < svg.points; i++) {
		svg.x[i] = end * (double)(i + 1) / PLOT_POINTS;
		err = sp_plan_measure(&params->model, params->price, svg.x[i], value);
		svg.line[0].y[i] = value[SP_PLAN_MEASURE_capacity_lost];
		svg.line[1].y[i] = value[SP_PLAN_MEASURE_service_lost];
	}
	if (!err)
		sp_svg_print(&svg, out);
	return err;
}

static int write_plot(const struct sp_plan_params *params, const char *path)
{
	FILE *out = fopen(path, "w");
	int err = out ? draw_plot(params, out) : -errno;

	if (out && fclose(out) && !err)
		err = -errno;
	return err ? sp_fail(SP_EXIT_FAILED, "%s: %s", path, strerror(-err)) : 0;
}

static int solve_model(const struct sp_plan_params *params, struct sp_plan_result *result)
{
	int err = sp_plan_measure(&params->model, params->price, params->at_hours, result->value);

	result->group.units = 0;
	if (params->at_hours < 0 && sp_plan_units(&params->model) <= SP_PLAN_UNITS_MAX)
		err = err ?: sp_group_solve(&params->model, &result->group);
	return err ?:
	       sp_plan_sensitivity(&params->model, params->price, params->at_hours, result->slope);
}

static void print_result(const struct sp_plan_params *params, const struct sp_plan_result *result,
			 int is_json)
{
	json_t *object;

	if (!is_json) {
		sp_print_model(params, result, stdout);
		return;
	}
	object = sp_json_model(params, result);
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(object);
}

int sp_command_model(int argc, char **argv)
{
	struct sp_plan_params params;
	struct sp_plan_result result;
	struct sp_command_options options;
	char error[SP_PLAN_ERROR_MAX];
	int code, err;

	sp_plan_params_init(&params);
	code = sp_command_parse(argc, argv, sp_plan_model_params, &params, usage, &options);
	if (code)
		return code < 0 ? SP_EXIT_OK : code;
	if (isinf(params.at_hours))
		params.at_hours = SP_PLAN_STEADY;
	if (sp_plan_model_check(&params.model, error))
		return sp_fail(SP_EXIT_USAGE, "%s", error);
	code = options.is_large ? 0 : check_time(&params);
	if (code)
		return code;
	err = solve_model(&params, &result);
	if (err)
		return sp_fail_errno(err);
	print_result(&params, &result, options.is_json);
	return options.plot ? write_plot(&params, options.plot) : SP_EXIT_OK;
}
