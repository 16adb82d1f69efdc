// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cluster.h"

#include <errno.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#include "parse.h"

#define SOON_HOURS 1e-9 /* as good as at once */

static double rate_of(double hours)
{
	return 1 / fmax(hours, SOON_HOURS);
}

static struct sp_plan_model make_model(const struct sp_plan_cluster *c, unsigned int units,
				       unsigned int needed, double mtbf, double coverage)
{
	return (struct sp_plan_model){
		.operating = needed, .warm = units - needed,
		.rate = {
			[SP_PLAN_RATE_lambda] = rate_of(mtbf), [SP_PLAN_RATE_alpha] = rate_of(mtbf),
			[SP_PLAN_RATE_coverage] = coverage,
			[SP_PLAN_RATE_beta] = rate_of(c->reboot),
			[SP_PLAN_RATE_mu] = rate_of(c->repair),
			[SP_PLAN_RATE_theta] = rate_of(c->call_out),
			[SP_PLAN_RATE_breakdown] = rate_of(c->repairman_mtbf),
			[SP_PLAN_RATE_mend] = rate_of(c->repairman_repair),
		},
	};
}

static double dead_share(unsigned int count, const struct sp_plan_cluster *c, unsigned int failed)
{
	return gsl_ran_hypergeometric_pdf(count, failed, c->stores - failed, c->copies);
}

double sp_no_majority(const struct sp_plan_cluster *c, unsigned int failed)
{
	double sum = 0;

	if (!c->stores)
		return 0;
	for (unsigned int dead = (c->copies + 1) / 2; dead <= c->copies; dead++)
		sum += dead_share(dead, c, failed);
	return sum;
}

double sp_no_copy(const struct sp_plan_cluster *c, unsigned int failed)
{
	return c->stores ? dead_share(c->copies, c, failed) : 1;
}

double sp_lost_records(const struct sp_plan_cluster *c, const struct sp_group *proxies,
		       const struct sp_group *stores)
{
	double hit = sp_group_hit(proxies), proxy_last = 0, store_last = 0;

	if (!c->stores)
		return hit;
	for (unsigned int n = 0; n <= c->stores; n++)
		proxy_last += stores->safe[n] *
			      (c->store_loss == SP_STORE_LOSS_CONTINUE ? sp_no_majority(c, n) :
			       sp_no_copy(c, n));
	for (unsigned int n = 0; n < c->stores; n++)
		store_last += stores->safe[n] * sp_plan_failure_rate(&stores->model, n) *
			      (sp_no_copy(c, n + 1) - sp_no_copy(c, n));
	return hit * (proxy_last + c->silence * store_last);
}

static int add_stores(const struct sp_plan_cluster *c, struct sp_group *stores,
		      struct sp_plan_worth *worth)
{
	struct sp_plan_model m = make_model(c, c->stores, 1, c->store_mtbf, 1);
	double not_for_all = 0;
	int err = c->stores ? sp_group_solve(&m, stores) : 0;

	if (err || !c->stores || c->store_loss == SP_STORE_LOSS_CONTINUE)
		return err;
	for (unsigned int n = 0; n <= c->stores; n++) {
		worth->lost[SP_MACHINE_STORE] += stores->safe[n] * sp_no_majority(c, n);
		not_for_all += sp_no_majority(c, n) > 0 ? stores->safe[n] : 0;
	}
	worth->service_lost = sp_either(worth->service_lost, worth->lost[SP_MACHINE_STORE]);
	worth->not_for_all = sp_either(worth->not_for_all, not_for_all);
	worth->capacity_lost = sp_either(worth->capacity_lost, not_for_all);
	return 0;
}

static int add_backends(const struct sp_plan_cluster *c, struct sp_plan_worth *worth)
{
	struct sp_plan_model m = make_model(c, c->backends, c->backends_needed, c->backend_mtbf, 1);
	struct sp_group group;
	int err = c->backends ? sp_group_solve(&m, &group) : 0;

	if (err || !c->backends)
		return err;
	worth->lost[SP_MACHINE_BACKEND] = group.safe[c->backends];
	worth->lost_backends = c->connections * sp_group_hit(&group) * SP_PLAN_HOURS_A_YEAR;
	worth->service_lost = sp_either(worth->service_lost, group.safe[c->backends]);
	worth->not_for_all = sp_either(worth->not_for_all, group.safe[c->backends]);
	worth->capacity_lost = sp_either(worth->capacity_lost, sp_group_short(&group));
	return 0;
}

static int add_proxies(const struct sp_plan_cluster *c, unsigned int hosts, unsigned int needed,
		       double detect,
		       struct sp_group *proxies, struct sp_plan_worth *worth)
{
	struct sp_plan_model m = make_model(c, hosts, needed, c->host_mtbf, c->coverage);
	int err = sp_group_solve(&m, proxies);

	if (err)
		return err;
	worth->lost[SP_MACHINE_PROXY] = sp_group_not_served(proxies, detect);
	worth->service_lost = worth->lost[SP_MACHINE_PROXY];
	worth->not_for_all = sp_group_not_for_all(proxies);
	worth->capacity_lost = sp_group_short(proxies);
	for (unsigned int n = 0; n < hosts; n++)
		worth->deaths += proxies->safe[n] * sp_plan_failure_rate(&m,
									 n) * SP_PLAN_HOURS_A_YEAR;
	return 0;
}

int sp_plan_cluster_worth(const struct sp_plan_cluster *c, struct sp_plan_worth *ret_worth)
{
	double a_year = c->connections * SP_PLAN_HOURS_A_YEAR, waiting = 0, gone;
	struct sp_group proxies, stores = { 0 };
	int err;

	*ret_worth = (struct sp_plan_worth){ 0 };
	err = add_proxies(c, c->proxies, c->proxies_needed, c->detect, &proxies, ret_worth);
	err = err ?: add_stores(c, &stores, ret_worth);
	err = err ?: add_backends(c, ret_worth);
	err = err ?: sp_group_kept_waiting(&proxies, c->detect, c->patience, &waiting);
	if (err)
		return err;
	gone = sp_lost_records(c, &proxies, &stores);
	ret_worth->lost_records = a_year * gone;
	/* none is lost twice */
	ret_worth->lost_waiting = a_year * waiting * (1 - fmin(gone / sp_group_hit(&proxies), 1));
	return 0;
}

int sp_plan_vrrp_worth(const struct sp_plan_cluster *c, struct sp_plan_worth *ret_worth)
{
	struct sp_group pair;
	int err;

	*ret_worth = (struct sp_plan_worth){ 0 };
	err = add_proxies(c, SP_PLAN_VRRP_HOSTS, 1, c->vrrp_detect, &pair, ret_worth);
	err = err ?: add_backends(c, ret_worth);
	if (!err)
		ret_worth->lost_records =
			c->connections * sp_group_hit(&pair) * SP_PLAN_HOURS_A_YEAR;
	return err;
}
