// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)	 (sizeof(array) / sizeof((array)[0]))
#define COUNT_MAX	 1000000000
#define SECONDS_AN_HOUR	 3600.0

static const struct {
	const char *name;
	double hours;
} units[] = {
	{ "ms", 0.001 / SECONDS_AN_HOUR }, { "s", 1 / SECONDS_AN_HOUR }, { "min", 1 / 60.0 },
	{ "h", 1 }, { "d", 24 }, { "y", SP_PLAN_HOURS_A_YEAR },
};

/* Return: hours; 0: unknown. */
static double unit_hours(const char *name)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (!strcmp(name, units[i].name))
			return units[i].hours;
	return 0;
}

/* strtod() alone would take "nan", hexadecimal numbers, and numbers that are no doubles. */
static int leading_number(const char *text, double *ret_value, const char **ret_rest)
{
	char *end;
	double value;

	if (!*text || !strchr("0123456789.+-", *text) || strpbrk(text, "xX"))
		return -EINVAL;
	errno = 0;
	value = strtod(text, &end);
	if (end == text || !isfinite(value) || errno)
		return -EINVAL;
	*ret_rest = end + strspn(end, " ");
	*ret_value = value;
	return 0;
}

int sp_parse_hours(const char *text, double *ret_hours, const char **ret_why)
{
	const char *rest;
	double value, unit;

	*ret_why = "a time has a unit: ms, s, min, h, d or y; or is `never`";
	if (!strcmp(text, "never")) {
		*ret_hours = INFINITY;
		return 0;
	}
	if (leading_number(text, &value, &rest))
		return -EINVAL;
	unit = unit_hours(rest);
	if (!unit)
		return -EINVAL;
	*ret_why = "a time must not be negative";
	if (value < 0)
		return -EINVAL;
	*ret_hours = value * unit;
	return 0;
}

int sp_parse_per_hour(const char *text, double *ret_rate, const char **ret_why)
{
	const char *rest;
	double value, unit = 1;

	*ret_why = "a rate is a number per hour, or with /s, /min, /h, /d or /y";
	if (leading_number(text, &value, &rest))
		return -EINVAL;
	if (*rest)
		unit = *rest == '/' ? unit_hours(rest + 1) : 0;
	if (!unit)
		return -EINVAL;
	*ret_rate = value / unit;
	return 0;
}

int sp_parse_probability(const char *text, double *ret_p, const char **ret_why)
{
	const char *rest;
	double value;

	*ret_why = "a probability is a number from 0 to 1, or has a %";
	if (leading_number(text, &value, &rest) || (*rest && strcmp(rest, "%") != 0))
		return -EINVAL;
	*ret_p = *rest ? value / 100 : value;
	return 0;
}

int sp_parse_number(const char *text, double *ret_number, const char **ret_why)
{
	const char *rest;
	double value;

	*ret_why = "not a number";
	if (leading_number(text, &value, &rest) || *rest)
		return -EINVAL;
	*ret_number = value;
	return 0;
}

int sp_parse_count(const char *text, unsigned int *ret_count, const char **ret_why)
{
	unsigned long value;
	char *end;

	*ret_why = "a count is a whole number, 0 or more";
	if (!*text || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	*ret_why = "a count is at most 1000000000";
	if (errno || value > COUNT_MAX)
		return -EINVAL;
	*ret_count = value;
	return 0;
}
