// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* head.c - the table of operations on heads under way */
#include "store/redis/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BITS	16

int sp_heads_new(struct sp_heads **ret_heads)
{
	struct sp_heads *heads = calloc(1, sizeof(*heads));

	if (!heads)
		return -ENOMEM;
	_Static_assert(SP_HEAD_READS_MAX <= 32 && SP_HEAD_LISTS_MAX <= 32, "a bit each");
	heads->read_slots.max = SP_HEAD_READS_MAX;
	heads->list_slots.max = SP_HEAD_LISTS_MAX;
	*ret_heads = heads;
	return 0;
}

void sp_heads_free(struct sp_heads *heads)
{
	free(heads);
}

/* Return: -1 if all are in use. */
static int take_slot(struct sp_head_slots *slots)
{
	for (unsigned int i = 0; i < slots->max; i++) {
		if (slots->used & 1u << i)
			continue;
		slots->used |= 1u << i;
		return i;
	}
	return -1;
}

struct sp_head_op *sp_head_op_begin(struct sp_store_redis *l, const struct sp_head_kind *kind,
				    struct sp_head_slots *slots, const struct sp_tuple *front)
{
	struct sp_heads *h = l->heads;
	unsigned int i = 0;
	int slot = -1;

	while (i < SP_HEAD_OPS_MAX && h->ops[i].kind)
		i++;
	if (i < SP_HEAD_OPS_MAX)
		slot = slots ? take_slot(slots) : 0;
	if (slot < 0) {
		l->store.counters.table_full++;
		return NULL;
	}
	h->top = i < h->top ? h->top : i + 1;
	h->ops[i] = (struct sp_head_op){
		.kind = kind, .slots = slots, .slot = slot,
		.gen = h->ops[i].gen + 1, .front = *front,
		.deadline_ns = uv_hrtime() + l->conf->timeout_ns,
	};
	return &h->ops[i];
}

void sp_head_op_end(struct sp_store_redis *l, struct sp_head_op *op)
{
	struct sp_heads *h = l->heads;

	if (op->slots)
		op->slots->used &= ~(1u << op->slot);
	h->bytes -= op->bytes;
	op->kind = NULL;
	while (h->top && !h->ops[h->top - 1].kind)
		h->top--;
}

static __u64 ref_of(const struct sp_store_redis *l, const struct sp_head_op *op)
{
	__u64 ref = (__u64)op->gen << SLOT_BITS | (op - l->heads->ops);

	return ref << SP_REF_KIND_BITS | SP_REF_HEAD;
}

int sp_head_op_ask(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		   const struct sp_cmd *cmd)
{
	int err = sp_redis_send(l->servers[server_idx], cmd, ref_of(l, op));

	if (err)
		l->store.counters.not_sent++;
	else
		op->waiting |= 1u << server_idx;
	return err;
}

void sp_head_put_owner(const struct sp_store_redis *l, struct sp_cmd *cmd, const char *owner)
{
	char key[1 + SP_OWNER_MAX] = { SP_KEY_OWNER };
	size_t len;

	if (!owner || !owner[0])
		owner = l->owner;
	len = strnlen(owner, SP_OWNER_MAX);
	memcpy(key + 1, owner, len);
	sp_cmd_arg(cmd, key, 1 + len);
}

int sp_heads_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref,
		   const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & ((1 << SLOT_BITS) - 1);
	struct sp_head_op *op;

	if (!l->heads || slot >= SP_HEAD_OPS_MAX)
		return 0;
	op = &l->heads->ops[slot];
	if (ref != ref_of(l, op) || !(op->waiting & 1u << server_idx))
		return 0;
	op->waiting &= ~(1u << server_idx);
	return op->kind ? op->kind->reply(l, op, server_idx, reply) : 0;
}

void sp_heads_tick(struct sp_store_redis *l, __u64 now_ns)
{
	for (unsigned int i = 0; i < l->heads->top; i++) {
		struct sp_head_op *op = &l->heads->ops[i];

		if (op->kind && !op->is_done && now_ns >= op->deadline_ns)
			op->kind->go(l, op, 1);
	}
}
