// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "estimate.h"

#include <errno.h>
#include <time.h>

#include "measures.h"
#include "states.h"
#include "transient.h"

#define SAMPLE_UNITS 60
#define EVALUATIONS  35 /* the measures, and four or five for each rate */
#define CHAINS	     4	/* the probabilities, and three times to an event */

/* Operations of one sp_plan_measure() */
static int count_operations(const struct sp_plan_model *model, double hours, double *ret_count)
{
	struct sp_chain chain;
	int err = sp_states_chain(model, &chain);

	if (err)
		return err;
	*ret_count = CHAINS * (double)chain.count * (double)((2 * chain.width + 1) * (2 * chain.width + 1));
	if (hours > 0)
		*ret_count += sp_transient_cost(&chain, hours);
	sp_chain_fini(&chain);
	return 0;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int sp_plan_estimate(const struct sp_plan_model *model, double hours, double *ret_s)
{
	struct sp_plan_model sample = *model;
	double value[SP_PLAN_MEASURE_COUNT], price[SP_PLAN_PRICE_COUNT] = { 0 }, here, there,
		start_s;
	int err;

	sample.operating = SAMPLE_UNITS;
	sample.warm = sample.cold = 0;
	err = count_operations(&sample, SP_PLAN_STEADY, &there) ?:
	      count_operations(model, hours, &here);
	if (err)
		return err;
	start_s = now_s();
	err = sp_plan_measure(&sample, price, SP_PLAN_STEADY, value);
	*ret_s = (now_s() - start_s) * here / there * EVALUATIONS;
	return err;
}
