// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "improve.h"

#include <errno.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_roots.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 100
#define EXACTLY	   1e-6

#define AT(name, kind, member) { name, kind, offsetof(struct sp_plan_cluster, member), 0, 0, 0, 0, 0 }

static const struct sp_improvement list[SP_IMPROVEMENTS] = {
	AT("host-mtbf", SP_IMPROVE_LONGER, host_mtbf),
	AT("detect", SP_IMPROVE_SHORTER, detect),
	AT("coverage", SP_IMPROVE_LIKELIER, coverage),
	AT("reboot", SP_IMPROVE_SHORTER, reboot),
	AT("repair", SP_IMPROVE_SHORTER, repair),
	AT("call-out", SP_IMPROVE_SHORTER, call_out),
	AT("proxies", SP_IMPROVE_MORE, proxies),
	AT("stores", SP_IMPROVE_MORE, stores),
};

/* A parameter, its better value, and the result. */
struct trial {
	const struct sp_plan_cluster *cluster;
	const struct sp_improvement *improvement;
	double aim;
	int err;
};

static double value_of(const struct sp_plan_cluster *c, const struct sp_improvement *i)
{
	const void *at = (const char *)c + i->at;

	return i->kind == SP_IMPROVE_MORE ? *(const unsigned int *)at : *(const double *)at;
}

static double improve_value(const struct sp_improvement *i, double from, double times)
{
	switch (i->kind) {
	case SP_IMPROVE_LONGER:
		return from * times;
	case SP_IMPROVE_SHORTER:
		return from / times;
	case SP_IMPROVE_LIKELIER:
		return 1 - (1 - from) / times;
	case SP_IMPROVE_MORE:
		return from + times;
	}
	return from;
}

/* All hosts become better at once. If each server keeps all splices, so does a further server. */
static struct sp_plan_cluster improve_cluster(const struct sp_plan_cluster *c,
					      const struct sp_improvement *i, double times)
{
	struct sp_plan_cluster changed = *c;
	void *at = (char *)&changed + i->at;
	double value = improve_value(i, value_of(c, i), times);

	if (i->kind == SP_IMPROVE_MORE)
		*(unsigned int *)at = value;
	else
		*(double *)at = value;
	if (i->kind == SP_IMPROVE_LONGER) {
		changed.store_mtbf *= times;
		changed.backend_mtbf *= times;
	}
	if (changed.stores > c->stores && c->copies == c->stores &&
	    changed.stores <= SP_PLAN_COPIES_MAX)
		changed.copies = changed.stores;
	return changed;
}

static double lost_service(struct trial *t, double times)
{
	struct sp_plan_cluster changed = improve_cluster(t->cluster, t->improvement, times);
	struct sp_plan_worth worth = { 0 };

	t->err = t->err ?: sp_plan_cluster_worth(&changed, &worth);
	return worth.service_lost;
}

/* Above 0 while the value is not enough. */
static double log_excess(double log_times, void *arg)
{
	struct trial *t = arg;

	return log(lost_service(t, exp(log_times)) / t->aim);
}

static int solve_times(struct trial *t, double *ret_times)
{
	gsl_function f = { log_excess, t };
	gsl_root_fsolver *s = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
	int rc = s ? gsl_root_fsolver_set(s, &f, 0, log(SP_IMPROVE_TIMES_MAX)) : GSL_ENOMEM;

	for (int round = 0; !rc && !t->err && round < ROUNDS_MAX; round++) {
		rc = gsl_root_fsolver_iterate(s);
		if (fabs(gsl_root_fsolver_x_upper(s) - gsl_root_fsolver_x_lower(s)) < EXACTLY)
			break;
	}
	if (!rc)
		*ret_times = exp(gsl_root_fsolver_root(s));
	if (s)
		gsl_root_fsolver_free(s);
	return rc == GSL_ENOMEM ? -ENOMEM : rc ? -EDOM : t->err;
}

static int try_more(struct trial *t, struct sp_improvement *i)
{
	for (int more = 1;
	     !t->err && more <= SP_IMPROVE_MORE_MAX &&
	     i->from + more <= SP_PLAN_STORES_MAX; more++) {
		i->best = lost_service(t, more);
		if (i->best <= t->aim) {
			i->is_enough = 1;
			i->times = more;
			break;
		}
	}
	return t->err;
}

static int try_parameter(const struct sp_plan_cluster *c, double aim, struct sp_improvement *i)
{
	struct trial t = { c, i, aim, 0 };
	int err = 0;

	i->from = i->to = value_of(c, i);
	i->best = aim * SP_IMPROVE_BETTER;
	if (i->kind == SP_IMPROVE_MORE && !c->stores)
		return 0; /* only another engine can */
	i->best = i->kind == SP_IMPROVE_MORE ? 0 : lost_service(&t, SP_IMPROVE_TIMES_MAX);
	if (i->kind == SP_IMPROVE_MORE) {
		err = try_more(&t, i);
	} else if (i->best < aim) {
		i->is_enough = 1;
		err = solve_times(&t, &i->times);
	}
	i->to = i->is_enough ? improve_value(i, i->from, i->times) : i->from;
	return err ?: t.err;
}

static int by_effort(const void *a, const void *b)
{
	const struct sp_improvement *x = a, *y = b;

	if (x->is_enough != y->is_enough)
		return y->is_enough - x->is_enough;
	if (!x->is_enough)
		return (x->best > y->best) - (x->best < y->best);
	return (x->times > y->times) - (x->times < y->times);
}

int sp_improve(const struct sp_plan_cluster *c, struct sp_improvement ret_list[SP_IMPROVEMENTS])
{
	struct sp_plan_worth worth;
	int err = sp_plan_cluster_worth(c, &worth);

	memcpy(ret_list, list, sizeof(list));
	for (int i = 0; !err && i < SP_IMPROVEMENTS; i++)
		err = try_parameter(c, worth.service_lost / SP_IMPROVE_BETTER, &ret_list[i]);
	qsort(ret_list, SP_IMPROVEMENTS, sizeof(*ret_list), by_effort);
	return err;
}
