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
 * sp_search() - try all numbers of proxies, store servers and copies (odd ones), and of backends
 * if there are any
 * @wanted:	targets and prices, rates, what is needed (0: one of a kind); its counts don't
 *		matter
 * @ret_found:	checked
 * @ret_worth:	of that
 *
 * Of those that cost the same, the one that loses least. Return: 0; -ENOENT: none is good enough;
 * -ENOMEM; -EDOM.
 */
int sp_search(const struct sp_plan_cluster *wanted, struct sp_plan_cluster *ret_found, struct sp_plan_worth *ret_worth);

double sp_plan_cluster_price(const struct sp_plan_cluster *cluster);

#endif
