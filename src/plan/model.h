/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * model.h - a group of machines with spares and one repairman. Read by src/plan/ and its tests.
 *
 * The model is that of "Fault tolerant system with imperfect coverage, reboot and server vacation",
 * Journal of Industrial Engineering International, doi:10.1007/s40092-016-0180-8. A
 * continuous-time Markov chain over states (s, n, u): s says where the repairman is, n units are
 * failed, u is 1 while one more failure is not covered.
 *
 *	K = operating + warm + cold, L(n) = min(M, K-n) lambda + min(Y, K-n-min(M, K-n)) alpha
 *
 *	(s,n,0) -> (s,n+1,0)	c L(n)		covered: spares take over
 *	(s,n,0) -> (s,n,1)	(1-c) L(n)	not covered: the group is unsafe, and serves nothing
 *	(s,n,1) -> (s,n+1,0)	beta		reboot; nothing else happens in an unsafe state
 *	(V,n,0) -> (B,n,0)	theta, n > 0	the repairman returns from vacation
 *	(B,n,0) -> (B,n-1,0)	mu		repaired; n = 1: to (V,0,0), no work left
 *	(B,n,0) -> (D,n,0)	b		the repairman breaks down
 *	(D,n,0) -> (B,n,0)	r
 *
 * V exists for n = 0..K, B and D for n = 1..K, u = 1 for n < K. All rates are per hour.
 */
#ifndef SP_PLAN_MODEL_H
#define SP_PLAN_MODEL_H

#include <stddef.h>

#define SP_PLAN_UNITS_MAX 200 /* without --large */
#define SP_PLAN_ERROR_MAX 256

/* Rates and probabilities: member, symbol, what it is. The order is that of all tables. */
#define SP_PLAN_RATES(X) \
	X(lambda, "an operating unit fails") \
	X(alpha, "a warm spare fails") \
	X(coverage, "probability that a failure is covered") \
	X(beta, "reboot out of an unsafe state") \
	X(mu, "repair") \
	X(breakdown, "the repairman breaks down") \
	X(mend, "the repairman is mended") \
	X(theta, "the repairman returns from vacation")

enum sp_plan_rate {
#define X(name, what) SP_PLAN_RATE_##name,
	SP_PLAN_RATES(X)
#undef X
	SP_PLAN_RATE_COUNT
};

/**
 * struct sp_plan_model - what the chain is made of
 * @operating:	M, units that work at once
 * @warm:	Y, spares that fail at rate alpha
 * @cold:	S, spares that do not fail
 * @rate:	per hour, by enum sp_plan_rate; coverage is a probability
 */
struct sp_plan_model {
	unsigned int	operating;
	unsigned int	warm;
	unsigned int	cold;
	double		rate[SP_PLAN_RATE_COUNT];
};

const char *sp_plan_rate_name(enum sp_plan_rate rate);
const char *sp_plan_rate_what(enum sp_plan_rate rate);

/* K, all units. */
unsigned int sp_plan_units(const struct sp_plan_model *model);

/* L(n), the rate at which the next unit fails. */
double sp_plan_failure_rate(const struct sp_plan_model *model, unsigned int failed);

/**
 * sp_plan_model_check() - can the chain be made and solved?
 * @model:	borrowed
 * @error:	what is wrong, by name
 *
 * Return: 0; -EINVAL.
 */
int sp_plan_model_check(const struct sp_plan_model *model, char error[SP_PLAN_ERROR_MAX]);

#endif
