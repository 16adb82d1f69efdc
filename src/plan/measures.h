/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* measures.h - what a model is worth, in figures. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_MEASURES_H
#define SP_PLAN_MEASURES_H

#include "chain.h"
#include "model.h"

#define SP_PLAN_STEADY (-1.0) /* in the place of a time */

/*
 * Member, what it is. What is lost is the sum of small probabilities, and never 1 minus a large
 * one. The three times are from the beginning, whatever time the others are taken at; INFINITY if
 * the event never comes.
 */
#define SP_PLAN_MEASURES(X) \
	X(failed, "units failed, mean") \
	X(capacity, "P(all operating units up, safe)") \
	X(capacity_lost, "P(fewer, or unsafe)") \
	X(service, "P(at least one unit up, safe)") \
	X(service_lost, "P(none, or unsafe)") \
	X(unsafe, "P(unsafe)") \
	X(vacation, "P(repairman on vacation)") \
	X(busy, "P(repairman busy)") \
	X(down, "P(repairman broken down)") \
	X(throughput, "repairs per hour") \
	X(cost, "cost per hour") \
	X(hours_to_unsafe, "mean hours to the first unsafe state") \
	X(hours_to_capacity_lost, "mean hours to the first loss of capacity") \
	X(hours_to_service_lost, "mean hours to the first loss of service")

enum sp_plan_measure {
#define X(name, what) SP_PLAN_MEASURE_##name,
	SP_PLAN_MEASURES(X)
#undef X
	SP_PLAN_MEASURE_COUNT
};

/* What an hour costs: member, of what. */
#define SP_PLAN_PRICES(X) \
	X(operating, "each operating unit that there is") \
	X(warm, "each warm spare that there is") \
	X(cold, "each cold spare that there is") \
	X(failed, "each failed unit") \
	X(unsafe, "an unsafe state") \
	X(short, "fewer than all operating units up, or unsafe") \
	X(vacation, "the repairman on vacation") \
	X(busy, "the repairman busy") \
	X(down, "the repairman broken down")

enum sp_plan_price {
#define X(name, what) SP_PLAN_PRICE_##name,
	SP_PLAN_PRICES(X)
#undef X
	SP_PLAN_PRICE_COUNT
};

const char *sp_plan_measure_name(enum sp_plan_measure measure);
const char *sp_plan_measure_what(enum sp_plan_measure measure);
const char *sp_plan_price_name(enum sp_plan_price price);

/**
 * sp_plan_measure() - all measures of a model
 * @model:	that sp_plan_model_check() has found good
 * @price:	per hour, by enum sp_plan_price
 * @hours:	since the beginning, when nothing was failed; or SP_PLAN_STEADY
 * @ret_value:	by enum sp_plan_measure
 *
 * Return: 0; -ENOMEM; -EDOM: there is no steady state.
 */
int sp_plan_measure(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
		    double hours,
		    double ret_value[SP_PLAN_MEASURE_COUNT]);

/* Of given probabilities of all states; without the three times. */
void sp_plan_measure_states(const struct sp_plan_model *model,
			    const double price[SP_PLAN_PRICE_COUNT],
			    const double *p, double ret_value[SP_PLAN_MEASURE_COUNT]);

/**
 * sp_plan_sensitivity() - how much each measure changes with each rate
 *
 * Arguments are as of sp_plan_measure(). @ret_slope is the derivative, by differences over four
 * points, which what the measures come from is exact enough for. Where a rate can only grow (0)
 * or shrink (coverage 1), it is one-sided.
 */
int sp_plan_sensitivity(const struct sp_plan_model *model, const double price[SP_PLAN_PRICE_COUNT],
			double hours,
			double ret_slope[SP_PLAN_RATE_COUNT][SP_PLAN_MEASURE_COUNT]);

#endif
