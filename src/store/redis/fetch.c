// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fetch.c - fetches on the wire: commands, and checks of the answers for store/fetch.c */
#include "store/redis/fetch.h"

#include <errno.h>
#include <string.h>

#include "store/redis/claim.h"
#include "store/redis/refresh.h"

static void end_fetch(struct sp_store_redis *l, struct sp_op *op, int err,
		      const struct sp_splice *found)
{
	struct sp_store_counters *c = &l->store.counters;
	struct sp_splice splice = found ? *found : (struct sp_splice){ 0 };
	struct sp_tuple key = op->key;

	sp_op_end(l, op);
	c->fetch_hits += !err;
	c->fetch_misses += err == -ENOENT;
	c->fetch_again += err == -EAGAIN;
	l->store.events->fetched(l->store.ctx, &key, err, err ? NULL : &splice);
}

static enum sp_found_half find_half(const struct sp_splice *s, const struct sp_tuple *key)
{
	struct sp_tuple down = sp_tuple_reverse(&s->up.out);

	if (!memcmp(key, &s->front, sizeof(*key)))
		return SP_FOUND_UP;
	return memcmp(key, &down, sizeof(*key)) ? SP_FOUND_NONE : SP_FOUND_DOWN;
}

/* The claim may have chosen another splice of this connection, in which @key has no half. */
static void end_claimed(struct sp_store_redis *l, struct sp_op *op)
{
	struct sp_claim *c = &op->claim;
	struct sp_splice splice;

	if (c->err || sp_record_parse(&op->front, c->chosen.bytes, c->chosen.len, &splice)) {
		end_fetch(l, op, -EAGAIN, NULL);
		return;
	}
	sp_refreshes_chosen(l, &splice);
	end_fetch(l, op, find_half(&splice, &op->key) ? 0 : -ENOENT, &splice);
}

void sp_op_fetch_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over)
{
	const struct sp_found *found;
	struct sp_record record;
	struct sp_splice splice;

	switch (sp_fetch_go(&op->fetch, now_ns, is_over, &found)) {
	case SP_FETCH_WAIT:
		break;
	case SP_FETCH_FOUND:
		end_fetch(l, op, found->half ? 0 : -ENOENT, &found->splice);
		break;
	case SP_FETCH_UNSURE:
		splice = found->splice;
		record = found->record;
		sp_op_claim(l, op, &splice, &record, 0, now_ns);
		break;
	case SP_FETCH_NOTHING:
		end_fetch(l, op, -ENOENT, NULL);
		break;
	case SP_FETCH_AGAIN:
		end_fetch(l, op, -EAGAIN, NULL);
		break;
	}
}

static __u32 server_bits(struct sp_store_redis *l, const struct sp_tuple *front)
{
	__u8 servers[SP_COPIES_MAX];
	__u32 bits = 0;

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++)
		bits |= 1u << servers[i];
	return bits;
}

static enum sp_seal_refusal read_found(struct sp_store_redis *l, struct sp_op *op,
				       unsigned int server_idx, const redisReply *value,
				       const redisReply *pointer)
{
	enum sp_seal_refusal refusal;
	struct sp_tuple front = op->key;
	struct sp_vote vote;
	struct sp_splice splice;

	if (pointer->len && sp_tuple_unpack(pointer->str, pointer->len, &front))
		return SP_SEAL_POINTER;
	if (sp_vote_parse(value->str, value->len, &vote))
		return SP_SEAL_MAGIC;
	if (!vote.record.len) {
		sp_fetch_nothing(&op->fetch, server_idx);
		return SP_SEAL_OK;
	}
	refusal = sp_record_read(&l->seal, &front, vote.record.bytes, vote.record.len, &splice);
	if (refusal != SP_SEAL_OK)
		return refusal;
	sp_fetch_value(&op->fetch, server_idx, &vote, &splice, find_half(&splice, &op->key),
		       server_bits(l, &front));
	return SP_SEAL_OK;
}

int sp_op_fetch_reply(struct sp_store_redis *l, struct sp_op *op, unsigned int server_idx,
		      const redisReply *reply)
{
	int is_blank = sp_redis_is_blank(l->servers[server_idx], uv_hrtime());
	int is_nil = reply && reply->type == REDIS_REPLY_NIL;
	int is_pair = reply && sp_store_redis_is_list(reply) && reply->elements == 2;
	enum sp_seal_refusal refusal = SP_SEAL_OK;

	if (is_nil && !is_blank)
		sp_fetch_nothing(&op->fetch, server_idx);
	else if (is_pair)
		refusal = read_found(l, op, server_idx, reply->element[0], reply->element[1]);
	if (refusal != SP_SEAL_OK)
		sp_store_redis_refused(l, server_idx, refusal);
	sp_fetch_absent(&op->fetch, server_idx);	/* unless the answer counted */
	sp_op_fetch_go(l, op, uv_hrtime(), 0);
	return !reply || is_nil || is_pair ? 0 : -EBADMSG;
}

static void send_fetch(struct sp_store_redis *l, struct sp_op *op)
{
	struct sp_cmd cmd;

	for (unsigned int i = 0; i < l->server_count; i++) {
		if (sp_redis_is_up(l->servers[i])) {
			sp_store_redis_script(l, i, &cmd, SP_SCRIPT_FETCH, &op->key, &op->key, 0);
			if (!sp_redis_send(l->servers[i], &cmd, sp_op_ref(l, op)))
				continue;
		}
		sp_fetch_absent(&op->fetch, i);
	}
}

int sp_op_fetch(struct sp_store_redis *l, const struct sp_tuple *key)
{
	__u64 now_ns = uv_hrtime();
	struct sp_op *op;

	if (sp_op_find_fetch(l, key))
		return -EINPROGRESS;	/* one answer is for all */
	op = sp_op_begin_fetch(l, key, now_ns);
	if (!op) {
		l->store.counters.fetch_again++;
		return -EAGAIN;
	}
	op->done = end_claimed;
	sp_fetch_start(&op->fetch, l->server_count, l->copies, l->quorum, now_ns);
	send_fetch(l, op);
	sp_op_fetch_go(l, op, now_ns, 0);
	return -EINPROGRESS;
}
