/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* params.h - parameters of the command line and of files. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_PARAMS_H
#define SP_PLAN_PARAMS_H

#include "measures.h"
#include "model.h"

enum sp_param_kind {
	SP_PARAM_COUNT, SP_PARAM_PROBABILITY, SP_PARAM_RATE, SP_PARAM_HOURS, SP_PARAM_NUMBER,
		SP_PARAM_PRICES,
	SP_PARAM_CHOICE, SP_PARAM_IMPORT,
};

/**
 * struct sp_plan_params - parameters of the bare model
 * @model:	units and rates
 * @price:	per hour, by enum sp_plan_price
 * @at_hours:	time since the beginning; SP_PLAN_STEADY
 */
struct sp_plan_params {
	struct sp_plan_model	model;
	double			price[SP_PLAN_PRICE_COUNT];
	double			at_hours;
};

/**
 * struct sp_param - description of a parameter
 * @name:	without the --
 * @kind:	how it is written
 * @at:		offset of its value
 * @what:	for --help, in capitals what takes the place of the value
 * @names:	of SP_PARAM_PRICES: what has a price, NULL behind the last; their values are
 *		doubles from @at on. Of SP_PARAM_CHOICE: the words; the value is the number of one
 * @import:	of SP_PARAM_IMPORT: reads several parameters out of a file; 0, or -errno with the
 *		reason
 */
struct sp_param {
	const char		*name;
	enum sp_param_kind	kind;
	size_t			at;
	const char		*what;
	const char		*(*names)(int number);
	int			(*import)(const char *path, void *params,
					  char error[SP_PLAN_ERROR_MAX]);
};

extern const struct sp_param sp_plan_model_params[]; /* up to one without a name */

void sp_plan_params_init(struct sp_plan_params *params);

/**
 * sp_param_set() - read one value
 * @list:	of those that there are
 * @params:	the struct that their offsets are in
 * @name:	borrowed
 * @value:	borrowed
 * @error:	what is wrong, with name and value
 *
 * Return: 0; -ENOENT: there is no such parameter; -EINVAL.
 */
int sp_param_set(const struct sp_param *list, void *params, const char *name, const char *value,
		 char error[SP_PLAN_ERROR_MAX]);

/* A file of lines `name = value`; what follows a # is not read. Errors say file and line. */
int sp_param_read(const struct sp_param *list, void *params, const char *path,
		  char error[SP_PLAN_ERROR_MAX]);

#endif
