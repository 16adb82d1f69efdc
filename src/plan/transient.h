/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* transient.h - where a chain is after some time. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_TRANSIENT_H
#define SP_PLAN_TRANSIENT_H

#include "chain.h"

/**
 * sp_transient() - probabilities of all states after a time
 * @chain:	borrowed
 * @hours:	0 or more
 * @p:		probabilities at the beginning, and then those at the end; their sum, any, stays
 *		the same
 *
 * Chooses the cheaper of the two methods below. Neither subtracts, as sp_steady() does not.
 * Return: 0; -ENOMEM.
 */
int sp_transient(const struct sp_chain *chain, double hours, double *p);

/* Sums over the number of jumps: costs grow with the fastest rate times the time. */
int sp_transient_by_jumps(const struct sp_chain *chain, double hours, double *p);

/*
 * Squares the matrix of a short time: costs grow with the logarithm of that, and with the third
 * power of the states.
 */
int sp_transient_by_squares(const struct sp_chain *chain, double hours, double *p);

/* The second solver: GSL's exponential of a matrix. */
int sp_transient_by_exponential(const struct sp_chain *chain, double hours, double *p);

/* Operations that sp_transient() would take. */
double sp_transient_cost(const struct sp_chain *chain, double hours);

#endif
