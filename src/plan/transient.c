// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "transient.h"

#include <errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_JUMPS 0.01  /* mean jumps in the time that is squared from */
#define NEGLIGIBLE  1e-25 /* weights, against the largest */
#define HALF	    0.5

static double fastest_rate(const struct sp_chain *chain)
{
	double rate = 0;

	for (size_t i = 0; i < chain->count; i++)
		rate = fmax(rate, sp_chain_out(chain, i));
	return rate;
}

/* One step of the uniformized chain: each state jumps or stays, at the same @rate. */
static void jump_once(const struct sp_chain *chain, double rate, const double *stays,
		      const double *from, double *to)
{
	for (size_t i = 0; i < chain->count; i++)
		to[i] = from[i] * stays[i];
	for (size_t i = 0; i < chain->count; i++) {
		double p = from[i] / rate;

		for (size_t j = sp_chain_first(chain, i); p && j < sp_chain_end(chain, i); j++)
			if (j != i)
				to[j] += p * *sp_chain_at(chain, i, j);
	}
}

/*
 * Poisson weights for the number of jumps, computed from the mode outwards, so that none is out
 * of range.
 */
struct jumps {
	size_t first;
	size_t count;
	double *weights;
};

static int jumps_init(struct jumps *w, double mean)
{
	size_t mode = mean, spread = 16 * sqrt(mean) + 64;
	double sum = 0;

	w->first = mode > spread ? mode - spread : 0;
	w->count = mode + spread - w->first + 1;
	w->weights = calloc(w->count, sizeof(double));
	if (!w->weights)
		return -ENOMEM;
	w->weights[mode - w->first] = 1;
	for (size_t n = mode; n > w->first && w->weights[n - w->first] > NEGLIGIBLE; n--)
		w->weights[n - 1 - w->first] = w->weights[n - w->first] * n / mean;
	for (size_t n = mode; n + 1 < w->first + w->count && w->weights[n - w->first] > NEGLIGIBLE;
	     n++)
		w->weights[n + 1 - w->first] = w->weights[n - w->first] * mean / (n + 1);
	while (!w->weights[w->count - 1])
		w->count--;
	for (size_t i = 0; i < w->count; i++)
		sum += w->weights[i];
	for (size_t i = 0; i < w->count; i++)
		w->weights[i] /= sum;
	return 0;
}

struct work {
	double	*stays;
	double	*now;
	double	*next;
	double	*sum;
};

static int work_init(struct work *w, const struct sp_chain *chain, double rate)
{
	w->stays = calloc(4 * chain->count, sizeof(double));
	if (!w->stays)
		return -ENOMEM;
	w->now = w->stays + chain->count;
	w->next = w->now + chain->count;
	w->sum = w->next + chain->count;
	for (size_t i = 0; i < chain->count; i++)
		w->stays[i] = 1 - sp_chain_out(chain, i) / rate;
	return 0;
}

static void sum_jumps(const struct sp_chain *chain, double rate, const struct jumps *jumps,
		      struct work *w, double *p)
{
	double begin = 0, end = 0;

	memcpy(w->now, p, chain->count * sizeof(double));
	memset(w->sum, 0, chain->count * sizeof(double));
	for (size_t n = 0; n < jumps->first + jumps->count; n++) {
		double weight = n < jumps->first ? 0 :
			jumps->weights[n - jumps->first], *swap = w->now;

		for (size_t i = 0; weight && i < chain->count; i++)
			w->sum[i] += weight * w->now[i];
		jump_once(chain, rate, w->stays, w->now, w->next);
		w->now = w->next;
		w->next = swap;
	}
	for (size_t i = 0; i < chain->count; i++) {
		begin += p[i];
		end += w->sum[i];
	}
	for (size_t i = 0; i < chain->count; i++)
		p[i] = end > 0 ? w->sum[i] * begin / end : 0;
}

int sp_transient_by_jumps(const struct sp_chain *chain, double hours, double *p)
{
	double rate = fastest_rate(chain);
	struct jumps jumps;
	struct work work;
	int err;

	if (!(rate * hours > 0))
		return 0;
	err = jumps_init(&jumps, rate * hours);
	if (err)
		return err;
	err = work_init(&work, chain, rate);
	if (!err) {
		sum_jumps(chain, rate, &jumps, &work, p);
		free(work.stays);
	}
	free(jumps.weights);
	return err;
}

/*
 * Each row sums to 1. If a state is rarely left, the exact part of its row is what leaves: the
 * diagonal is the rest.
 */
static void settle_rows(double *matrix, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		double *row = matrix + i * count, others = 0, total;

		for (size_t j = 0; j < count; j++)
			others += j == i ? 0 : row[j];
		total = others + row[i];
		if (others < HALF)
			row[i] = 1 - others;
		for (size_t j = 0; others >= HALF && j < count; j++)
			row[j] /= total;
	}
}

static void square_matrix(const double *matrix, double *ret, size_t count)
{
	memset(ret, 0, count * count * sizeof(double));
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++) {
			const double p = matrix[i * count + k], *from = matrix + k * count;
			double *to = ret + i * count;

			for (size_t j = 0; p && j < count; j++)
				to[j] += p * from[j];
		}
}

static unsigned int count_squarings(double jumps)
{
	return jumps > SHORT_JUMPS ? ceil(log2(jumps / SHORT_JUMPS)) : 0;
}

static void apply_matrix(const double *matrix, size_t count, double *p, double *work)
{
	memset(work, 0, count * sizeof(double));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			work[j] += p[i] * matrix[i * count + j];
	memcpy(p, work, count * sizeof(double));
}

int sp_transient_by_squares(const struct sp_chain *chain, double hours, double *p)
{
	size_t count = chain->count, size = count * count;
	unsigned int times = count_squarings(fastest_rate(chain) * hours);
	double *matrix = calloc(2 * size, sizeof(double)), *next = matrix + size;
	int err = matrix ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++) {
		matrix[i * count + i] = 1;
		err = sp_transient_by_jumps(chain, ldexp(hours, -(int)times), matrix + i * count);
	}
	for (unsigned int n = 0; !err && n < times; n++) {
		settle_rows(matrix, count);
		square_matrix(matrix, next, count);
		memcpy(matrix, next, size * sizeof(double));
	}
	if (!err)
		apply_matrix(matrix, count, p, next);
	free(matrix);
	return err;
}

static double cost_of_jumps(const struct sp_chain *chain, double hours)
{
	return (fastest_rate(chain) * hours + 64) * chain->count * (2 * chain->width + 1);
}

static double cost_of_squares(const struct sp_chain *chain, double hours)
{
	return pow(chain->count, 3) * (count_squarings(fastest_rate(chain) * hours) + 1);
}

double sp_transient_cost(const struct sp_chain *chain, double hours)
{
	return fmin(cost_of_jumps(chain, hours), cost_of_squares(chain, hours));
}

int sp_transient(const struct sp_chain *chain, double hours, double *p)
{
	if (cost_of_jumps(chain, hours) <= cost_of_squares(chain, hours))
		return sp_transient_by_jumps(chain, hours, p);
	return sp_transient_by_squares(chain, hours, p);
}

static void exponent_fill(const struct sp_chain *chain, double hours, gsl_matrix *m)
{
	for (size_t i = 0; i < chain->count; i++) {
		for (size_t j = sp_chain_first(chain, i); j < sp_chain_end(chain, i); j++)
			gsl_matrix_set(m, i, j, hours * *sp_chain_at(chain, i, j));
		gsl_matrix_set(m, i, i, -hours * sp_chain_out(chain, i));
	}
}

int sp_transient_by_exponential(const struct sp_chain *chain, double hours, double *p)
{
	size_t count = chain->count;
	gsl_matrix *exponent = gsl_matrix_calloc(count, count),
		*matrix = gsl_matrix_calloc(count, count);
	double *work = calloc(count, sizeof(double));
	int err = exponent && matrix && work ? 0 : -ENOMEM;

	if (!err) {
		exponent_fill(chain, hours, exponent);
		err = gsl_linalg_exponential_ss(exponent, matrix, GSL_PREC_DOUBLE) ? -EDOM : 0;
	}
	if (!err)
		/* rows are as long as the matrix: just made */
		apply_matrix(matrix->data, count, p, work);
	gsl_matrix_free(exponent);
	gsl_matrix_free(matrix);
	free(work);
	return err;
}
