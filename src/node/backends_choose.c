// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* backends_choose.c - the choice of a backend for a connection */
#include "node/backends_internal.h"

#include <errno.h>

#define SHARE_UNIT	256
#define LOOKS_FULL	64	/* at the splices of a full backend, by one choice */
#define SHARE_FIRST	16	/* part of the share at the beginning of slow_start */

__u64 sp_backends_tried(size_t idx)
{
	/* with more than 64 backends, two share a bit and are left out together */
	return 1ULL << idx % 64;
}

/* Down by failed connections, and no trial is due. */
static int is_waiting(const struct sp_backend *backend, __u64 now_ns)
{
	return backend && backend->is_down && backend->order != SP_BACKEND_ORDER_UP &&
	       now_ns < backend->retry_at_ns;
}

int sp_backends_is_full(struct sp_backends *b, const struct sp_pool_conf *pool, int idx)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);

	if (!backend || !backend->max || backend->load.connections < backend->max)
		return 0;
	sp_backend_reap(b, backend, LOOKS_FULL);
	return backend->load.connections >= backend->max;
}

/**
 * struct choice - context of a struct sp_field
 * @tried:	backends left out
 * @is_any:	also if down
 * @may_be_full:	also if full
 * @is_backup:	among backups, or among all others
 * @is_full:	result: a backend was left out for that
 */
struct choice {
	struct sp_backends		*b;
	const struct sp_pool_conf	*pool;
	__u64				tried;
	__u64				now_ns;
	int				is_v4;
	int				is_any;
	int				is_backup;
	int				may_be_full;
	int				is_full;
};

/* In 256ths of the weight. Proxies must agree on keys, but see a backend come up at other times. */
static unsigned int rising_share(const struct choice *c, struct sp_backend *backend,
				 unsigned int weight)
{
	__u64 slow_ns = c->pool->slow_start_ns, up_ns;

	if (!backend)
		return weight * SHARE_UNIT;
	if (backend->is_new)
		backend->up_ns = slow_ns ? c->now_ns : 0;
	backend->is_new = 0;
	up_ns = c->now_ns - backend->up_ns;
	if (!backend->up_ns || up_ns >= slow_ns || c->pool->balance == SP_BALANCE_HASH)
		return weight * SHARE_UNIT;
	if (up_ns < slow_ns / SHARE_FIRST)
		return weight * SHARE_UNIT / SHARE_FIRST;
	return weight * SHARE_UNIT * up_ns / slow_ns;
}

static unsigned int share_of(void *ctx, size_t idx)
{
	struct choice *c = ctx;
	const struct sp_backend_conf *conf = &c->pool->backends[idx];
	struct sp_backend *backend;
	unsigned int weight;

	if (conf->is_backup != c->is_backup)
		return 0;
	if (sp_addr_is_v4(&conf->at.addr) != c->is_v4 || c->tried & sp_backends_tried(idx))
		return 0;
	backend = sp_backends_find(c->b, c->pool, idx);
	weight = sp_backend_weight(backend, conf);
	if (!weight)
		return 0;
	if (sp_backend_is_out(backend) || (!c->is_any && is_waiting(backend, c->now_ns)))
		return 0;
	if (!c->may_be_full && sp_backends_is_full(c->b, c->pool, idx)) {
		c->is_full = 1;
		return 0;
	}
	return rising_share(c, backend, weight);
}

/* A backend that a reload has removed has no load. */
static struct sp_load *load_of(void *ctx, size_t idx)
{
	static struct sp_load removed;
	const struct choice *c = ctx;
	struct sp_backend *backend = sp_backends_find(c->b, c->pool, idx);

	if (backend)
		return &backend->load;
	removed = (struct sp_load){ .seed = sp_backend_seed(&c->pool->backends[idx]) };
	return &removed;
}

static int pick_among(struct choice *c, const __u64 *key)
{
	struct sp_field field = { .count = c->pool->backend_count, .ctx = c, .share = share_of,
				  .load = load_of };

	switch (c->pool->balance) {
	case SP_BALANCE_LEAST_CONNECTIONS:
		return sp_balance_least(&field);
	case SP_BALANCE_RANDOM_TWO:
		c->b->random = sp_balance_hash(&c->b->random, sizeof(c->b->random)) + c->now_ns;
		return sp_balance_two(&field, c->b->random);
	case SP_BALANCE_HASH:
		if (key)
			return sp_balance_rendezvous(&field, *key);
		break;
	case SP_BALANCE_ROUND_ROBIN:
		break;
	}
	return sp_balance_turn(&field);
}

/* A full backend has room sooner than backups are needed. */
static int pick_backend(struct choice *c, const __u64 *key)
{
	int idx;

	c->is_backup = 0;
	idx = pick_among(c, key);
	if (idx >= 0 || c->is_full)
		return idx;
	c->is_backup = 1;
	return pick_among(c, key);
}

int sp_backends_choose(struct sp_backends *b, const struct sp_pool_conf *pool, int is_v4,
		       const __u64 *key, __u64 *tried, __u64 now_ns)
{
	struct choice choice = { .b = b, .pool = pool, .tried = *tried, .now_ns = now_ns,
				 .is_v4 = is_v4 };
	struct sp_backend *backend;
	int idx;

	idx = pick_backend(&choice, key);
	if (idx < 0 && choice.is_full)
		return -EBUSY;		/* room comes sooner than a backend that is down */
	choice.is_any = 1;
	if (idx < 0)
		idx = pick_backend(&choice, key);
	choice.tried = 0;
	if (idx < 0)
		idx = pick_backend(&choice, key);
	if (idx < 0)
		return choice.is_full ? -EBUSY : idx;
	*tried |= sp_backends_tried(idx);
	backend = sp_backends_find(b, pool, idx);
	if (backend && backend->is_down)
		backend->retry_at_ns = now_ns + pool->retry_ns;	/* this connection is the trial */
	return idx;
}

int sp_backends_holder(struct sp_backends *b, const struct sp_pool_conf *pool, int is_v4,
		       __u64 key, __u64 now_ns)
{
	struct choice choice = { .b = b, .pool = pool, .now_ns = now_ns, .is_v4 = is_v4,
				 .may_be_full = 1 };
	struct sp_field field = { .count = pool->backend_count, .ctx = &choice, .share = share_of,
				  .load = load_of };
	int idx = sp_balance_rendezvous(&field, key);

	choice.is_backup = 1;
	return idx >= 0 ? idx : sp_balance_rendezvous(&field, key);
}

/* ---- for people ---- */

const char *sp_backend_obstacle_text(enum sp_backend_obstacle obstacle)
{
	static const char *const texts[] = {
#define X(up, why) why,
		SP_BACKEND_OBSTACLES(X)
#undef X
	};

	return texts[obstacle];
}

/* The order of share_of(). */
static enum sp_backend_obstacle find_obstacle(struct choice *c, size_t idx)
{
	const struct sp_backend_conf *conf = &c->pool->backends[idx];
	const struct sp_backend *backend = sp_backends_find(c->b, c->pool, idx);

	if (sp_addr_is_v4(&conf->at.addr) != c->is_v4)
		return SP_BACKEND_OBSTACLE_FAMILY;
	if (!sp_backend_weight(backend, conf))
		return SP_BACKEND_OBSTACLE_WEIGHT;
	if (sp_backend_is_out(backend))
		return backend->order == SP_BACKEND_ORDER_AUTO ? SP_BACKEND_OBSTACLE_CHECKS :
		       SP_BACKEND_OBSTACLE_ORDER;
	if (is_waiting(backend, c->now_ns))
		return SP_BACKEND_OBSTACLE_FAILURES;
	if (sp_backends_is_full(c->b, c->pool, idx))
		return SP_BACKEND_OBSTACLE_FULL;
	return SP_BACKEND_OBSTACLE_NONE;
}

/* A backend that waits for its trial is chosen before none; a full one is waited for. */
static int can_any(struct choice *c, int is_backup)
{
	for (size_t i = 0; i < c->pool->backend_count; i++) {
		enum sp_backend_obstacle obstacle = find_obstacle(c, i);

		if (c->pool->backends[i].is_backup == is_backup &&
		    (!obstacle || obstacle == SP_BACKEND_OBSTACLE_FULL))
			return 1;
	}
	return 0;
}

enum sp_backend_obstacle sp_backends_obstacle(struct sp_backends *b,
					      const struct sp_pool_conf *pool, int idx, int is_v4,
					      __u64 now_ns)
{
	struct choice c = { .b = b, .pool = pool, .now_ns = now_ns, .is_v4 = is_v4 };
	enum sp_backend_obstacle obstacle = find_obstacle(&c, idx);

	if (obstacle == SP_BACKEND_OBSTACLE_FAILURES && !can_any(&c, 0) && !can_any(&c, 1))
		return SP_BACKEND_OBSTACLE_NONE;
	if (!obstacle && pool->backends[idx].is_backup && can_any(&c, 0))
		return SP_BACKEND_OBSTACLE_BACKUP;
	return obstacle;
}
