// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define LINE_LENGTH_MAX 1024
#define BLANKS		" \t\r\n"

static const char *price_name(int number)
{
	return number < SP_PLAN_PRICE_COUNT ? sp_plan_price_name(number) : NULL;
}

#define UNITS(member, help) { #member, SP_PARAM_COUNT, offsetof(struct sp_plan_params, model.member), .what = (help) }
#define RATE(member, how, help) \
	{ #member, how, offsetof(struct sp_plan_params, model.rate[SP_PLAN_RATE_##member]), .what = (help) }

const struct sp_param sp_plan_model_params[] = {
	UNITS(operating, "N\tM, units that work at once (1)"),
	UNITS(warm, "N\tY, warm spares (0)"),
	UNITS(cold, "N\tS, cold spares (0)"),
	RATE(lambda, SP_PARAM_RATE, "RATE\tan operating unit fails"),
	RATE(alpha, SP_PARAM_RATE, "RATE\ta warm spare fails (0)"),
	RATE(coverage, SP_PARAM_PROBABILITY, "P\tprobability that a failure is covered (1)"),
	RATE(beta, SP_PARAM_RATE, "RATE\treboot out of an unsafe state (60)"),
	RATE(mu, SP_PARAM_RATE, "RATE\trepair"),
	RATE(breakdown, SP_PARAM_RATE, "RATE\tb, the repairman breaks down (0)"),
	RATE(mend, SP_PARAM_RATE, "RATE\tr, the repairman is mended (1)"),
	RATE(theta, SP_PARAM_RATE, "RATE\tthe repairman returns from vacation (1)"),
	{ "at", SP_PARAM_HOURS, offsetof(struct sp_plan_params, at_hours),
	  .what = "TIME\tso long after the beginning (steady state)" },
	{ "cost", SP_PARAM_PRICES, offsetof(struct sp_plan_params, price),
	  .what = "X=N,...\tprices per hour of X: operating, warm, cold,\n"
	  "failed (each unit), unsafe, short, vacation, busy, down (while it is so)", .names = price_name },
	{ 0 },
};

void sp_plan_params_init(struct sp_plan_params *params)
{
	*params = (struct sp_plan_params){
		.model = { .operating = 1 },
		.at_hours = SP_PLAN_STEADY,
	};
	params->model.rate[SP_PLAN_RATE_coverage] = 1;
	params->model.rate[SP_PLAN_RATE_beta] = 60;
	params->model.rate[SP_PLAN_RATE_mend] = 1;
	params->model.rate[SP_PLAN_RATE_theta] = 1;
}

/* One of "name=value,name=value" */
static int set_price(const struct sp_param *param, double *price, char *item, char error[SP_PLAN_ERROR_MAX])
{
	char *value = strchr(item, '=');
	const char *why, *name;

	if (value)
		*value++ = '\0';
	for (int i = 0; value && (name = param->names(i)); i++) {
		if (strcmp(item, name) != 0)
			continue;
		if (!sp_parse_number(value, &price[i], &why))
			return 0;
		snprintf(error, SP_PLAN_ERROR_MAX, "%s: %s=%s: %s", param->name, item, value, why);
		return -EINVAL;
	}
	snprintf(error, SP_PLAN_ERROR_MAX, "%s: `%s` has no price: %s=N, ...", param->name, item, param->names(0));
	return -EINVAL;
}

static int set_prices(const struct sp_param *param, double *price, const char *text, char error[SP_PLAN_ERROR_MAX])
{
	char *copy = strdup(text), *rest = copy, *item;
	int err = copy ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ",")))
		err = set_price(param, price, item, error);
	free(copy);
	return err;
}

static int set_choice(const struct sp_param *param, unsigned int *choice, const char *value, const char **ret_why)
{
	const char *name;

	for (unsigned int i = 0; (name = param->names((int)i)); i++)
		if (!strcmp(value, name)) {
			*choice = i;
			return 0;
		}
	*ret_why = strchr(param->what, '\t') + 1;
	return -EINVAL;
}

static int set_param(const struct sp_param *param, void *params, const char *value,
		     char error[SP_PLAN_ERROR_MAX])
{
	void *at = (char *)params + param->at;
	const char *why = "";
	int err = -EINVAL;

	switch (param->kind) {
	case SP_PARAM_COUNT:
		err = sp_parse_count(value, at, &why);
		break;
	case SP_PARAM_PROBABILITY:
		err = sp_parse_probability(value, at, &why);
		break;
	case SP_PARAM_RATE:
		err = sp_parse_per_hour(value, at, &why);
		break;
	case SP_PARAM_HOURS:
		err = sp_parse_hours(value, at, &why);
		break;
	case SP_PARAM_NUMBER:
		err = sp_parse_number(value, at, &why);
		break;
	case SP_PARAM_PRICES:
		return set_prices(param, at, value, error);
	case SP_PARAM_CHOICE:
		err = set_choice(param, at, value, &why);
		break;
	case SP_PARAM_IMPORT:
		return param->import(value, params, error);
	}
	if (err)
		snprintf(error, SP_PLAN_ERROR_MAX, "%s `%s`: %s", param->name, value, why);
	return err;
}

int sp_param_set(const struct sp_param *list, void *params, const char *name, const char *value,
		 char error[SP_PLAN_ERROR_MAX])
{
	for (const struct sp_param *p = list; p->name; p++)
		if (!strcmp(p->name, name))
			return set_param(p, params, value, error);
	snprintf(error, SP_PLAN_ERROR_MAX, "there is no parameter `%s`", name);
	return -ENOENT;
}

static char *trim_blanks(char *text)
{
	size_t length;

	text += strspn(text, BLANKS);
	length = strlen(text);
	while (length && strchr(BLANKS, text[length - 1]))
		text[--length] = '\0';
	return text;
}

static int read_line(const struct sp_param *list, void *params, char *line, char error[SP_PLAN_ERROR_MAX])
{
	char *value;

	line[strcspn(line, "#")] = '\0';
	line = trim_blanks(line);
	if (!*line)
		return 0;
	value = strchr(line, '=');
	if (!value) {
		snprintf(error, SP_PLAN_ERROR_MAX, "`%.80s`: a line is `name = value`", line);
		return -EINVAL;
	}
	*value++ = '\0';
	return sp_param_set(list, params, trim_blanks(line), trim_blanks(value), error);
}

int sp_param_read(const struct sp_param *list, void *params, const char *path, char error[SP_PLAN_ERROR_MAX])
{
	char line[LINE_LENGTH_MAX], why[SP_PLAN_ERROR_MAX] = "";
	FILE *file = fopen(path, "r");
	int err = file ? 0 : -errno;

	if (err)
		snprintf(error, SP_PLAN_ERROR_MAX, "%.150s: %s", path, strerror(-err));
	for (unsigned int number = 1; !err && fgets(line, sizeof(line), file); number++) {
		err = read_line(list, params, line, why);
		if (err)
			snprintf(error, SP_PLAN_ERROR_MAX, "%.100s:%u: %.140s", path, number, why);
	}
	if (file)
		fclose(file);
	return err;
}
