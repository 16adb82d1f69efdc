/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * improve.h - which of its parameters would make a cluster better. Read by src/plan/ and its tests.
 */
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
 * struct sp_improvement - the value that one parameter alone would need
 * @name:	of the parameter
 * @kind:	which way is better; LIKELIER: 1 minus it is to be smaller
 * @at:		its offset in struct sp_plan_cluster
 * @is_enough:	it can do so alone
 * @from:	what it is
 * @to:		what it would have to be
 * @times:	so many times better; of machines, so many more
 * @best:	`service_lost` if it alone were as good as can be: SP_IMPROVE_TIMES_MAX,
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
 * @ret_list:	those that are enough first, by how little they need; then the others, by how much
 *		they do
 *
 * Return: as sp_plan_cluster_worth().
 */
int sp_improve(const struct sp_plan_cluster *cluster, struct sp_improvement ret_list[SP_IMPROVEMENTS]);

#endif
