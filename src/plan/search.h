/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* search.h - the cheapest cluster that is good enough. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_SEARCH_H
#define SP_PLAN_SEARCH_H

#include "cluster.h"

#define SP_SEARCH_PROXIES_MAX  16
#define SP_SEARCH_STORES_MAX   9
#define SP_SEARCH_COPIES_MAX   5
#define SP_SEARCH_BACKENDS_MAX 32

/**
 * sp_search() - try all numbers of proxies, store servers, copies (odd), and of any backends
 * @wanted:	targets and prices, rates, needed machines (0: no such kind); counts have no effect
 * @ret_found:	checked
 * @ret_worth:	of @ret_found
 *
 * At equal cost the cluster with the least loss. Return: 0; -ENOENT: none is good enough;
 * -ENOMEM; -EDOM.
 */
int sp_search(const struct sp_plan_cluster *wanted, struct sp_plan_cluster *ret_found,
	      struct sp_plan_worth *ret_worth);

double sp_plan_cluster_price(const struct sp_plan_cluster *cluster);

#endif
