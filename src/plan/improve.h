/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* improve.h - parameters worth improving. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_IMPROVE_H
#define SP_PLAN_IMPROVE_H

#include "cluster.h"

#define SP_IMPROVE_BETTER    10.0 /* one nine more */
#define SP_IMPROVE_TIMES_MAX 1e6
#define SP_IMPROVE_MORE_MAX  5 /* machines of a kind */

enum sp_improve_kind {
	SP_IMPROVE_LONGER, SP_IMPROVE_SHORTER, SP_IMPROVE_LIKELIER, SP_IMPROVE_MORE,
};

/**
 * struct sp_improvement - the value that a parameter alone would need
 * @name:	of the parameter
 * @kind:	direction of better; LIKELIER: 1 minus the value is to be smaller
 * @at:		offset in struct sp_plan_cluster
 * @is_enough:	the parameter alone can do so
 * @from:	today's value
 * @to:		needed value
 * @times:	factor; of machines, number added
 * @best:	`service_lost` with the parameter as good as can be: SP_IMPROVE_TIMES_MAX,
 *		SP_IMPROVE_MORE_MAX
 */
struct sp_improvement {
	const char		*name;
	enum sp_improve_kind	kind;
	size_t			at;
	int			is_enough;
	double			from, to;
	double			times;
	double			best;
};

#define SP_IMPROVEMENTS 8

/**
 * sp_improve() - find, for each parameter alone, the value that divides `service_lost` by ten
 * @cluster:	checked
 * @ret_list:	first the sufficient parameters, least need first; then the rest, most effect first
 *
 * Return: as sp_plan_cluster_worth().
 */
int sp_improve(const struct sp_plan_cluster *cluster,
	       struct sp_improvement ret_list[SP_IMPROVEMENTS]);

#endif
