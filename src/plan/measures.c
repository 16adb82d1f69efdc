// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "states.h"
#include "steady.h"
#include "transient.h"

static const struct {
	const char *name;
	const char *what;
} measures[] = {
#define X(name, what) { #name, what },
	SP_PLAN_MEASURES(X)
#undef X
};

static const char *const prices[] = {
#define X(name, what) #name,
	SP_PLAN_PRICES(X)
#undef X
};

const char *sp_plan_measure_name(enum sp_plan_measure measure)
{
	return measures[measure].name;
}

const char *sp_plan_measure_what(enum sp_plan_measure measure)
{
	return measures[measure].what;
}

const char *sp_plan_price_name(enum sp_plan_price price)
{
	return prices[price];
}

#define VALUE(name) ret_value[SP_PLAN_MEASURE_##name]
#define PRICE(name) price[SP_PLAN_PRICE_##name]

static int is_short(const struct sp_plan_model *model, struct sp_state state)
{
	return state.unsafe || sp_plan_units(model) - state.failed < model->operating;
}

static int is_lost(const struct sp_plan_model *model, struct sp_state state)
{
	return state.unsafe || state.failed == sp_plan_units(model);
}

static void add_repairman(struct sp_state state, double p, double ret_value[SP_PLAN_MEASURE_COUNT])
{
	switch (state.repairman) {
	case SP_REPAIRMAN_VACATION:
		VALUE(vacation) += p;
		break;
	case SP_REPAIRMAN_BUSY:
		VALUE(busy) += p;
		break;
	case SP_REPAIRMAN_DOWN:
		VALUE(down) += p;
		break;
	}
}

static void add_state(const struct sp_plan_model *model, struct sp_state state, double p,
		      double ret_value[SP_PLAN_MEASURE_COUNT])
{
	VALUE(failed) += p * (state.failed + state.unsafe);
	*(is_short(model, state) ? &VALUE(capacity_lost) : &VALUE(capacity)) += p;
	*(is_lost(model, state) ? &VALUE(service_lost) : &VALUE(service)) += p;
	VALUE(unsafe) += p * state.unsafe;
	if (state.repairman == SP_REPAIRMAN_BUSY && !state.unsafe)
		VALUE(throughput) += p * model->rate[SP_PLAN_RATE_mu];
	add_repairman(state, p, ret_value);
}

static double sum_costs(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
			const double ret_value[SP_PLAN_MEASURE_COUNT])
{
	return model->operating * PRICE(operating) + model->warm * PRICE(warm) +
	       model->cold * PRICE(cold) +
	       VALUE(failed) * PRICE(failed) + VALUE(unsafe) * PRICE(unsafe) +
	       VALUE(capacity_lost) * PRICE(short) +
	       VALUE(vacation) * PRICE(vacation) + VALUE(busy) * PRICE(busy) +
	       VALUE(down) * PRICE(down);
}

void sp_plan_measure_states(const struct sp_plan_model *model,
			    const double price[SP_PLAN_PRICE_COUNT],
			    const double *p, double ret_value[SP_PLAN_MEASURE_COUNT])
{
	memset(ret_value, 0, SP_PLAN_MEASURE_COUNT * sizeof(double));
	for (size_t i = 0; i < sp_state_count(model); i++)
		add_state(model, sp_state_of(model, i), p[i], ret_value);
	VALUE(cost) = sum_costs(model, price, ret_value);
}

static int is_unsafe(const struct sp_plan_model *model, struct sp_state state)
{
	return (int)state.unsafe;
}

typedef int (*is_in_fn)(const struct sp_plan_model *model, struct sp_state state);

/* @work: a number for each state */
static int hours_to(const struct sp_plan_model *model, const struct sp_chain *chain, is_in_fn is_in,
		    double *work,
		    double *ret_hours)
{
	unsigned char *set = calloc(chain->count, 1);
	int err = set ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < chain->count; i++)
		set[i] = is_in(model, sp_state_of(model, i));
	err = err ?: sp_time_before(chain, set, work);
	*ret_hours = 0;
	for (size_t i = 0; !err && i < chain->count; i++)
		*ret_hours += work[i];
	free(set);
	return err;
}

static int solve_chain(const struct sp_chain *chain, double hours, double *p)
{
	if (hours < 0)
		return sp_steady(chain, p);
	memset(p, 0, chain->count * sizeof(double));
	p[0] = 1;
	return sp_transient(chain, hours, p);
}

int sp_plan_measure(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
		    double hours,
		    double ret_value[SP_PLAN_MEASURE_COUNT])
{
	struct sp_chain chain = { 0 };
	double *p = calloc(sp_state_count(model), sizeof(double));
	int err = p ? sp_states_chain(model, &chain) : -ENOMEM;

	err = err ?: solve_chain(&chain, hours, p);
	if (!err)
		sp_plan_measure_states(model, price, p, ret_value);
	err = err ?: hours_to(model, &chain, is_unsafe, p, &VALUE(hours_to_unsafe));
	err = err ?: hours_to(model, &chain, is_short, p, &VALUE(hours_to_capacity_lost));
	err = err ?: hours_to(model, &chain, is_lost, p, &VALUE(hours_to_service_lost));
	sp_chain_fini(&chain);
	free(p);
	return err;
}
