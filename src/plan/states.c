// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Numbers: (V,0,0), (V,0,1), then for each n = 1..K-1 six, (V,n,0), (V,n,1), (B,n,0), (B,n,1),
 * (D,n,0), (D,n,1), and for n = K, where nothing is left to fail, (V,K,0), (B,K,0), (D,K,0).
 */
#include "states.h"

#define FOR_NONE 2   /* states with nothing failed */
#define FOR_EACH 6   /* states for each further number of failed units */
#define BAND_WIDTH 6 /* one failed unit more or less */

size_t sp_state_count(const struct sp_plan_model *model)
{
	return FOR_EACH * (size_t)sp_plan_units(model) - 1;
}

struct sp_state sp_state_of(const struct sp_plan_model *model, size_t number)
{
	unsigned int failed, within;

	if (number < FOR_NONE)
		return (struct sp_state){ SP_REPAIRMAN_VACATION, 0, number };
	failed = (number - FOR_NONE) / FOR_EACH + 1;
	within = (number - FOR_NONE) % FOR_EACH;
	if (failed == sp_plan_units(model))
		return (struct sp_state){ within, failed, 0 };
	return (struct sp_state){ within / 2, failed, within % 2 };
}

size_t sp_state_number(const struct sp_plan_model *model, struct sp_state state)
{
	size_t before;

	if (!state.failed)
		return state.unsafe;
	before = FOR_NONE + (size_t)FOR_EACH * (state.failed - 1);
	if (state.failed == sp_plan_units(model))
		return before + state.repairman;
	return before + 2 * (size_t)state.repairman + state.unsafe;
}

static void add_rate(const struct sp_plan_model *model, struct sp_chain *chain,
		     struct sp_state from, struct sp_state to, double rate)
{
	*sp_chain_at(chain, sp_state_number(model, from), sp_state_number(model, to)) += rate;
}

static void add_failures(const struct sp_plan_model *model, struct sp_chain *chain,
			 struct sp_state from)
{
	double rate = sp_plan_failure_rate(model, from.failed),
		coverage = model->rate[SP_PLAN_RATE_coverage];
	struct sp_state covered = { from.repairman, from.failed + 1, 0 },
		unsafe = { from.repairman, from.failed, 1 };

	add_rate(model, chain, from, covered, coverage * rate);
	add_rate(model, chain, from, unsafe, (1 - coverage) * rate);
}

static void add_repairs(const struct sp_plan_model *model, struct sp_chain *chain,
			struct sp_state from)
{
	struct sp_state busy = { SP_REPAIRMAN_BUSY, from.failed, 0 },
		down = { SP_REPAIRMAN_DOWN, from.failed, 0 };
	struct sp_state repaired = { from.failed > 1 ? SP_REPAIRMAN_BUSY :
				     SP_REPAIRMAN_VACATION, from.failed - 1, 0 };

	switch (from.repairman) {
	case SP_REPAIRMAN_VACATION:
		add_rate(model, chain, from, busy, model->rate[SP_PLAN_RATE_theta]);
		break;
	case SP_REPAIRMAN_BUSY:
		add_rate(model, chain, from, repaired, model->rate[SP_PLAN_RATE_mu]);
		add_rate(model, chain, from, down, model->rate[SP_PLAN_RATE_breakdown]);
		break;
	case SP_REPAIRMAN_DOWN:
		add_rate(model, chain, from, busy, model->rate[SP_PLAN_RATE_mend]);
		break;
	}
}

static void add_all(const struct sp_plan_model *model, struct sp_chain *chain, struct sp_state from)
{
	if (from.unsafe) {
		struct sp_state rebooted = { from.repairman, from.failed + 1, 0 };

		add_rate(model, chain, from, rebooted, model->rate[SP_PLAN_RATE_beta]);
		return;
	}
	if (from.failed < sp_plan_units(model))
		add_failures(model, chain, from);
	if (from.failed)
		add_repairs(model, chain, from);
}

int sp_states_chain(const struct sp_plan_model *model, struct sp_chain *ret_chain)
{
	size_t count = sp_state_count(model);
	int err = sp_chain_init(ret_chain, count, BAND_WIDTH);

	for (size_t i = 0; !err && i < count; i++)
		add_all(model, ret_chain, sp_state_of(model, i));
	return err;
}
