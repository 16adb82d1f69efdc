// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "group.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "states.h"
#include "steady.h"
#include "transient.h"

/* States of an outage: not noticed; no machine left, by place of the repairman; over. */
enum { PHASE_UNNOTICED = 0, PHASE_NONE_LEFT = 3, PHASE_OVER = 6, PHASES };

static void add_state(struct sp_group *group, struct sp_state state, double p)
{
	if (state.unsafe)
		group->unsafe[state.failed] += p;
	else
		group->safe[state.failed] += p;
	if (!state.unsafe && state.failed + 1 == group->units)
		group->last[state.repairman] += p;
}

int sp_group_solve(const struct sp_plan_model *model, struct sp_group *ret_group)
{
	struct sp_chain chain = { 0 };
	double *p = calloc(sp_state_count(model), sizeof(double));
	int err = p ? sp_states_chain(model, &chain) : -ENOMEM;

	err = err ?: sp_steady(&chain, p);
	if (!err) {
		*ret_group = (struct sp_group){ .model = *model, .units = sp_plan_units(model) };
		for (size_t i = 0; i < chain.count; i++)
			add_state(ret_group, sp_state_of(model, i), p[i]);
	}
	sp_chain_fini(&chain);
	free(p);
	return err;
}

/* Rate at which the next machine fails, for each machine left: share of connections hit. */
static double hit_rate(const struct sp_group *group, unsigned int failed)
{
	return sp_plan_failure_rate(&group->model, failed) / (group->units - failed);
}

static double sum_unsafe(const struct sp_group *group)
{
	double sum = 0;

	for (unsigned int n = 0; n < group->units; n++)
		sum += group->unsafe[n];
	return sum;
}

double sp_group_short(const struct sp_group *group)
{
	double sum = sum_unsafe(group);

	for (unsigned int n = group->units - group->model.operating + 1; n <= group->units; n++)
		sum += group->safe[n];
	return sum;
}

double sp_group_not_for_all(const struct sp_group *group)
{
	return sum_unsafe(group) + group->safe[group->units];
}

double sp_group_not_served(const struct sp_group *group, double detect_hours)
{
	double sum = group->safe[group->units], coverage = group->model.rate[SP_PLAN_RATE_coverage];

	for (unsigned int n = 0; n < group->units; n++) {
		sum += group->unsafe[n] / (group->units - n);
		if (n + 1 < group->units) /* else no machine is left to be noticed */
			sum += group->safe[n] * coverage * hit_rate(group, n) * detect_hours;
	}
	return sum;
}

double sp_group_hit(const struct sp_group *group)
{
	double sum = 0;

	for (unsigned int n = 0; n < group->units; n++)
		sum += group->safe[n] * hit_rate(group, n);
	return sum;
}

static int make_outage(const struct sp_plan_model *model, struct sp_chain *ret_chain)
{
	enum { V = SP_REPAIRMAN_VACATION, B = SP_REPAIRMAN_BUSY, D = SP_REPAIRMAN_DOWN };
	int err = sp_chain_init(ret_chain, PHASES, PHASES - 1);

	if (err)
		return err;
	for (int s = V; s <= D; s++)
		*sp_chain_at(ret_chain, PHASE_UNNOTICED + s, PHASE_NONE_LEFT + s) = model->rate[SP_PLAN_RATE_beta];
	*sp_chain_at(ret_chain, PHASE_NONE_LEFT + V, PHASE_NONE_LEFT + B) = model->rate[SP_PLAN_RATE_theta];
	*sp_chain_at(ret_chain, PHASE_NONE_LEFT + B, PHASE_NONE_LEFT + D) = model->rate[SP_PLAN_RATE_breakdown];
	*sp_chain_at(ret_chain, PHASE_NONE_LEFT + D, PHASE_NONE_LEFT + B) = model->rate[SP_PLAN_RATE_mend];
	*sp_chain_at(ret_chain, PHASE_NONE_LEFT + B, PHASE_OVER) = model->rate[SP_PLAN_RATE_mu];
	return 0;
}

/* Rate of longer outages, among outages that begin with the last failure. */
static int long_outages(const struct sp_group *group, double patience_hours, double *ret_rate)
{
	double rate = hit_rate(group, group->units - 1),
		coverage = group->model.rate[SP_PLAN_RATE_coverage];
	double p[PHASES] = { 0 };
	struct sp_chain chain;
	int err = make_outage(&group->model, &chain);

	*ret_rate = 0;
	if (err || isinf(patience_hours))
		goto out;
	for (int s = 0; s < 3; s++) {
		p[PHASE_UNNOTICED + s] = group->last[s] * rate * (1 - coverage);
		p[PHASE_NONE_LEFT + s] = group->last[s] * rate * coverage;
	}
	err = sp_transient(&chain, patience_hours, p);
	for (int s = 0; s < PHASE_OVER; s++)
		*ret_rate += p[s];
out:
	sp_chain_fini(&chain);
	return err;
}

int sp_group_kept_waiting(const struct sp_group *group, double detect_hours, double patience_hours,
			  double *ret_share)
{
	double coverage = group->model.rate[SP_PLAN_RATE_coverage];
	double unnoticed = (1 -
			    coverage) * exp(-group->model.rate[SP_PLAN_RATE_beta] * patience_hours) +
			   (detect_hours > patience_hours ? coverage : 0);
	double sum = 0, rate;
	int err = long_outages(group, patience_hours, &rate);

	for (unsigned int n = 0; n + 1 < group->units; n++)
		sum += group->safe[n] * hit_rate(group, n) * unnoticed;
	*ret_share = sum + rate;
	return err;
}
