// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The second solver of steady.h: GSL's LU decomposition of band matrices. */
#include <errno.h>
#include <gsl/gsl_linalg.h>
#include <string.h>

#include "steady.h"

/* Storage of gsl_linalg_LU_band_decomp(): entry (i, j) at column lb + ub + i - j of row j. */
struct system {
	size_t		count;
	size_t		width;
	gsl_matrix	*matrix;
	gsl_vector_uint	*pivots;
	gsl_vector	*x;
};

static void system_fini(struct system *s)
{
	gsl_matrix_free(s->matrix);
	gsl_vector_uint_free(s->pivots);
	gsl_vector_free(s->x);
}

static int system_init(struct system *s, size_t count, size_t width)
{
	if (width >= count)
		width = count - 1;
	*s = (struct system){ count, width, gsl_matrix_calloc(count, 3 * width + 1), gsl_vector_uint_calloc(count),
			      gsl_vector_calloc(count) };
	if (s->matrix && s->pivots && s->x)
		return 0;
	system_fini(s);
	return -ENOMEM;
}

static double *entry_at(struct system *s, size_t row, size_t column)
{
	return gsl_matrix_ptr(s->matrix, column, 2 * s->width + row - column);
}

/*
 * Of the transposed generator, as probabilities are a row: flow into a state, minus flow out of it.
 */
static void fill_system(struct system *s, const struct sp_chain *chain, size_t skip,
			const unsigned char *is_end)
{
	for (size_t from = skip; from < chain->count; from++) {
		if (is_end && is_end[from]) {
			/* stays 0, as nothing leads there */
			*entry_at(s, from - skip, from - skip) = -1;
			continue;
		}
		for (size_t to = sp_chain_first(chain, from); to < sp_chain_end(chain, from); to++)
			if (to >= skip && to != from && !(is_end && is_end[to]))
				*entry_at(s, to - skip, from - skip) =
					*sp_chain_at(chain, from, to);
		*entry_at(s, from - skip, from - skip) = -sp_chain_out(chain, from);
	}
}

static int solve_system(struct system *s)
{
	if (gsl_linalg_LU_band_decomp(s->count, s->width, s->width, s->matrix, s->pivots) ||
	    gsl_linalg_LU_band_svx(s->width, s->width, s->matrix, s->pivots, s->x))
		return -EDOM;
	return 0;
}

/* State 0 is set to 1, which leaves as many equations as there are other states. */
int sp_steady_by_lu(const struct sp_chain *chain, double *ret_p)
{
	struct system s;
	double sum = 1;
	int err = system_init(&s, chain->count - 1, chain->width);

	if (err)
		return err;
	fill_system(&s, chain, 1, NULL);
	for (size_t to = 1; to < sp_chain_end(chain, 0); to++)
		gsl_vector_set(s.x, to - 1, -*sp_chain_at(chain, 0, to));
	err = solve_system(&s);
	for (size_t i = 0; i < s.count; i++)
		sum += gsl_vector_get(s.x, i);
	ret_p[0] = 1 / sum;
	for (size_t i = 0; i < s.count; i++)
		ret_p[i + 1] = gsl_vector_get(s.x, i) / sum;
	system_fini(&s);
	return err;
}

int sp_time_before_by_lu(const struct sp_chain *chain, const unsigned char *is_end,
			 double *ret_hours)
{
	struct system s;
	int err = system_init(&s, chain->count, chain->width);

	if (err)
		return err;
	fill_system(&s, chain, 0, is_end);
	gsl_vector_set(s.x, 0, -1);
	err = solve_system(&s);
	for (size_t i = 0; i < s.count; i++)
		ret_hours[i] = gsl_vector_get(s.x, i);
	system_fini(&s);
	return err;
}
