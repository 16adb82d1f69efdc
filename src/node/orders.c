// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* orders.c - see orders.h */
#include "node/orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/order.h"
#include "base/clock.h"
#include "base/log.h"

static const char *const order_names[] = {
#define X(up, low) [SP_BACKEND_ORDER_##up] = #low,
	SP_BACKEND_ORDERS(X)
#undef X
};

const char *sp_order_name(enum sp_backend_order order)
{
	return order_names[order];
}

json_t *sp_order_weight(__u32 weight)
{
	return weight ? json_integer(weight - 1) : json_null();
}

static struct sp_backends *backends_of(struct sp_node *n)
{
	return n->role->backends ? n->role->backends(n) : NULL;
}

static struct sp_order_key key_of(const struct sp_pool_conf *pool, size_t idx)
{
	const struct sp_endpoint *at = &pool->backends[idx].at;

	return (struct sp_order_key){ .pool_id = pool->id, .port_be = at->port_be,
				      .addr = at->addr };
}

/* The map may have states of a later version. */
static enum sp_backend_order state_of(__u32 order)
{
	__u32 state = order & SP_ORDER_STATE_MASK;

	return state < SP_BACKEND_ORDER_COUNT ? state : SP_BACKEND_ORDER_AUTO;
}

/* Return: whether the backend had another order. */
static int follow_order(struct sp_backends *b, const struct sp_pool_conf *pool, size_t idx,
			__u32 order)
{
	return sp_backends_order(b, pool, idx, state_of(order)) |
	       sp_backends_reweigh(b, pool, idx, order >> SP_ORDER_WEIGHT_SHIFT);
}

/* Usually there is none, and a reload with many backends is quick. */
void sp_orders_apply(struct sp_node *n)
{
	struct sp_backends *b = sp_datapath_has_orders(n->dp) ? backends_of(n) : NULL;

	for (size_t i = 0; b && i < n->config->pool_count; i++) {
		const struct sp_pool_conf *pool = &n->config->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++) {
			struct sp_order_key key = key_of(pool, k);

			follow_order(b, pool, k, sp_datapath_order_get(n->dp, &key));
		}
	}
}

static int parse_state(const char *name, __u32 *order)
{
	for (int i = 0; i < SP_BACKEND_ORDER_COUNT; i++)
		if (!strcmp(name, order_names[i])) {
			*order = (*order & ~SP_ORDER_STATE_MASK) | i;
			return 0;
		}
	return -EINVAL;
}

static int parse_weight(const char *text, __u32 *order)
{
	unsigned int weight = 0;
	int len = 0;

	*order &= SP_ORDER_STATE_MASK;
	if (!strcmp(text, order_names[SP_BACKEND_ORDER_AUTO]))
		return 0;
	if (*text < '0' || *text > '9' || sscanf(text, "%3u%n", &weight, &len) != 1 || text[len] ||
	    weight > SP_WEIGHT_MAX)
		return -EINVAL;
	*order |= (weight + 1) << SP_ORDER_WEIGHT_SHIFT;
	return 0;
}

/* @order: as before, and changed in its state or in its weight. */
static int parse_order(const char *text, __u32 *order)
{
	static const char weight[] = "weight ";

	return strncmp(text, weight, strlen(weight)) ? parse_state(text, order) :
	       parse_weight(text + strlen(weight), order);
}

/* The name of a backend may have no slash, and the name of a pool neither. */
static int find_backend(const struct sp_config *config, const char *name,
			const struct sp_pool_conf **ret_pool, size_t *ret_idx)
{
	const char *slash = strchr(name, '/');
	size_t len = slash ? slash - name : 0;

	for (size_t i = 0; slash && i < config->pool_count; i++) {
		const struct sp_pool_conf *pool = &config->pools[i];

		if (strlen(pool->name) != len || memcmp(pool->name, name, len))
			continue;
		for (size_t k = 0; k < pool->backend_count; k++) {
			if (strcmp(pool->backends[k].name, slash + 1))
				continue;
			*ret_pool = pool;
			*ret_idx = k;
			return 0;
		}
	}
	return -ENOENT;
}

static json_t *make_row(const struct sp_pool_conf *pool, size_t idx, __u32 order)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "pool", pool->name, "name",
			 pool->backends[idx].name, "order",
			 order_names[state_of(order)], "weight",
			 sp_order_weight(order >> SP_ORDER_WEIGHT_SHIFT));
}

/* In the map first: an order that would not last is refused. */
static json_t *give_order(struct sp_node *n, const struct sp_pool_conf *pool, size_t idx,
			  const struct sp_order_key *key, __u32 order, const char *text)
{
	int err = sp_datapath_order_put(n->dp, key, order);

	if (err)
		return json_pack("{s:s}", "error", err == -E2BIG ?
				 "no room for a further order; see splicectl backend --reset" :
				 strerror(-err));
	if (follow_order(backends_of(n), pool, idx, order))
		log_info("splicectl backend %s/%s: %s", pool->name, pool->backends[idx].name, text);
	return json_pack("{s:[o]}", "backends", make_row(pool, idx, order));
}

json_t *sp_orders_give(struct sp_node *n, const char *name, const char *text)
{
	const struct sp_pool_conf *pool;
	struct sp_order_key key;
	__u32 order;
	size_t idx;

	if (!backends_of(n))
		return json_pack("{s:s}", "error", "an agent has no backends");
	if (find_backend(n->config, name, &pool, &idx))
		return json_pack("{s:o}", "error",
				 json_sprintf("no backend '%s'; allowed: POOL/NAME, as in "
					      "splicectl status", name));
	key = key_of(pool, idx);
	order = sp_datapath_order_get(n->dp, &key);
	if (parse_order(text, &order))
		return json_pack("{s:s}", "error",
				 "allowed: up, drain, down or auto; weight 0 to 256; weight auto");
	return give_order(n, pool, idx, &key, order, text);
}

json_t *sp_orders_reset(struct sp_node *n)
{
	struct sp_backends *b = backends_of(n);
	json_t *rows = json_array();

	sp_datapath_orders_clear(n->dp);
	for (size_t i = 0; b && i < n->config->pool_count; i++) {
		const struct sp_pool_conf *pool = &n->config->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++)
			if (follow_order(b, pool, k, SP_BACKEND_ORDER_AUTO))
				json_array_append_new(rows,
						      make_row(pool, k, SP_BACKEND_ORDER_AUTO));
	}
	log_info("splicectl backend --reset: %zu backends are auto again", json_array_size(rows));
	return json_pack("{s:o}", "backends", rows);
}
