// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * op.c - commits and fetches under way
 *
 *	commit	CLAIMING; before it WAITING, while servers that it needs may still greet for the first time
 *	fetch	LOOKING, and CLAIMING when what was found may not have been chosen
 *
 * claim.c and lookup.c say what to ask and what follows; store/redis/claim.c
 * and store/redis/fetch.c send it, and check what comes back. A reply finds its
 * op by slot and generation; each op ends within the store's time-out, one that
 * has waited within twice that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/op.h"

#define BUCKETS		4096	/* of fetches, by key: a packet that misses does not come alone */
#define SLOT_BITS	16
#define GEN_BITS	24

/* @begun: from here on none was ever in use, nor its memory touched; @active: in the order in which they began */
struct sp_store_ops {
	struct sp_op	at[SP_OPS_MAX];
	struct sp_op	*free;
	unsigned int	begun;
	struct sp_op	active;
	struct sp_op	*buckets[BUCKETS];
};

int sp_store_ops_new(struct sp_store_ops **ret_ops)
{
	struct sp_store_ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	ops->active.next = &ops->active;
	ops->active.prev = &ops->active;
	*ret_ops = ops;
	return 0;
}

void sp_store_ops_free(struct sp_store_ops *ops)
{
	free(ops);
}

static struct sp_op **bucket(struct sp_store_ops *ops, const struct sp_tuple *key)
{
	__u32 h = key->saddr.w[3] ^ key->daddr.w[3] ^ key->saddr.w[1] ^ key->sport ^ (__u32)key->dport << 16;

	h *= 0x9e3779b1;
	return &ops->buckets[h >> 20];
}

static struct sp_op *take(struct sp_store_ops *ops)
{
	struct sp_op *op = ops->free;

	if (op)
		ops->free = op->next;
	else if (ops->begun < SP_OPS_MAX)
		op = &ops->at[ops->begun++];
	return op;
}

static struct sp_op *begin(struct sp_store_redis *l, __u64 now_ns)
{
	struct sp_store_ops *ops = l->ops;
	struct sp_op *op = take(ops);

	if (!op) {
		l->store.counters.table_full++;
		return NULL;
	}
	op->gen++;
	op->next = &ops->active;
	op->prev = ops->active.prev;
	op->prev->next = op;
	ops->active.prev = op;
	op->deadline_ns = now_ns + l->conf->timeout_ns;
	return op;
}

struct sp_op *sp_op_begin_commit(struct sp_store_redis *l, __u64 ref, __u64 now_ns)
{
	struct sp_op *op = begin(l, now_ns);

	if (op) {
		op->is_commit = 1;
		op->ref = ref;
	}
	return op;
}

struct sp_op *sp_op_begin_fetch(struct sp_store_redis *l, const struct sp_tuple *key, __u64 now_ns)
{
	struct sp_op **at = bucket(l->ops, key), *op = begin(l, now_ns);

	if (op) {
		op->is_commit = 0;
		op->state = SP_OP_LOOKING;
		op->key = *key;
		op->bucket_next = *at;
		*at = op;
	}
	return op;
}

struct sp_op *sp_op_find_fetch(struct sp_store_redis *l, const struct sp_tuple *key)
{
	struct sp_op *op;

	for (op = *bucket(l->ops, key); op; op = op->bucket_next)
		if (!memcmp(&op->key, key, sizeof(*key)))
			break;
	return op;
}

void sp_op_end(struct sp_store_redis *l, struct sp_op *op)
{
	struct sp_op **at = bucket(l->ops, &op->key);

	if (!op->is_commit) {
		while (*at != op)
			at = &(*at)->bucket_next;
		*at = op->bucket_next;
	}
	op->prev->next = op->next;
	op->next->prev = op->prev;
	op->state = SP_OP_FREE;
	op->next = l->ops->free;
	l->ops->free = op;
}

__u64 sp_op_ref(const struct sp_store_redis *l, const struct sp_op *op)
{
	__u64 gen = op->gen & ((1 << GEN_BITS) - 1), round = op->claim.round & ((1 << SP_OP_ROUND_BITS) - 1);

	if (op->state == SP_OP_LOOKING)
		round = 0;
	return ((round << GEN_BITS | gen) << SLOT_BITS | (op - l->ops->at)) << SP_REF_KIND_BITS | SP_REF_OP;
}

int sp_store_ops_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & ((1 << SLOT_BITS) - 1);
	__u64 gen = ref >> (SP_REF_KIND_BITS + SLOT_BITS) & ((1 << GEN_BITS) - 1);
	__u32 round = ref >> (SP_REF_KIND_BITS + SLOT_BITS + GEN_BITS) & ((1 << SP_OP_ROUND_BITS) - 1);
	struct sp_op *op;

	if (!l->ops)
		return 0;
	op = &l->ops->at[slot];
	if (op->state == SP_OP_FREE || gen != (op->gen & ((1 << GEN_BITS) - 1)))
		return 0;
	if (op->state == SP_OP_CLAIMING && round)
		return sp_op_claim_reply(l, op, round, server_idx, reply);
	if (op->state == SP_OP_LOOKING && !round)
		return sp_op_look_reply(l, op, server_idx, reply);
	return 0;
}

static void tick(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns)
{
	int is_over = now_ns >= op->deadline_ns;

	if (op->state == SP_OP_WAITING) {
		sp_op_claim_await(l, op, now_ns, is_over);
		return;
	}
	if (op->state == SP_OP_CLAIMING && is_over)
		sp_claim_expire(&op->claim);
	if (op->state == SP_OP_CLAIMING)
		sp_op_claim_go(l, op, now_ns);
	else
		sp_op_look_go(l, op, now_ns, is_over);
}

void sp_store_ops_tick(struct sp_store_redis *l, __u64 now_ns)
{
	struct sp_op *op, *next;

	for (op = l->ops->active.next; op != &l->ops->active; op = next) {
		next = op->next;
		tick(l, op, now_ns);
	}
}
