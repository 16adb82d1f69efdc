// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The model played out: units, spares and a repairman who each wait for their next event. States,
 * chains and matrices do not occur here. Solved and played figures must agree within the
 * confidence interval.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_statistics.h>

#include "example.h"
#include "plan/measures.h"

#define SEED	    7
#define BATCHES	    400
#define BATCH_HOURS 5000.0
#define REPEATED    200000 /* of the first ten hours */
#define CONFIDENCE  .99

enum unit { OPERATING, WARM, COLD, FAILED, HIDDEN }; /* HIDDEN: failed, and not covered */
enum person { AWAY, AT_WORK, ILL };

struct play {
	const struct sp_plan_model *model;
	gsl_rng *rng;
	enum unit unit[16];
	unsigned int units;
	enum person person;
	double now;
	/* hours: failed units, less than full capacity or unsafe, unsafe, repairman at work */
	double sum[4];
};

static unsigned int count(const struct play *p, enum unit kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->units; i++)
		n += p->unit[i] == kind;
	return n;
}

static void replace(struct play *p, enum unit with, enum unit by, unsigned int wanted)
{
	for (unsigned int i = 0; i < p->units && count(p, by) < wanted; i++)
		if (p->unit[i] == with)
			p->unit[i] = by;
}

/* Spares move up. A repaired unit becomes a cold spare, and moves up at once if needed. */
static void fill_up(struct play *p)
{
	replace(p, WARM, OPERATING, p->model->operating);
	replace(p, COLD, OPERATING, p->model->operating);
	replace(p, COLD, WARM, p->model->warm);
}

static double wait(struct play *p, double rate)
{
	return rate > 0 ? gsl_ran_exponential(p->rng, 1 / rate) : INFINITY;
}

/* The next unit to fail, and its time. */
static double first_failure(struct play *p, unsigned int *ret_unit)
{
	double first = INFINITY;

	for (unsigned int i = 0; i < p->units; i++) {
		double rate = p->unit[i] == OPERATING ? p->model->rate[SP_PLAN_RATE_lambda] :
			      p->unit[i] == WARM      ? p->model->rate[SP_PLAN_RATE_alpha] :
							0;
		double after = wait(p, rate);

		if (after < first) {
			first = after;
			*ret_unit = i;
		}
	}
	return first;
}

static void pass(struct play *p, double hours)
{
	unsigned int hidden = count(p, HIDDEN);

	p->now += hours;
	p->sum[0] += hours * (count(p, FAILED) + hidden);
	p->sum[1] += hours * (hidden || count(p, OPERATING) < p->model->operating);
	p->sum[2] += hours * hidden;
	p->sum[3] += hours * (p->person == AT_WORK);
}

static void strike(struct play *p, unsigned int unit)
{
	p->unit[unit] = gsl_rng_uniform(p->rng) < p->model->rate[SP_PLAN_RATE_coverage] ? FAILED :
		HIDDEN;
	if (p->unit[unit] == FAILED)
		fill_up(p);
}

static void repair(struct play *p)
{
	for (unsigned int i = 0; i < p->units; i++)
		if (p->unit[i] == FAILED) {
			p->unit[i] = COLD;
			break;
		}
	fill_up(p);
	if (!count(p, FAILED))
		p->person = AWAY;
}

/* While a failure is hidden, only the reboot goes on. */
static void step_hidden(struct play *p, double end)
{
	double after = wait(p, p->model->rate[SP_PLAN_RATE_beta]);

	if (p->now + after > end) {
		pass(p, end - p->now);
		return;
	}
	pass(p, after);
	for (unsigned int i = 0; i < p->units; i++)
		if (p->unit[i] == HIDDEN)
			p->unit[i] = FAILED;
	fill_up(p);
}

static void step(struct play *p, double end)
{
	unsigned int victim = 0, failed = count(p, FAILED);
	double failure = first_failure(p, &victim), repaired = INFINITY, change = INFINITY, after;

	if (failed && p->person == AWAY)
		change = wait(p, p->model->rate[SP_PLAN_RATE_theta]);
	if (p->person == AT_WORK) {
		repaired = wait(p, p->model->rate[SP_PLAN_RATE_mu]);
		change = wait(p, p->model->rate[SP_PLAN_RATE_breakdown]);
	}
	if (p->person == ILL)
		change = wait(p, p->model->rate[SP_PLAN_RATE_mend]);
	after = fmin(failure, fmin(repaired, change));
	if (p->now + after > end) {
		pass(p, end - p->now);
		return;
	}
	pass(p, after);
	if (after == failure)
		strike(p, victim);
	else if (after == repaired)
		repair(p);
	else
		p->person = p->person == AT_WORK ? ILL : AT_WORK;
}

static void play(struct play *p, double hours)
{
	double end = p->now + hours;

	memset(p->sum, 0, sizeof(p->sum));
	while (p->now < end)
		if (count(p, HIDDEN))
			step_hidden(p, end);
		else
			step(p, end);
}

static void begin(struct play *p, const struct sp_plan_model *model, gsl_rng *rng)
{
	*p = (struct play){ .model = model, .rng = rng, .units = sp_plan_units(model) };
	for (unsigned int i = 0; i < p->units; i++)
		p->unit[i] = COLD;
	fill_up(p);
}

static void assert_within(double value, const double *sample, size_t n)
{
	double mean = gsl_stats_mean(sample, 1, n), sd = gsl_stats_sd(sample, 1, n);
	double half = gsl_cdf_tdist_Pinv((1 + CONFIDENCE) / 2, n - 1) * sd / sqrt(n);

	assert_true(half > 0);
	assert_true(fabs(value - mean) <= half);
}

static const enum sp_plan_measure played[] = {
	SP_PLAN_MEASURE_failed, SP_PLAN_MEASURE_capacity_lost, SP_PLAN_MEASURE_unsafe,
		SP_PLAN_MEASURE_busy,
};

static void long_run(const struct sp_plan_model *model, gsl_rng *rng)
{
	static double sample[4][BATCHES];
	double value[SP_PLAN_MEASURE_COUNT], price[SP_PLAN_PRICE_COUNT] = { 0 };
	struct play p;

	begin(&p, model, rng);
	play(&p, BATCH_HOURS);
	for (size_t batch = 0; batch < BATCHES; batch++) {
		play(&p, BATCH_HOURS);
		for (int i = 0; i < 4; i++)
			sample[i][batch] = p.sum[i] / BATCH_HOURS;
	}
	assert_int_equal(sp_plan_measure(model, price, SP_PLAN_STEADY, value), 0);
	for (int i = 0; i < 4; i++)
		assert_within(value[played[i]], sample[i], BATCHES);
}

static void steady_state(void **state)
{
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
	struct sp_plan_model model = example();

	gsl_rng_set(rng, SEED);
	long_run(&model, rng);
	model.rate[SP_PLAN_RATE_coverage] = .5;
	model.rate[SP_PLAN_RATE_breakdown] = .3;
	model.rate[SP_PLAN_RATE_lambda] = .1;
	long_run(&model, rng);
	gsl_rng_free(rng);
}

static void first_ten_hours(void **state)
{
	static double failed[REPEATED], lost[REPEATED];
	double value[SP_PLAN_MEASURE_COUNT], price[SP_PLAN_PRICE_COUNT] = { 0 };
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
	struct sp_plan_model model = example();

	gsl_rng_set(rng, SEED);
	for (size_t i = 0; i < REPEATED; i++) {
		struct play p;

		begin(&p, &model, rng);
		play(&p, 10);
		failed[i] = count(&p, FAILED) + count(&p, HIDDEN);
		lost[i] = count(&p, HIDDEN) || count(&p, OPERATING) < model.operating;
	}
	assert_int_equal(sp_plan_measure(&model, price, 10, value), 0);
	assert_within(value[SP_PLAN_MEASURE_failed], failed, REPEATED);
	assert_within(value[SP_PLAN_MEASURE_capacity_lost], lost, REPEATED);
	gsl_rng_free(rng);
}

/* Times until the first unsafe state, and until capacity is lost. */
static void time_to_events(void **state)
{
	static double unsafe[BATCHES * 10], lost[BATCHES * 10];
	double value[SP_PLAN_MEASURE_COUNT], price[SP_PLAN_PRICE_COUNT] = { 0 };
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
	struct sp_plan_model model = example();

	gsl_rng_set(rng, SEED);
	for (size_t i = 0; i < BATCHES * 10; i++) {
		struct play p;

		begin(&p, &model, rng);
		while (!count(&p, HIDDEN)) {
			step(&p, INFINITY);
			if (!lost[i] &&
			    (count(&p, HIDDEN) || count(&p, OPERATING) < model.operating))
				lost[i] = p.now;
		}
		unsafe[i] = p.now;
	}
	assert_int_equal(sp_plan_measure(&model, price, SP_PLAN_STEADY, value), 0);
	assert_within(value[SP_PLAN_MEASURE_hours_to_unsafe], unsafe, BATCHES * 10);
	assert_within(value[SP_PLAN_MEASURE_hours_to_capacity_lost], lost, BATCHES * 10);
	gsl_rng_free(rng);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_state),
		cmocka_unit_test(first_ten_hours),
		cmocka_unit_test(time_to_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
