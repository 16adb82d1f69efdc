// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* backends.c - see backends.h */
#include "node/backends_internal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define RESET_WALKS 2	/* over the table of splices, 1 s apart: see resets.h */

static int key_compare(const struct sp_backend *a, const struct sp_backend *b)
{
	int diff = sp_endpoint_compare(&a->at, &b->at);

	return diff ? diff : (a->pool_id > b->pool_id) - (a->pool_id < b->pool_id);
}

static int sorted_compare(const void *a, const void *b)
{
	return key_compare(*(struct sp_backend *const *)a, *(struct sp_backend *const *)b);
}

static struct sp_backend *find_key(const struct sp_backends *b, const struct sp_backend *key)
{
	struct sp_backend **found = NULL;

	if (b->count)
		found = bsearch(&key, b->sorted, b->count, sizeof(*b->sorted), sorted_compare);
	return found ? *found : NULL;
}

/* The first of @b->sorted that is not before @at. */
static size_t find_first(const struct sp_backends *b, const struct sp_endpoint *at)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sp_endpoint_compare(&b->sorted[mid]->at, at) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct sp_backend *sp_backends_of_half(const struct sp_backends *b, const struct sp_endpoint *at,
				       __u16 pool_id)
{
	for (size_t i = find_first(b, at); i < b->count; i++) {
		if (sp_endpoint_compare(&b->sorted[i]->at, at))
			break;
		if ((__u16)b->sorted[i]->pool_id == pool_id)
			return b->sorted[i];
	}
	return NULL;
}

struct sp_backend *sp_backends_find(const struct sp_backends *b, const struct sp_pool_conf *pool,
				    size_t idx)
{
	size_t i = ((uintptr_t)pool - (uintptr_t)b->config->pools) / sizeof(*pool);
	struct sp_backend key = { .pool_id = pool->id, .at = pool->backends[idx].at };

	return i < b->config->pool_count ? &b->pools[i][idx] : find_key(b, &key);
}

void sp_backends_failed(struct sp_backends *b, const struct sp_pool_conf *pool, int idx,
			enum sp_backend_failure why, __u64 now_ns)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);
	char text[SP_QUANTITY_STRLEN];

	if (!backend)
		return;
	backend->refused += why == SP_BACKEND_REFUSED;
	backend->silent += why == SP_BACKEND_SILENT;
	backend->failures++;
	if (backend->is_down || !pool->failures || backend->failures < pool->failures)
		return;
	backend->is_down = 1;
	backend->retry_at_ns = now_ns + pool->retry_ns;
	log_warn("pool %s: backend %s down for %s: %u connection%s refused or unanswered",
		 pool->name,
		 pool->backends[idx].name, sp_time_format(pool->retry_ns, text), backend->failures,
		 backend->failures == 1 ? "" : "s");
}

void sp_backends_connected(struct sp_backends *b, const struct sp_pool_conf *pool, int idx)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);

	if (!backend)
		return;
	if (backend->is_down)
		log_info("pool %s: backend %s up: a connection was answered", pool->name,
			 pool->backends[idx].name);
	if (backend->is_down)		/* since the trial */
		backend->up_ns = backend->retry_at_ns - pool->retry_ns;
	backend->connections++;
	backend->failures = 0;
	backend->is_down = 0;
}

/* New connections begin slowly; splices of a backend that is gone are reset, if the pool asks. */
static void note_change(struct sp_backends *b, const struct sp_pool_conf *pool,
			struct sp_backend *backend, int was_out)
{
	int is_out = sp_backend_is_out(backend);

	if (was_out && !is_out)
		backend->is_new = 1;
	if (!is_out || backend->order == SP_BACKEND_ORDER_DRAIN || pool->on_down != SP_DOWN_RESET)
		backend->resets_left = 0;
	else if (!was_out || backend->order == SP_BACKEND_ORDER_DOWN)
		backend->resets_left = RESET_WALKS;
	b->has_resets |= backend->resets_left;
}

int sp_backends_order(struct sp_backends *b, const struct sp_pool_conf *pool, int idx,
		      enum sp_backend_order order)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);
	int was_out = sp_backend_is_out(backend);

	if (!backend || backend->order == order)
		return 0;
	backend->order = order;
	note_change(b, pool, backend, was_out);
	return 1;
}

int sp_backends_reweigh(struct sp_backends *b, const struct sp_pool_conf *pool, int idx,
			__u32 weight)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);

	if (!backend || backend->weight == weight)
		return 0;
	backend->weight = weight;
	return 1;
}

int sp_backends_mark(struct sp_backends *b)
{
	int has_marked = 0;

	if (!b->has_resets)
		return 0;
	b->has_resets = 0;
	for (struct sp_backend *backend = b->all; backend < b->all + b->count; backend++) {
		backend->is_marked = !!backend->resets_left;
		backend->resets_left -= backend->is_marked;
		has_marked |= backend->is_marked;
		b->has_resets |= backend->resets_left;
	}
	return has_marked;
}

int sp_backends_is_marked(const struct sp_backends *b, const struct sp_tuple *down_key,
			  const struct sp_half *down)
{
	const struct sp_endpoint at = { down_key->saddr, down_key->sport };
	const struct sp_backend *backend = sp_backends_of_half(b, &at, down->pool_id);

	return backend && backend->is_marked;
}

int sp_backends_checked(struct sp_backends *b, const struct sp_pool_conf *pool, int idx,
			const struct sp_health_result *result, __u64 now_ns)
{
	const struct sp_check_conf *check = &pool->check;
	struct sp_backend *backend = sp_backends_find(b, pool, idx);
	const char *name = pool->backends[idx].name;
	int was_out = sp_backend_is_out(backend);

	if (!backend || !sp_health_add(&backend->health, result, check->rise, check->fall, now_ns))
		return 0;
	note_change(b, pool, backend, was_out);
	if (backend->health.is_down)
		log_warn("pool %s: backend %s down by its checks: %s", pool->name, name,
			 backend->health.reason);
	else
		log_info("pool %s: backend %s up by its checks: %s", pool->name, name,
			 backend->health.reason);
	backend->up_ns = now_ns;
	return 1;
}

int sp_backends_learn(struct sp_backends *b, const struct sp_pool_conf *pool, int idx, __u16 mss,
		      __u8 asked, __u8 had)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx), before;

	if (!backend)
		return 0;
	before = *backend;
	backend->mss = mss;
	backend->lacks = (backend->lacks & ~asked) | (asked & ~had);
	return backend->mss != before.mss || backend->lacks != before.lacks;
}

const struct sp_backend *sp_backends_at(const struct sp_backends *b,
					const struct sp_pool_conf *pool, int idx)
{
	return sp_backends_find(b, pool, idx);
}

static size_t count_backends(const struct sp_config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		n += config->pools[i].backend_count;
	return n;
}

static int alloc_tables(struct sp_backends *b, const struct sp_config *config)
{
	*b = (struct sp_backends){ .config = config, .count = count_backends(config) };
	b->all = calloc(b->count, sizeof(*b->all));
	b->pools = calloc(config->pool_count, sizeof(*b->pools));
	b->sorted = calloc(b->count, sizeof(*b->sorted));
	return b->all && b->pools && b->sorted ? 0 : -ENOMEM;
}

static void free_tables(struct sp_backends *b)
{
	for (size_t i = 0; b->all && i < b->count; i++)
		sp_backend_unlist(&b->all[i]);
	free(b->all);
	free(b->pools);
	free(b->sorted);
}

static __u32 now_real_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

/* A list goes on with its limit. With a new limit, walks list the splices that are there. */
static void carry_list(struct sp_backend *known, struct sp_backend *backend)
{
	known->listed = (struct sp_listed){ 0 };
	if (!backend->max)
		sp_backend_unlist(backend);
	else if (!known->max) {
		backend->listed_since_s = now_real_s();
		backend->walks_left = 2;
	}
}

/* The state from before the reload. Turns begin anew, because weights may have changed. */
static void carry_state(const struct sp_backends *from, const struct sp_config *config,
			const struct sp_pool_conf *pool, struct sp_backend *backend)
{
	struct sp_backend *known = find_key(from, backend);
	__u32 max = backend->max;

	if (!known) {
		backend->is_new = from->config != NULL;
		return;
	}
	*backend = *known;
	backend->max = max;
	carry_list(known, backend);
	backend->load.turn = 0;
	if (!sp_config_is_same_file(from->config, config))	/* learned anew */
		backend->mss = backend->lacks = 0;
	backend->is_down = known->is_down && pool->failures;
	if (pool->check.type == SP_CHECK_NONE)
		backend->health = (struct sp_health){};
}

static void fill_tables(struct sp_backends *b, const struct sp_backends *from)
{
	struct sp_backend *backend = b->all;

	for (size_t i = 0; i < b->config->pool_count; i++) {
		const struct sp_pool_conf *pool = &b->config->pools[i];

		b->pools[i] = backend;
		for (size_t j = 0; j < pool->backend_count; j++, backend++) {
			const struct sp_backend_conf *conf = &pool->backends[j];

			*backend = (struct sp_backend){ .pool_id = pool->id, .at = conf->at,
							.max = conf->max_connections };
			carry_state(from, b->config, pool, backend);
			b->has_resets |= backend->resets_left;
			backend->load.seed = sp_backend_seed(conf);
			sp_backend_sum(backend);
			b->sorted[backend - b->all] = backend;
		}
	}
	qsort(b->sorted, b->count, sizeof(*b->sorted), sorted_compare);
}

int sp_backends_configure(struct sp_backends *b, const struct sp_config *config)
{
	struct sp_backends next;
	int err;

	err = alloc_tables(&next, config);
	if (err) {
		free_tables(&next);
		return err;
	}
	fill_tables(&next, b);
	next.random = b->random;
	next.is_open = b->is_open;
	next.look_ctx = b->look_ctx;
	free_tables(b);
	*b = next;
	return 0;
}

int sp_backends_new(const struct sp_config *config, struct sp_backends **ret_backends)
{
	struct sp_backends *b = calloc(1, sizeof(*b));
	int err = b ? sp_backends_configure(b, config) : -ENOMEM;

	if (err)
		free(b);
	else
		*ret_backends = b;
	return err;
}

void sp_backends_free(struct sp_backends *b)
{
	if (!b)
		return;
	free_tables(b);
	free(b);
}
