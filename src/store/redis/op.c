// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * op.c - the table of commits and fetches under way
 *
 * A reply finds its op by slot and generation. Each op ends within the store's time-out, an op that
 * was WAITING within twice that.
 */
#include "store/redis/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS		4096	/* of fetches: packets of one connection miss in numbers */
#define SLOT_BITS	16
#define GEN_BITS	24
#define GEN(gen)	((gen) & ((1u << GEN_BITS) - 1))

/* @begun: memory from here on was never touched. @active: a ring in the order of beginning */
struct sp_ops {
	struct sp_op	at[SP_OPS_MAX];
	struct sp_op	*free;
	unsigned int	begun;
	struct sp_op	active;
	struct sp_op	*buckets[BUCKETS];
};

int sp_ops_new(struct sp_ops **ret_ops)
{
	struct sp_ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	ops->active.next = &ops->active;
	ops->active.prev = &ops->active;
	*ret_ops = ops;
	return 0;
}

void sp_ops_free(struct sp_ops *ops)
{
	free(ops);
}

static struct sp_op **bucket_of(struct sp_ops *ops, const struct sp_tuple *key)
{
	__u32 h = key->saddr.w[3] ^ key->daddr.w[3] ^ key->saddr.w[1];

	h ^= key->sport ^ (__u32)key->dport << 16;
	h *= 0x9e3779b1;
	return &ops->buckets[h >> 20];
}

static struct sp_op *take_slot(struct sp_ops *ops)
{
	struct sp_op *op = ops->free;

	if (op)
		ops->free = op->next;
	else if (ops->begun < SP_OPS_MAX)
		op = &ops->at[ops->begun++];
	return op;
}

struct sp_op *sp_op_begin(struct sp_store_redis *l, __u64 now_ns)
{
	struct sp_ops *ops = l->ops;
	struct sp_op *op = take_slot(ops);

	if (!op) {
		l->store.counters.table_full++;
		return NULL;
	}
	op->gen++;
	op->follows = 0;
	op->bucket = NULL;
	op->next = &ops->active;
	op->prev = ops->active.prev;
	op->prev->next = op;
	ops->active.prev = op;
	op->deadline_ns = now_ns + l->conf->timeout_ns;
	return op;
}

struct sp_op *sp_op_begin_fetch(struct sp_store_redis *l, const struct sp_tuple *key, __u64 now_ns)
{
	struct sp_op *op = sp_op_begin(l, now_ns);

	if (!op)
		return NULL;
	op->state = SP_OP_FETCHING;
	op->key = *key;
	op->bucket = bucket_of(l->ops, key);
	op->bucket_next = *op->bucket;
	*op->bucket = op;
	return op;
}

struct sp_op *sp_op_find_fetch(struct sp_store_redis *l, const struct sp_tuple *key)
{
	struct sp_op *op;

	for (op = *bucket_of(l->ops, key); op; op = op->bucket_next)
		if (!memcmp(&op->key, key, sizeof(*key)))
			break;
	return op;
}

void sp_op_end(struct sp_store_redis *l, struct sp_op *op)
{
	struct sp_op **at = op->bucket;

	if (at) {
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
	__u64 round = op->state == SP_OP_FETCHING ? 0 : SP_OP_ROUND(op->claim.round);

	__u64 ref = (round << GEN_BITS | GEN(op->gen)) << SLOT_BITS | (op - l->ops->at);

	return ref << SP_REF_KIND_BITS | SP_REF_OP;
}

struct sp_op *sp_op_of_ref(struct sp_store_redis *l, __u64 ref, __u32 *ret_round)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & ((1 << SLOT_BITS) - 1);
	__u32 gen = GEN(ref >> (SP_REF_KIND_BITS + SLOT_BITS));
	struct sp_op *op;

	*ret_round = SP_OP_ROUND(ref >> (SP_REF_KIND_BITS + SLOT_BITS + GEN_BITS));
	if (!l->ops || slot >= SP_OPS_MAX)
		return NULL;
	op = &l->ops->at[slot];
	return op->state != SP_OP_FREE && gen == GEN(op->gen) ? op : NULL;
}

void sp_ops_each(struct sp_store_redis *l, sp_op_fn fn, __u64 now_ns)
{
	struct sp_op *op, *next;

	for (op = l->ops->active.next; op != &l->ops->active; op = next) {
		next = op->next;
		fn(l, op, now_ns);
	}
}
