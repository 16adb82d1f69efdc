// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* orders.c - see orders.h */
#include "node/orders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/order_table.h"

#define TABLE_ROWS_AT_ONCE	768	/* sent for each digest that differs */

struct sp_orders {
	struct sp_node		*node;
	struct sp_order_table	table;
};

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

static struct sp_order_key key_of(const struct sp_pool_conf *pool, size_t idx, __u16 what)
{
	const struct sp_endpoint *at = &pool->backends[idx].at;

	return (struct sp_order_key){ .pool_id = pool->id, .port_be = at->port_be, .what = what,
				      .addr = at->addr };
}

static const struct sp_order_entry *find_order(const struct sp_orders *o,
					       const struct sp_pool_conf *pool, size_t idx,
					       enum sp_order_what what)
{
	struct sp_order_key key = key_of(pool, idx, what);

	return sp_order_table_get(&o->table, &key);
}

/* Orders may come from proxies of a later version, with further states. */
static enum sp_backend_order state_of(const struct sp_orders *o, const struct sp_pool_conf *pool,
				      size_t idx)
{
	const struct sp_order_entry *e = find_order(o, pool, idx, SP_ORDER_STATE);

	return e && e->order.value < SP_BACKEND_ORDER_COUNT ? e->order.value :
	       SP_BACKEND_ORDER_AUTO;
}

static __u32 weight_of(const struct sp_orders *o, const struct sp_pool_conf *pool, size_t idx)
{
	const struct sp_order_entry *e = find_order(o, pool, idx, SP_ORDER_WEIGHT);

	return e && e->order.value <= SP_WEIGHT_MAX + 1 ? e->order.value : 0;
}

/* Return: whether the backend had another order. */
static int follow_order(struct sp_orders *o, const struct sp_pool_conf *pool, size_t idx)
{
	struct sp_backends *b = backends_of(o->node);

	return sp_backends_order(b, pool, idx, state_of(o, pool, idx)) |
	       sp_backends_reweigh(b, pool, idx, weight_of(o, pool, idx));
}

/* Usually there is none, and a reload with many backends is quick. */
void sp_orders_apply(struct sp_node *n)
{
	for (size_t i = 0; n->orders && n->orders->table.count && i < n->config->pool_count; i++)
		for (size_t k = 0; k < n->config->pools[i].backend_count; k++)
			follow_order(n->orders, &n->config->pools[i], k);
}

static int parse_state(const char *name, __u32 *ret_value)
{
	for (int i = 0; i < SP_BACKEND_ORDER_COUNT; i++)
		if (!strcmp(name, order_names[i])) {
			*ret_value = i;
			return 0;
		}
	return -EINVAL;
}

static int parse_weight(const char *text, __u32 *ret_value)
{
	unsigned int weight = 0;
	int len = 0;

	*ret_value = 0;
	if (!strcmp(text, order_names[SP_BACKEND_ORDER_AUTO]))
		return 0;
	if (*text < '0' || *text > '9' || sscanf(text, "%3u%n", &weight, &len) != 1 || text[len] ||
	    weight > SP_WEIGHT_MAX)
		return -EINVAL;
	*ret_value = weight + 1;
	return 0;
}

static int parse_order(const char *text, enum sp_order_what *ret_what, __u32 *ret_value)
{
	static const char weight[] = "weight ";

	*ret_what = strncmp(text, weight, strlen(weight)) ? SP_ORDER_STATE : SP_ORDER_WEIGHT;
	return *ret_what == SP_ORDER_STATE ? parse_state(text, ret_value) :
	       parse_weight(text + strlen(weight), ret_value);
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

static json_t *make_row(const struct sp_orders *o, const struct sp_pool_conf *pool, size_t idx)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "pool", pool->name, "name",
			 pool->backends[idx].name, "order", order_names[state_of(o, pool, idx)],
			 "weight", sp_order_weight(weight_of(o, pool, idx)));
}

/* ---- other proxies ---- */

static __u64 own_id(const struct sp_node *n)
{
	const struct sp_member *self = sp_cluster_self(n->cluster);

	return self ? self->id : 0;
}

/* Name of the member, or the id of an unknown member. */
static const char *name_giver(const struct sp_node *n, __u64 id, char buf[SP_NAME_MAX + 1])
{
	struct sp_member m;

	for (unsigned int i = 0; !sp_cluster_member(n->cluster, i, &m); i++)
		if (m.id == id)
			return memcpy(buf, m.name, sizeof(m.name));
	snprintf(buf, SP_NAME_MAX + 1, "%016llx", (unsigned long long)id);
	return buf;
}

/* Return: number of other proxies that were told. */
static int tell_order(struct sp_orders *o, const struct sp_order_entry *e)
{
	sp_cluster_set_orders(o->node->cluster, o->table.digest);
	return e->key.what & SP_ORDER_F_HERE ? 0 :
	       sp_cluster_tell_orders(o->node->cluster, 0, e, 1);
}

/* Part of the table, from a random row on: digests differ until all rows have arrived. */
static void send_table(struct sp_orders *o, __u64 to)
{
	const struct sp_order_table *t = &o->table;
	unsigned int most = t->count < TABLE_ROWS_AT_ONCE ? t->count : TABLE_ROWS_AT_ONCE;
	unsigned int first = t->count ? sp_exact_ns() / 1024 % t->count : 0;
	struct sp_order_entry batch[SP_CLUSTER_ORDERS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < most; i++) {
		const struct sp_order_entry *e = &t->entries[(first + i) % t->count];

		if (!(e->key.what & SP_ORDER_F_HERE))
			batch[n++] = *e;
		if (n == SP_CLUSTER_ORDERS_MAX || (n && i + 1 == most)) {
			sp_cluster_tell_orders(o->node->cluster, to, batch, n);
			n = 0;
		}
	}
}

static int is_backend(const struct sp_order_key *key, const struct sp_pool_conf *pool, size_t idx)
{
	struct sp_order_key own = key_of(pool, idx, key->what);

	return !memcmp(&own, key, sizeof(own));
}

static void log_followed(const struct sp_pool_conf *pool, size_t idx,
			 const struct sp_order_entry *e, const char *giver)
{
	const char *name = pool->backends[idx].name;

	if (e->key.what == SP_ORDER_STATE && e->order.value < SP_BACKEND_ORDER_COUNT)
		log_info("splicectl backend %s/%s: %s, as ordered at %s", pool->name, name,
			 order_names[e->order.value], giver);
	else if (e->order.value)
		log_info("splicectl backend %s/%s: weight %u, as ordered at %s", pool->name, name,
			 e->order.value - 1, giver);
	else
		log_info("splicectl backend %s/%s: weight auto, as ordered at %s", pool->name, name,
			 giver);
}

/* Orders about backends that are not configured here wait for a reload. */
static void follow_entry(struct sp_orders *o, const struct sp_order_entry *e, const char *giver)
{
	const struct sp_config *config = o->node->config;

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct sp_pool_conf *pool = &config->pools[i];

		for (size_t k = 0; pool->id == e->key.pool_id && k < pool->backend_count; k++)
			if (is_backend(&e->key, pool, k) && follow_order(o, pool, k))
				log_followed(pool, k, e, giver);
	}
}

static void take_entry(struct sp_orders *o, const struct sp_order_entry *e)
{
	char buf[SP_NAME_MAX + 1];
	const char *giver = name_giver(o->node, e->order.from, buf);
	int err = sp_order_table_merge(&o->table, e, sp_real_ms());

	if (err < 0)
		log_warn_limited("an order of %s is not taken: %s", giver,
				 err == -ERANGE ? "it is from the future, so a clock is wrong" :
				 err == -E2BIG ? "no room; see splicectl backend --reset" :
				 strerror(-err));
	if (err <= 0)
		return;
	if (e->key.what == SP_ORDER_RESET) {
		log_info("splicectl backend --reset: as ordered at %s", giver);
		sp_orders_reapply(o->node, NULL);
	} else {
		follow_entry(o, e, giver);
	}
}

static void on_orders(void *ctx, __u64 from, __u64 digest, const struct sp_order_entry *entries,
		      unsigned int count)
{
	struct sp_orders *o = ctx;

	for (unsigned int i = 0; i < count; i++)
		take_entry(o, &entries[i]);
	if (!count && digest != o->table.digest)
		sp_order_table_expire(&o->table, sp_real_ms());
	sp_cluster_set_orders(o->node->cluster, o->table.digest);
	if (!count && digest != o->table.digest)
		send_table(o, from);
}

/* ---- orders of operators ---- */

static const char *explain_failure(int err)
{
	return err == -E2BIG ? "no room for a further order; see splicectl backend --reset" :
	       err ? strerror(-err) : "a later order is there";
}

static int save_order(void *ctx, const struct sp_order_key *key, const struct sp_order *order)
{
	struct sp_orders *o = ctx;

	return sp_datapath_order_put(o->node->dp, key, order);
}

/* Return: 1 or as sp_order_table_merge(); @ret_told: other proxies. */
static int put_order(struct sp_orders *o, struct sp_order_entry *e, int *ret_told)
{
	__u64 now_ms = sp_real_ms();
	int err;

	sp_order_table_expire(&o->table, now_ms);
	e->order.stamp = sp_order_table_stamp(&o->table, now_ms);
	e->order.from = own_id(o->node);
	err = sp_order_table_merge(&o->table, e, now_ms);
	if (err == 1)
		*ret_told = tell_order(o, e);
	return err;
}

/* The cluster's order holds again. */
static void end_here(struct sp_orders *o, const struct sp_order_key *key)
{
	sp_order_table_remove(&o->table, key);
}

static json_t *give_order(struct sp_orders *o, const struct sp_pool_conf *pool, size_t idx,
			  struct sp_order_entry *e, const char *text)
{
	int is_here = e->key.what & SP_ORDER_F_HERE, told = 0, err = 1;

	if (is_here && !e->order.value)
		end_here(o, &e->key);
	else
		err = put_order(o, e, &told);
	if (err != 1)
		return json_pack("{s:s}", "error", explain_failure(err));
	if (follow_order(o, pool, idx))
		log_info("splicectl backend %s/%s: %s%s", pool->name, pool->backends[idx].name,
			 text, is_here ? " (--here)" : "");
	return json_pack("{s:[o], s:i}", "backends", make_row(o, pool, idx), "told", told);
}

json_t *sp_orders_give(struct sp_node *n, const char *name, const char *text, int is_here)
{
	const struct sp_pool_conf *pool;
	struct sp_order_entry e = {};
	enum sp_order_what what;
	size_t idx;

	if (!n->orders)
		return json_pack("{s:s}", "error", "an agent has no backends");
	if (find_backend(n->config, name, &pool, &idx))
		return json_pack("{s:o}", "error",
				 json_sprintf("no backend '%s'; allowed: POOL/NAME, as in "
					      "splicectl status", name));
	if (parse_order(text, &what, &e.order.value))
		return json_pack("{s:s}", "error",
				 "allowed: up, drain, down or auto; weight 0 to 256; weight auto");
	e.key = key_of(pool, idx, what | (is_here ? SP_ORDER_F_HERE : 0));
	return give_order(n->orders, pool, idx, &e, text);
}

void sp_orders_reapply(struct sp_node *n, json_t *rows)
{
	for (size_t i = 0; i < n->config->pool_count; i++) {
		const struct sp_pool_conf *pool = &n->config->pools[i];

		for (size_t k = 0; k < pool->backend_count; k++)
			if (follow_order(n->orders, pool, k) && rows)
				json_array_append_new(rows, make_row(n->orders, pool, k));
	}
}

static void drop_all_here(struct sp_orders *o)
{
	for (unsigned int i = o->table.count; i-- > 0;)
		if (o->table.entries[i].key.what & SP_ORDER_F_HERE)
			sp_order_table_remove(&o->table, &o->table.entries[i].key);
}

json_t *sp_orders_reset(struct sp_node *n, int is_here)
{
	struct sp_order_entry e = { .key.what = SP_ORDER_RESET };
	json_t *rows = json_array();
	int told = 0, err = 1;

	if (n->orders && is_here)
		drop_all_here(n->orders);
	else if (n->orders)
		err = put_order(n->orders, &e, &told);
	if (err != 1) {
		json_decref(rows);
		return json_pack("{s:s}", "error", explain_failure(err));
	}
	if (n->orders)
		sp_orders_reapply(n, rows);
	log_info("splicectl backend --reset%s: %zu backends are auto again",
		 is_here ? " --here" : "", json_array_size(rows));
	return json_pack("{s:o, s:i}", "backends", rows, "told", told);
}

json_t *sp_orders_explain(struct sp_node *n, const struct sp_pool_conf *pool, size_t idx)
{
	const struct sp_order_entry *state, *weight, *e;
	char giver[SP_NAME_MAX + 1];
	__u64 at_ms, now_ms = sp_real_ms();

	if (!n->orders || !n->orders->table.count)
		return json_null();
	state = find_order(n->orders, pool, idx, SP_ORDER_STATE);
	weight = find_order(n->orders, pool, idx, SP_ORDER_WEIGHT);
	e = state && state->order.value ? state : NULL;
	if (weight && weight->order.value && (!e || weight->order.stamp > e->order.stamp))
		e = weight;
	if (!e)
		return json_null();
	at_ms = e->order.stamp >> 16;
	return json_pack("{s:s?, s:b, s:I}", "by", e->order.from ?
			 name_giver(n, e->order.from, giver) : NULL, "here",
			 e->key.what & SP_ORDER_F_HERE, "age_ms",
			 (json_int_t)(now_ms > at_ms ? now_ms - at_ms : 0));
}

/* ---- opening ---- */

/* The map's orders are not saved again. */
static int save_nothing(void *ctx, const struct sp_order_key *key, const struct sp_order *order)
{
	return 0;
}

static void load_orders(struct sp_orders *o)
{
	struct sp_order_entry e;
	int err = sp_datapath_order_next(o->node->dp, NULL, &e);

	for (int i = 0; !err && i < SP_ORDERS_MAX; i++) {
		sp_order_table_merge(&o->table, &e, sp_real_ms());
		err = sp_datapath_order_next(o->node->dp, &e.key, &e);
	}
}

int sp_orders_open(struct sp_node *n)
{
	struct sp_orders *o = calloc(1, sizeof(*o));

	if (!o || sp_order_table_init(&o->table, save_nothing, o)) {
		free(o);
		return -ENOMEM;
	}
	o->node = n;
	load_orders(o);
	o->table.save = save_order;
	n->orders = o;
	sp_cluster_subscribe_orders(n->cluster, on_orders, o);
	sp_cluster_set_orders(n->cluster, o->table.digest);
	return 0;
}

void sp_orders_close(struct sp_node *n)
{
	if (!n->orders)
		return;
	sp_cluster_subscribe_orders(n->cluster, NULL, NULL);
	sp_order_table_fini(&n->orders->table);
	free(n->orders);
	n->orders = NULL;
}
