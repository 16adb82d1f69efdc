/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* parse.h - values that people write. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_PARSE_H
#define SP_PLAN_PARSE_H

#define SP_PLAN_HOURS_A_YEAR 8766.0 /* 365.25 days */

/* Each returns 0, or -EINVAL with *@ret_why what is allowed; the value is untouched then. */

/*
 * "0.15s", "4h", "2 min", or "never" (INFINITY): a number with ms, s, min, h, d or y, 0 or more.
 * In hours.
 */
int sp_parse_hours(const char *text, double *ret_hours, const char **ret_why);

/*
 * "0.02", "5/min": per hour, if nothing else is said. Any sign: the model says what is wrong with
 * it.
 */
int sp_parse_per_hour(const char *text, double *ret_rate, const char **ret_why);

/* "0.999" or "99.9%". Any size: the model says what is wrong with it. */
int sp_parse_probability(const char *text, double *ret_p, const char **ret_why);

/* A price, or any other number. */
int sp_parse_number(const char *text, double *ret_number, const char **ret_why);

int sp_parse_count(const char *text, unsigned int *ret_count, const char **ret_why);

#endif
