// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * stash.c - heads stored on the servers, and forgotten
 *
 * A head grows, so it goes in chunks of equal size (chunk.h), and only new or longer chunks are
 * sent. A server confirms a chunk only if it has all chunks before, so the confirmation of the last
 * chunk covers the head. After a majority has confirmed, any majority that is asked later includes
 * a server that has all acknowledged bytes.
 *
 * A restarted server denies, and does not count until the whole head is stored again.
 */
#include "store/redis/stash.h"

#include <errno.h>
#include <stdio.h>

#include "store/redis/head.h"

#define IDENTITY_LEN	(13 + 16)

/* No answer is awaited. */
static void send_unanswered(struct sp_store_redis *l, unsigned int server_idx,
			    const struct sp_cmd *cmd)
{
	l->store.counters.not_sent += !!sp_redis_send(l->servers[server_idx], cmd, SP_REF_NONE);
}

static void begin_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd,
			 enum sp_script script, const struct sp_tuple *front, unsigned int args)
{
	struct sp_key head = sp_key_make(SP_KEY_HEAD, front);

	sp_cmd_begin(cmd, 5 + args);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sp_redis_sha(l->servers[server_idx], script));
	sp_cmd_text(cmd, "2");
	sp_cmd_arg(cmd, head.bytes, head.len);
	sp_head_put_owner(l, cmd, NULL);
}

/* A connection's identity: 13 decimal digits of begun_ms, 8 hexadecimal digits of each ISN */
static void put_identity(struct sp_cmd *cmd, const struct sp_stash_offer *offer)
{
	char text[IDENTITY_LEN + 1];

	snprintf(text, sizeof(text), "%013llu%08x%08x", offer->begun_ms % 10000000000000ULL,
		 offer->client.isn_theirs, offer->client.isn_ours);
	sp_cmd_text(cmd, text);
}

static void make_stash(struct sp_store_redis *l, const struct sp_head_op *op,
		       unsigned int server_idx, const struct sp_stash_offer *offer,
		       unsigned int index, const __u8 *chunk, size_t len, struct sp_cmd *cmd)
{
	__u64 due_ms = sp_redis_due_ms(l->servers[server_idx], uv_hrtime(), l->conf->timeout_ns);

	begin_script(l, server_idx, cmd, SP_SCRIPT_STASH, &op->front, 6);
	put_identity(cmd, offer);
	sp_cmd_number(cmd, l->head_ttl_ms);
	sp_cmd_number(cmd, due_ms);
	sp_cmd_number(cmd, index);
	sp_cmd_arg(cmd, chunk, len);
	sp_cmd_number(cmd, SP_CHUNK_FULL);
}

/* Only the answer to the last chunk is awaited. */
static void send_chunk(struct sp_store_redis *l, struct sp_head_op *op,
		       const __u8 servers[SP_COPIES_MAX], const struct sp_stash_offer *offer,
		       const char *bytes, __u32 to, unsigned int index)
{
	int is_last = (index + 1) * SP_STASH_CHUNK >= to;
	__u8 chunk[SP_CHUNK_FULL];
	size_t len = sp_chunk_make(&l->seal, &op->front, offer, bytes, to, index, chunk);
	struct sp_cmd cmd;

	for (unsigned int i = 0; i < l->copies; i++) {
		if (!sp_redis_is_up(l->servers[servers[i]]))
			continue;
		make_stash(l, op, servers[i], offer, index, chunk, len, &cmd);
		op->bytes += cmd.len;
		l->heads->bytes += cmd.len;
		if (is_last)
			sp_head_op_ask(l, op, servers[i], &cmd);
		else
			send_unanswered(l, servers[i], &cmd);
	}
}

static void stash_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over)
{
	unsigned int possible = op->yes + (is_over ? 0 : __builtin_popcount(op->waiting));
	__u64 ref = op->ref;
	int err;

	if (op->yes < l->quorum && possible >= l->quorum)
		return;
	err = op->yes >= l->quorum ? 0 : op->yes + op->no >= l->quorum ? -ESTALE : -EAGAIN;
	sp_head_op_end(l, op);
	l->store.events->stashed(l->store.ctx, ref, err);
}

static int stash_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		       const redisReply *reply)
{
	int is_number = reply && reply->type == REDIS_REPLY_INTEGER;
	int is_late = reply && reply->type == REDIS_REPLY_STRING;

	op->yes += is_number && reply->integer == 1;
	op->no += is_number && reply->integer != 1;
	l->store.counters.late += is_late;
	stash_go(l, op, 0);
	return !reply || is_number || is_late ? 0 : -EBADMSG;
}

int sp_heads_stash(struct sp_store_redis *l, const struct sp_tuple *front,
		   const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		   __u64 ref)
{
	static const struct sp_head_kind kind = { .reply = stash_reply, .go = stash_go };
	struct sp_head_op *op = NULL;
	__u8 servers[SP_COPIES_MAX];

	if (to <= SP_STASH_HEAD_MAX && l->heads->bytes < SP_HEAD_UNDERWAY_MAX)
		op = sp_head_op_begin(l, &kind, NULL, front);
	if (!op)
		return -EAGAIN;
	op->ref = ref;
	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = from / SP_STASH_CHUNK; i * SP_STASH_CHUNK < to; i++)
		send_chunk(l, op, servers, offer, bytes, to, i);
	stash_go(l, op, 0);
	return -EINPROGRESS;
}

void sp_heads_unstash(struct sp_store_redis *l, const struct sp_tuple *front,
		      const struct sp_stash_offer *offer, __u32 len)
{
	unsigned int index = len ? (len - 1) / SP_STASH_CHUNK : 0;
	__u32 last_len = SP_CHUNK_DATA_AT + len - index * SP_STASH_CHUNK + SP_SEAL_TAIL_BYTES;
	__u8 servers[SP_COPIES_MAX];
	struct sp_cmd cmd;

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++) {
		begin_script(l, servers[i], &cmd, SP_SCRIPT_UNSTASH, front, 3);
		put_identity(&cmd, offer);
		sp_cmd_number(&cmd, index);
		sp_cmd_number(&cmd, last_len);
		send_unanswered(l, servers[i], &cmd);
	}
}

void sp_heads_disown(struct sp_store_redis *l, const char *owner, const struct sp_tuple *front)
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
		send_unanswered(l, servers[i], &cmd);
}
