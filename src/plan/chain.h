/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * chain.h - rates of a Markov chain in continuous time, as a band matrix. Read by src/plan/ and
 * its tests.
 */
#ifndef SP_PLAN_CHAIN_H
#define SP_PLAN_CHAIN_H

#include <stddef.h>

/**
 * struct sp_chain - rates between states whose numbers differ by @width at most
 * @count:	states; 0 is where it starts
 * @width:	of the band, on either side of the diagonal
 * @rates:	per hour, row by row; the diagonal is not used
 */
struct sp_chain {
	size_t	count;
	size_t	width;
	double	*rates;
};

/* Return: 0; -ENOMEM. sp_chain_fini() takes a zeroed one, too. */
int sp_chain_init(struct sp_chain *chain, size_t count, size_t width);
int sp_chain_copy(struct sp_chain *chain, const struct sp_chain *from);
void sp_chain_fini(struct sp_chain *chain);

/* Both states within the band. */
static inline double *sp_chain_at(const struct sp_chain *chain, size_t from, size_t to)
{
	return &chain->rates[from * (2 * chain->width + 1) + to + chain->width - from];
}

/* The states that one state has rates to and from: first, and behind the last. */
static inline size_t sp_chain_first(const struct sp_chain *chain, size_t state)
{
	return state > chain->width ? state - chain->width : 0;
}

static inline size_t sp_chain_end(const struct sp_chain *chain, size_t state)
{
	return state + chain->width < chain->count ? state + chain->width + 1 : chain->count;
}

/* The rate at which a state is left. */
double sp_chain_out(const struct sp_chain *chain, size_t state);

#endif
