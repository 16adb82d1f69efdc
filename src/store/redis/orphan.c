// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * orphan.c - heads read back, and the lists of heads by owner
 *
 * All servers that are up are asked, and awaited. Any majority includes a server that has what a
 * majority has confirmed: so with the answers of a majority, the longest prefix among them has at
 * least the acknowledged bytes. If the servers that have part of the head can be no majority, the
 * head was delivered, or never acknowledged.
 */
#include "store/redis/orphan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/head.h"

/* ---- one head ---- */

static void end_read(struct sp_store_redis *l, struct sp_head_op *op)
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

/* Return: does the server have part of the head? */
static int read_chunks(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		       const redisReply *reply)
{
	int has = 0;

	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *chunk = reply->element[i + 1];
		enum sp_seal_refusal refusal;

		if (name->str[0] == 'c')
			continue;
		refusal = sp_gather_read(&l->heads->reads[op->slot], &l->seal, &op->front,
					 strtoul(name->str, NULL, 10), chunk->str, chunk->len);
		if (refusal != SP_SEAL_OK)
			sp_store_redis_refused(l, server_idx, refusal);
		has |= refusal == SP_SEAL_OK;
	}
	return has;
}

static void read_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over)
{
	if (!op->waiting || is_over)
		end_read(l, op);
}

/* A restarted server may have forgotten: its "nothing" does not count. */
static int is_blank(struct sp_store_redis *l, unsigned int server_idx)
{
	return sp_redis_is_blank(l->servers[server_idx], uv_hrtime());
}

static int read_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		      const redisReply *reply)
{
	int is_list = reply && sp_store_redis_is_list(reply);

	if (is_list && read_chunks(l, op, server_idx, reply))
		op->yes++;
	else if (is_list && !is_blank(l, server_idx))
		op->no++;
	read_go(l, op, 0);
	return !reply || is_list ? 0 : -EBADMSG;
}

static const struct sp_head_kind reading = { .reply = read_reply, .go = read_go };

static struct sp_head_op *find_read(struct sp_store_redis *l, const struct sp_tuple *front)
{
	for (unsigned int i = 0; i < l->heads->top; i++) {
		struct sp_head_op *op = &l->heads->ops[i];

		if (op->kind == &reading && !op->is_done &&
		    !memcmp(&op->front, front, sizeof(*front)))
			return op;
	}
	return NULL;
}

/* This machine may have bytes that no server has. */
static void add_local(struct sp_store_redis *l, struct sp_head_op *op)
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

int sp_heads_read(struct sp_store_redis *l, const struct sp_tuple *front)
{
	struct sp_key key = sp_key_make(SP_KEY_HEAD, front);
	__u8 servers[SP_COPIES_MAX];
	struct sp_head_op *op;
	struct sp_cmd cmd;

	if (find_read(l, front))
		return -EINPROGRESS;	/* one answer is for all */
	op = sp_head_op_begin(l, &reading, &l->heads->read_slots, front);
	if (!op) {
		l->store.counters.heads_again++;
		return -EAGAIN;
	}
	sp_gather_start(&l->heads->reads[op->slot]);
	add_local(l, op);
	sp_cmd_begin(&cmd, 2);
	sp_cmd_text(&cmd, "HGETALL");
	sp_cmd_arg(&cmd, key.bytes, key.len);
	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++)
		sp_head_op_ask(l, op, servers[i], &cmd);
	read_go(l, op, 0);
	return -EINPROGRESS;
}

/* ---- the heads of an owner ---- */

static void end_list(struct sp_store_redis *l, struct sp_head_op *op)
{
	struct sp_head_list *list = &l->heads->lists[op->slot];
	unsigned int silent = l->server_count - op->yes;
	int err = list->is_cut || silent >= l->quorum ? -EAGAIN : 0;

	op->is_done = 1;
	l->store.events->heads(l->store.ctx, list->owner[0] ? list->owner : NULL, err, list->fronts,
			       list->count);
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

static void list_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over)
{
	if (!op->waiting || is_over)
		end_list(l, op);
}

static void read_fronts(struct sp_store_redis *l, struct sp_head_list *list,
			unsigned int server_idx, const redisReply *reply)
{
	list->is_cut |= reply->elements >= SP_HEAD_LIST_MAX;
	for (size_t i = 0; i < reply->elements && i < SP_HEAD_LIST_MAX; i++)
		add_front(l, list, server_idx, reply->element[i]);
}

/* The fronts of a restarted server count, but do not make the list complete. */
static int list_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		      const redisReply *reply)
{
	int is_list = reply && sp_store_redis_is_list(reply);

	op->yes += is_list && !is_blank(l, server_idx);
	if (is_list)
		read_fronts(l, &l->heads->lists[op->slot], server_idx, reply);
	list_go(l, op, 0);
	return !reply || is_list ? 0 : -EBADMSG;
}

static const struct sp_head_kind listing = { .reply = list_reply, .go = list_go };

static void make_list(struct sp_store_redis *l, unsigned int server_idx, const char *owner,
		      __u64 age_ms, struct sp_cmd *cmd)
{
	sp_cmd_begin(cmd, 7);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sp_redis_sha(l->servers[server_idx], SP_SCRIPT_ORPHANS));
	sp_cmd_text(cmd, "1");
	sp_head_put_owner(l, cmd, owner);
	sp_cmd_number(cmd, age_ms);
	sp_cmd_number(cmd, l->head_ttl_ms);
	sp_cmd_number(cmd, SP_HEAD_LIST_MAX);
}

int sp_heads_list(struct sp_store_redis *l, const char *owner, __u64 age_ms)
{
	static const struct sp_tuple none;
	struct sp_head_op *op = sp_head_op_begin(l, &listing, &l->heads->list_slots, &none);
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
	list_go(l, op, 0);
	return -EINPROGRESS;
}
