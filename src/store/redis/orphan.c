// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * left.c - heads read back, and which ones somebody has left
 *
 * All that are up are asked, and waited for. What a majority was given, one
 * of any majority has: so with so many answers, the longest prefix of all of
 * them is at least what was acknowledged. Where so many servers have nothing
 * that the others are no majority, it was delivered, or never acknowledged.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/head.h"

/* ---- one head ---- */

static void read_done(struct sp_store_redis *l, struct sp_head_op *op)
{
	struct sp_gather *g = &l->heads->reads[op->slot];
	unsigned int enough = l->copies - l->quorum + 1;
	struct sp_tuple front = op->front;
	__u32 len = sp_gather_bytes(g);
	int err = 0;

	if (op->yes + op->no < enough)
		err = -EAGAIN;
	else if (!len || (l->copies - op->no < l->quorum && !op->is_here))
		err = -ENOENT;
	l->store.counters.heads_read += !err;
	l->store.counters.heads_unknown += err == -ENOENT;
	l->store.counters.heads_again += err == -EAGAIN;
	op->is_done = 1;
	l->store.events->head(l->store.ctx, &front, err, &g->offer, g->bytes, len);
	sp_head_op_end(l, op);
}

/* Return: whether the server has any of it. */
static int read_pieces(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		       const redisReply *reply)
{
	int has = 0;

	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *piece = reply->element[i + 1];
		enum sp_seal_refusal refusal;

		if (name->str[0] == 'c')
			continue;
		refusal = sp_gather_read(&l->heads->reads[op->slot], &l->seal, &op->front,
					 strtoul(name->str, NULL, 10), piece->str, piece->len);
		if (refusal != SP_SEAL_OK)
			sp_store_redis_refused(l, server_idx, refusal);
		has |= refusal == SP_SEAL_OK;
	}
	return has;
}

static void read_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx, int is_blank,
		       const redisReply *reply)
{
	if (read_pieces(l, op, server_idx, reply))
		op->yes++;
	else if (!is_blank)
		op->no++;
}

static struct sp_head_op *find_read(struct sp_store_redis *l, const struct sp_tuple *front)
{
	for (unsigned int i = 0; i < l->heads->top; i++) {
		struct sp_head_op *op = &l->heads->ops[i];

		if (op->kind == SP_HEAD_READ && !op->is_done && !memcmp(&op->front, front, sizeof(*front)))
			return op;
	}
	return NULL;
}

/* What this box has itself, it may have given to nobody else. */
static void add_own(struct sp_store_redis *l, struct sp_head_op *op)
{
	const struct sp_store_engine *local = l->local->engine;
	struct sp_gather *g = &l->heads->reads[op->slot];
	struct sp_store_head head;

	if (!local->read_head || local->read_head(l->local, &op->front, &head))
		return;
	for (__u32 at = 0; at < head.len; at += SP_STASH_CHUNK)
		sp_gather_add(g, &head.offer, at / SP_STASH_CHUNK, head.bytes + at,
			      head.len - at < SP_STASH_CHUNK ? head.len - at : SP_STASH_CHUNK);
	op->is_here = !!sp_gather_bytes(g);
}

int sp_store_heads_read(struct sp_store_redis *l, const struct sp_tuple *front)
{
	struct sp_key key = sp_key_make(SP_KEY_HEAD, front);
	__u8 servers[SP_COPIES_MAX];
	struct sp_head_op *op;
	struct sp_cmd cmd;

	if (find_read(l, front))
		return -EINPROGRESS;	/* one answer is for all */
	op = sp_head_op_begin(l, SP_HEAD_READ, front);
	if (!op) {
		l->store.counters.heads_again++;
		return -EAGAIN;
	}
	sp_gather_start(&l->heads->reads[op->slot]);
	add_own(l, op);
	sp_cmd_begin(&cmd, 2);
	sp_cmd_text(&cmd, "HGETALL");
	sp_cmd_arg(&cmd, key.bytes, key.len);
	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++)
		sp_head_op_ask(l, op, servers[i], &cmd);
	sp_head_left_go(l, op, 0);
	return -EINPROGRESS;
}

/* ---- the heads of an owner ---- */

static void list_done(struct sp_store_redis *l, struct sp_head_op *op)
{
	struct sp_head_list *list = &l->heads->lists[op->slot];
	unsigned int silent = l->server_count - op->yes;
	int err = list->is_cut || silent >= l->quorum ? -EAGAIN : 0;

	op->is_done = 1;
	l->store.events->heads(l->store.ctx, list->owner[0] ? list->owner : NULL, err, list->fronts, list->count);
	sp_head_op_end(l, op);
}

static void add_front(struct sp_store_redis *l, struct sp_head_list *list, unsigned int server_idx,
		      const redisReply *packed)
{
	struct sp_tuple front;

	if (sp_tuple_unpack(packed->str, packed->len, &front)) {
		sp_store_redis_refused(l, server_idx, SP_SEAL_LENGTH);
		return;
	}
	for (unsigned int i = 0; i < list->count; i++)
		if (!memcmp(&list->fronts[i], &front, sizeof(front)))
			return;
	if (list->count < sizeof(list->fronts) / sizeof(list->fronts[0]))
		list->fronts[list->count++] = front;
}

/* A server that was started anew may have forgotten some: what it has counts, but it does not say that this is all. */
static void list_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx, int is_blank,
		       const redisReply *reply)
{
	struct sp_head_list *list = &l->heads->lists[op->slot];

	op->yes += !is_blank;
	list->is_cut |= reply->elements >= SP_HEAD_LIST_MAX;
	for (size_t i = 0; i < reply->elements && i < SP_HEAD_LIST_MAX; i++)
		add_front(l, list, server_idx, reply->element[i]);
}

static void make_list(struct sp_store_redis *l, unsigned int server_idx, const char *owner, __u64 age_ms,
		      struct sp_cmd *cmd)
{
	sp_cmd_begin(cmd, 7);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sp_redis_sha(l->servers[server_idx], SP_SCRIPT_LEFT));
	sp_cmd_text(cmd, "1");
	sp_head_put_owner(l, cmd, owner);
	sp_cmd_number(cmd, age_ms);
	sp_cmd_number(cmd, l->head_ttl_ms);
	sp_cmd_number(cmd, SP_HEAD_LIST_MAX);
}

int sp_store_heads_list(struct sp_store_redis *l, const char *owner, __u64 age_ms)
{
	static const struct sp_tuple none;
	struct sp_head_op *op = sp_head_op_begin(l, SP_HEAD_LIST, &none);
	struct sp_head_list *list;
	struct sp_cmd cmd;

	if (!op)
		return -EAGAIN;
	list = &l->heads->lists[op->slot];
	list->count = 0;
	list->is_cut = 0;
	snprintf(list->owner, sizeof(list->owner), "%s", owner ? owner : "");
	for (unsigned int i = 0; i < l->server_count; i++) {
		make_list(l, i, owner, age_ms, &cmd);
		sp_head_op_ask(l, op, i, &cmd);
	}
	sp_head_left_go(l, op, 0);
	return -EINPROGRESS;
}

/* ---- both ---- */

void sp_head_left_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over)
{
	if (op->waiting && !is_over)
		return;
	op->waiting = 0;
	if (op->kind == SP_HEAD_READ)
		read_done(l, op);
	else
		list_done(l, op);
}

int sp_head_left_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		       const redisReply *reply)
{
	int is_blank = sp_redis_is_blank(l->servers[server_idx], uv_hrtime());
	int is_list = reply && sp_store_redis_is_list(reply);

	if (is_list && op->kind == SP_HEAD_READ)
		read_reply(l, op, server_idx, is_blank, reply);
	else if (is_list)
		list_reply(l, op, server_idx, is_blank, reply);
	sp_head_left_go(l, op, 0);
	return !reply || is_list ? 0 : -EBADMSG;
}
