// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * head.c - heads that were acknowledged before their splice, given to the servers
 *
 * A head grows, so it goes in pieces of one size (piece.h), and only those
 * that are new or longer now. A server says yes to a piece when it has all
 * before it, too; so its yes to the last one speaks for all of them. When a
 * majority has said it, any majority that is asked later has one among it
 * that knows all that was acknowledged.
 *
 * A server that was started anew says no, and counts for nothing until the
 * whole head is given again.
 */
#include "store/redis/head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define GEN_BITS	40
#define SLOT_BITS	16
#define WHO_LEN		(13 + 16)

int sp_store_heads_new(struct sp_store_heads **ret_heads)
{
	struct sp_store_heads *heads = calloc(1, sizeof(*heads));

	if (!heads)
		return -ENOMEM;
	*ret_heads = heads;
	return 0;
}

void sp_store_heads_free(struct sp_store_heads *heads)
{
	free(heads);
}

/* ---- what is under way ---- */

/* A free slot of @used, whose first @max bits count; -1: none. */
static int take_bit(__u32 *used, unsigned int max)
{
	for (unsigned int i = 0; i < max; i++) {
		if (*used & 1u << i)
			continue;
		*used |= 1u << i;
		return i;
	}
	return -1;
}

static int take_slot(struct sp_store_heads *h, enum sp_head_kind kind)
{
	_Static_assert(SP_HEAD_READS_MAX <= 32 && SP_HEAD_LISTS_MAX <= 32, "a bit each");
	switch (kind) {
	case SP_HEAD_READ: return take_bit(&h->reads_used, SP_HEAD_READS_MAX);
	case SP_HEAD_LIST: return take_bit(&h->lists_used, SP_HEAD_LISTS_MAX);
	case SP_HEAD_FREE:
	case SP_HEAD_STASH: break;
	}
	return 0;
}

struct sp_head_op *sp_head_op_begin(struct sp_store_redis *l, enum sp_head_kind kind, const struct sp_tuple *front)
{
	struct sp_store_heads *h = l->heads;
	unsigned int i = 0;
	int slot;

	while (i < SP_HEAD_OPS_MAX && h->ops[i].kind != SP_HEAD_FREE)
		i++;
	slot = i < SP_HEAD_OPS_MAX ? take_slot(h, kind) : -1;
	if (slot < 0) {
		l->store.counters.table_full++;
		return NULL;
	}
	h->top = i < h->top ? h->top : i + 1;
	h->ops[i] = (struct sp_head_op){
		.kind = kind, .gen = h->ops[i].gen + 1, .front = *front, .slot = slot,
		.deadline_ns = uv_hrtime() + l->conf->timeout_ns,
	};
	return &h->ops[i];
}

void sp_head_op_end(struct sp_store_redis *l, struct sp_head_op *op)
{
	struct sp_store_heads *h = l->heads;

	if (op->kind == SP_HEAD_READ)
		h->reads_used &= ~(1u << op->slot);
	if (op->kind == SP_HEAD_LIST)
		h->lists_used &= ~(1u << op->slot);
	h->bytes -= op->bytes;
	op->kind = SP_HEAD_FREE;
	while (h->top && h->ops[h->top - 1].kind == SP_HEAD_FREE)
		h->top--;
}

static __u64 ref_of(const struct sp_store_redis *l, const struct sp_head_op *op)
{
	return ((__u64)op->gen << SLOT_BITS | (op - l->heads->ops)) << SP_REF_KIND_BITS | SP_REF_HEAD;
}

int sp_head_op_ask(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx, const struct sp_cmd *cmd)
{
	int err = sp_redis_send(l->servers[server_idx], cmd, ref_of(l, op));

	if (err)
		l->store.counters.not_sent++;
	else
		op->waiting |= 1u << server_idx;
	return err;
}

/* ---- giving ---- */

/* @owner: NULL or "": this proxy */
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

static void begin_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd, enum sp_script script,
			 const struct sp_tuple *front, unsigned int args)
{
	struct sp_key head = sp_key_make(SP_KEY_HEAD, front);

	sp_cmd_begin(cmd, 5 + args);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sp_redis_sha(l->servers[server_idx], script));
	sp_cmd_text(cmd, "2");
	sp_cmd_arg(cmd, head.bytes, head.len);
	sp_head_put_owner(l, cmd, NULL);
}

static void put_who(struct sp_cmd *cmd, const struct sp_stash_offer *offer)
{
	char text[WHO_LEN + 1];

	snprintf(text, sizeof(text), "%013llu%08x%08x", offer->begun_ms % 10000000000000ULL,
		 offer->client.isn_theirs, offer->client.isn_ours);
	sp_cmd_text(cmd, text);
}

static void make_stash(struct sp_store_redis *l, const struct sp_head_op *op, unsigned int server_idx,
		       const struct sp_stash_offer *offer, unsigned int index, const __u8 *piece, size_t len,
		       struct sp_cmd *cmd)
{
	__u64 due_ms = sp_redis_due_ms(l->servers[server_idx], uv_hrtime(), l->conf->timeout_ns);

	begin_script(l, server_idx, cmd, SP_SCRIPT_STASH, &op->front, 6);
	put_who(cmd, offer);
	sp_cmd_number(cmd, l->head_ttl_ms);
	sp_cmd_number(cmd, due_ms);
	sp_cmd_number(cmd, index);
	sp_cmd_arg(cmd, piece, len);
	sp_cmd_number(cmd, SP_CHUNK_FULL);
}

/* Only the answer to the last piece is waited for. */
static void give_piece(struct sp_store_redis *l, struct sp_head_op *op, const __u8 servers[SP_COPIES_MAX],
		       const struct sp_stash_offer *offer, const char *bytes, __u32 to, unsigned int index)
{
	int is_last = (index + 1) * SP_STASH_CHUNK >= to;
	__u8 piece[SP_CHUNK_FULL];
	size_t len = sp_chunk_make(&l->seal, &op->front, offer, bytes, to, index, piece);
	struct sp_cmd cmd;

	for (unsigned int i = 0; i < l->copies; i++) {
		struct sp_redis *r = l->servers[servers[i]];

		if (!sp_redis_is_up(r))
			continue;
		make_stash(l, op, servers[i], offer, index, piece, len, &cmd);
		op->bytes += cmd.len;
		l->heads->bytes += cmd.len;
		if (is_last)
			sp_head_op_ask(l, op, servers[i], &cmd);
		else
			l->store.counters.not_sent += !!sp_redis_send(r, &cmd, SP_REF_NOBODY);
	}
}

static void stash_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over)
{
	unsigned int may = op->yes + (is_over ? 0 : __builtin_popcount(op->waiting));
	__u64 ref = op->ref;
	int err;

	if (op->yes < l->quorum && may >= l->quorum)
		return;
	err = op->yes >= l->quorum ? 0 : -EAGAIN;
	sp_head_op_end(l, op);
	l->store.events->stashed(l->store.ctx, ref, err);
}

int sp_store_heads_stash(struct sp_store_redis *l, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			  const char *bytes, __u32 from, __u32 to, __u64 ref)
{
	struct sp_head_op *op = NULL;
	__u8 servers[SP_COPIES_MAX];

	if (to <= SP_STASH_HEAD_MAX && l->heads->bytes < SP_HEAD_UNDERWAY_MAX)
		op = sp_head_op_begin(l, SP_HEAD_STASH, front);
	if (!op)
		return -EAGAIN;
	op->ref = ref;
	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = from / SP_STASH_CHUNK; i * SP_STASH_CHUNK < to; i++)
		give_piece(l, op, servers, offer, bytes, to, i);
	stash_go(l, op, 0);
	return -EINPROGRESS;
}

void sp_store_heads_unstash(struct sp_store_redis *l, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			    __u32 len)
{
	unsigned int index = len ? (len - 1) / SP_STASH_CHUNK : 0;
	__u8 servers[SP_COPIES_MAX];
	struct sp_cmd cmd;

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++) {
		begin_script(l, servers[i], &cmd, SP_SCRIPT_UNSTASH, front, 3);
		put_who(&cmd, offer);
		sp_cmd_number(&cmd, index);
		sp_cmd_number(&cmd, SP_CHUNK_DATA_AT + len - index * SP_STASH_CHUNK + SP_SEAL_TAIL_BYTES);
		l->store.counters.not_sent += !!sp_redis_send(l->servers[servers[i]], &cmd, SP_REF_NOBODY);
	}
}

void sp_store_heads_disown(struct sp_store_redis *l, const char *owner, const struct sp_tuple *front)
{
	__u8 servers[SP_COPIES_MAX], packed[SP_PACKED_MAX];
	size_t len = sp_tuple_pack(front, packed);
	struct sp_cmd cmd;

	sp_store_redis_servers(l, front, servers);
	sp_cmd_begin(&cmd, 3);
	sp_cmd_text(&cmd, "ZREM");
	sp_head_put_owner(l, &cmd, owner);
	sp_cmd_arg(&cmd, packed, len);
	for (unsigned int i = 0; i < l->copies; i++)
		l->store.counters.not_sent += !!sp_redis_send(l->servers[servers[i]], &cmd, SP_REF_NOBODY);
}

/* ---- answers ---- */

static int stash_reply(struct sp_store_redis *l, struct sp_head_op *op, const redisReply *reply)
{
	int is_said = reply && reply->type == REDIS_REPLY_INTEGER, is_late = reply && reply->type == REDIS_REPLY_STRING;

	op->yes += is_said && reply->integer == 1;
	l->store.counters.late += is_late;
	stash_go(l, op, 0);
	return !reply || is_said || is_late ? 0 : -EBADMSG;
}

int sp_store_heads_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & ((1 << SLOT_BITS) - 1);
	struct sp_head_op *op;

	if (!l->heads || slot >= SP_HEAD_OPS_MAX)
		return 0;
	op = &l->heads->ops[slot];
	if (ref != ref_of(l, op) || !(op->waiting & 1u << server_idx))
		return 0;
	op->waiting &= ~(1u << server_idx);
	switch (op->kind) {
	case SP_HEAD_FREE:
		break;
	case SP_HEAD_STASH:
		return stash_reply(l, op, reply);
	case SP_HEAD_READ:
	case SP_HEAD_LIST:
		return sp_head_left_reply(l, op, server_idx, reply);
	}
	return 0;
}

void sp_store_heads_tick(struct sp_store_redis *l, __u64 now_ns)
{
	for (unsigned int i = 0; i < l->heads->top; i++) {
		struct sp_head_op *op = &l->heads->ops[i];

		if (op->kind == SP_HEAD_FREE || op->is_done || now_ns < op->deadline_ns)
			continue;
		if (op->kind == SP_HEAD_STASH)
			stash_go(l, op, 1);
		else
			sp_head_left_go(l, op, 1);
	}
}
