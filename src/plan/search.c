// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "search.h"

#include <errno.h>
#include <math.h>

struct best {
	struct sp_plan_cluster cluster;
	struct sp_plan_worth worth;
	double price;
};

double sp_plan_cluster_price(const struct sp_plan_cluster *c)
{
	return c->proxies * c->price[SP_MACHINE_PROXY] + c->stores * c->price[SP_MACHINE_STORE] +
	       c->backends * c->price[SP_MACHINE_BACKEND];
}

static int is_good_enough(const struct sp_plan_cluster *c, const struct sp_plan_worth *worth)
{
	return worth->service_lost <= 1 - c->target &&
	       (!(c->target_capacity > 0) || worth->capacity_lost <= 1 - c->target_capacity) &&
	       worth->lost_records + worth->lost_waiting <= c->lost_at_most;
}

static int is_better(const struct best *best, double price, const struct sp_plan_worth *worth)
{
	return price < best->price ||
	       (price == best->price && worth->service_lost < best->worth.service_lost);
}

/* A cluster that costs more than the best so far is not solved. */
static int try_cluster(const struct sp_plan_cluster *c, struct best *best)
{
	double price = sp_plan_cluster_price(c);
	struct sp_plan_worth worth;
	int err;

	if (price > best->price)
		return 0;
	err = sp_plan_cluster_worth(c, &worth);
	if (!err && is_good_enough(c, &worth) && is_better(best, price, &worth))
		*best = (struct best){ *c, worth, price };
	return err;
}

static int try_backends(struct sp_plan_cluster *c, struct best *best)
{
	int err = 0;

	if (!c->backends_needed)
		return try_cluster(c, best);
	for (c->backends = c->backends_needed; !err && c->backends <= SP_SEARCH_BACKENDS_MAX;
	     c->backends++)
		err = try_cluster(c, best);
	return err;
}

static int try_stores(struct sp_plan_cluster *c, struct best *best)
{
	int err = 0;

	c->stores = c->copies = 0;
	if (c->proxies == 1)
		err = try_backends(c, best);
	for (c->stores = 1; !err && c->stores <= SP_SEARCH_STORES_MAX; c->stores++)
		for (c->copies = 1;
		     !err && c->copies <= c->stores &&
		     c->copies <= SP_SEARCH_COPIES_MAX; c->copies += 2)
			err = try_backends(c, best);
	return err;
}

int sp_search(const struct sp_plan_cluster *wanted, struct sp_plan_cluster *ret_found,
	      struct sp_plan_worth *ret_worth)
{
	struct best best = { .price = INFINITY };
	struct sp_plan_cluster c = *wanted;
	int err = 0;

	c.proxies_needed = c.proxies_needed ?: 1;
	c.backends_needed = c.backends_needed ?: c.backends ? 1 : 0;
	for (c.proxies = c.proxies_needed; !err && c.proxies <= SP_SEARCH_PROXIES_MAX; c.proxies++)
		err = try_stores(&c, &best);
	if (err)
		return err;
	if (isinf(best.price))
		return -ENOENT;
	*ret_found = best.cluster;
	*ret_worth = best.worth;
	return 0;
}
