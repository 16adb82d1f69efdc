/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* group.h - working machines of one kind, as a solved model. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_GROUP_H
#define SP_PLAN_GROUP_H

#include "model.h"

/*
 * All machines work, and share the load evenly: `needed` of them are the model's operating units,
 * the others its warm spares, which fail as often. An unsafe state is one machine that is gone
 * and still gets its share of the clients.
 */

/**
 * struct sp_group - the steady state, by the number of failed machines
 * @model:	with alpha = lambda, and no cold spares
 * @units:	machines
 * @safe:	probability that so many are failed, and no other
 * @unsafe:	the same, and one more that is not noticed yet
 * @last:	of @safe[units - 1], by enum sp_repairman
 */
struct sp_group {
	struct sp_plan_model	model;
	unsigned int		units;
	double			safe[SP_PLAN_UNITS_MAX + 1];
	double			unsafe[SP_PLAN_UNITS_MAX + 1];
	double			last[3];
};

/* @model: copied; SP_PLAN_UNITS_MAX at most. Return: 0; -ENOMEM; -EDOM. */
int sp_group_solve(const struct sp_plan_model *model, struct sp_group *ret_group);

/* Probability that too few machines serve, or that some clients are not served. */
double sp_group_short(const struct sp_group *group);

/* Probability that no machine serves, or that some clients are not served. */
double sp_group_not_for_all(const struct sp_group *group);

/**
 * sp_group_not_served() - share of all attempts of clients that fails
 * @group:		solved
 * @detect_hours:	for so long even a covered failure is not noticed
 */
double sp_group_not_served(const struct sp_group *group, double detect_hours);

/* Share of all connections whose machine fails, per hour. */
double sp_group_hit(const struct sp_group *group);

/**
 * sp_group_kept_waiting() - share of all connections that have to wait too long, per hour
 * @group:		solved
 * @detect_hours:	for so long a covered failure is not noticed, always
 * @patience_hours:	so long a client waits
 * @ret_share:		of those whose machine's failure is not noticed for so long, or leaves
 *		none for so long
 *
 * Return: 0; -ENOMEM.
 */
int sp_group_kept_waiting(const struct sp_group *group, double detect_hours, double patience_hours,
			  double *ret_share);

#endif
