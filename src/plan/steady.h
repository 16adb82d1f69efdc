/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * steady.h - where a chain is in the long run, and how long it takes to an event. Read by
 * src/plan/ and its tests.
 *
 * By elimination of states without a subtraction (Grassmann, Taksar, Heyman): each probability,
 * however small, has nearly all digits of a double. The second solver is the LU decomposition of
 * GSL, which works in another way.
 */
#ifndef SP_PLAN_STEADY_H
#define SP_PLAN_STEADY_H

#include "chain.h"

/* Return: 0 with the steady state; -EDOM: some state is never left; -ENOMEM. */
int sp_steady(const struct sp_chain *chain, double *ret_p);
int sp_steady_by_lu(const struct sp_chain *chain, double *ret_p);

/**
 * sp_time_before() - how long a chain is in each state before it first enters some set of states
 * @chain:	borrowed; begins in state 0, which is outside the set
 * @is_end:	for each state: 1 if it is in the set
 * @ret_hours:	for each state, 0 in the set; the sum is the mean time to the event. If it never
 *		comes, INFINITY for state 0
 *
 * Return: as sp_steady().
 */
int sp_time_before(const struct sp_chain *chain, const unsigned char *is_end, double *ret_hours);
int sp_time_before_by_lu(const struct sp_chain *chain, const unsigned char *is_end,
			 double *ret_hours);

#endif
