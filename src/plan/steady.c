// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "steady.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/*
 * States are eliminated from the last to the first. Flow through one becomes rates between the
 * states before it.
 */
struct elimination {
	struct sp_chain chain;
	double *leaves; /* rate to states before it, or to the end */
	double *ends;	/* of that, to the end */
	const unsigned char *is_end;
};

static int is_end(const struct elimination *e, size_t state)
{
	return e->is_end && e->is_end[state];
}

static void take_out(struct elimination *e, size_t state)
{
	size_t first = sp_chain_first(&e->chain, state);

	for (size_t from = first; from < state; from++) {
		double share = *sp_chain_at(&e->chain, from, state) / e->leaves[state];

		if (!share)
			continue;
		e->ends[from] += share * e->ends[state];
		for (size_t to = first; to < state; to++)
			if (to != from)
				*sp_chain_at(&e->chain, from, to) += share * *sp_chain_at(&e->chain, state, to);
	}
}

static double sum_before(const struct elimination *e, size_t state)
{
	double sum = e->ends[state];

	for (size_t to = sp_chain_first(&e->chain, state); to < state; to++)
		sum += *sp_chain_at(&e->chain, state, to);
	return sum;
}

/* Rates into the set count as exits. States of the set keep no rates. */
static void cut_off_set(struct elimination *e)
{
	for (size_t from = 0; from < e->chain.count; from++)
		for (size_t to = sp_chain_first(&e->chain, from);
		     to < sp_chain_end(&e->chain, from); to++) {
			double *rate = sp_chain_at(&e->chain, from, to);

			if (is_end(e, to) && !is_end(e, from))
				e->ends[from] += *rate;
			if (is_end(e, to) || is_end(e, from))
				*rate = 0;
		}
}

static int eliminate_states(struct elimination *e)
{
	for (size_t state = e->chain.count - 1; state > 0; state--) {
		if (is_end(e, state))
			continue;
		e->leaves[state] = sum_before(e, state);
		if (!(e->leaves[state] > 0))
			return -EDOM;
		take_out(e, state);
	}
	return 0;
}

/* The probability of each state follows from those of the states before it. */
static void put_back(const struct elimination *e, double *p)
{
	for (size_t state = 1; state < e->chain.count; state++) {
		double sum = 0;

		p[state] = 0;
		if (is_end(e, state))
			continue;
		for (size_t from = sp_chain_first(&e->chain, state); from < state; from++)
			sum += p[from] * *sp_chain_at(&e->chain, from, state);
		p[state] = sum / e->leaves[state];
	}
}

static void elimination_fini(struct elimination *e)
{
	sp_chain_fini(&e->chain);
	free(e->leaves);
	free(e->ends);
}

static int elimination_init(struct elimination *e, const struct sp_chain *chain,
			    const unsigned char *set)
{
	*e = (struct elimination){ .is_end = set };
	e->leaves = calloc(chain->count, sizeof(double));
	e->ends = calloc(chain->count, sizeof(double));
	if (e->leaves && e->ends && !sp_chain_copy(&e->chain, chain))
		return 0;
	elimination_fini(e);
	return -ENOMEM;
}

int sp_steady(const struct sp_chain *chain, double *ret_p)
{
	struct elimination e;
	double sum = 0;
	int err = elimination_init(&e, chain, NULL);

	if (err)
		return err;
	err = eliminate_states(&e);
	if (!err) {
		ret_p[0] = 1;
		put_back(&e, ret_p);
		for (size_t i = 0; i < chain->count; i++)
			sum += ret_p[i];
		for (size_t i = 0; i < chain->count; i++)
			ret_p[i] /= sum;
	}
	elimination_fini(&e);
	return err;
}

int sp_time_before(const struct sp_chain *chain, const unsigned char *is_end, double *ret_hours)
{
	struct elimination e;
	int err = elimination_init(&e, chain, is_end);

	if (err)
		return err;
	cut_off_set(&e);
	err = eliminate_states(&e);
	if (!err) {
		ret_hours[0] = e.ends[0] > 0 ? 1 / e.ends[0] : 0;
		put_back(&e, ret_hours);
		if (!ret_hours[0])
			ret_hours[0] = INFINITY;
	}
	elimination_fini(&e);
	return err;
}
