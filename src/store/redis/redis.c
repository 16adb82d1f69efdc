// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* redis.c - helpers of the engine: commands that are the same for several callers, and refusals */
#include "store/redis/redis.h"

#include "base/log.h"

void sp_store_redis_refused(struct sp_store_redis *l, unsigned int server_idx,
			    enum sp_seal_refusal refusal)
{
	switch (refusal) {
#define X(up, low, what)						\
	case SP_SEAL_##up:						\
		l->store.counters.refused_##low++;			\
		log_warn_limited("store server %s: refused a record: %s", \
				 l->conf->servers[server_idx].text, what);	\
		break;
	SP_SEAL_REFUSALS(X)
#undef X
	case SP_SEAL_OK:
	case SP_SEAL_COUNT:
		break;
	}
}

int sp_store_redis_is_list(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return 0;
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return 0;
	return 1;
}

void sp_store_redis_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd,
			   enum sp_script script, const struct sp_tuple *front,
			   const struct sp_tuple *down, unsigned int args)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, front);

	sp_cmd_begin(cmd, 3 + (down ? 2 : 1) + args);
	sp_cmd_text(cmd, "EVALSHA");
	sp_cmd_text(cmd, sp_redis_sha(l->servers[server_idx], script));
	sp_cmd_text(cmd, down ? "2" : "1");
	sp_cmd_arg(cmd, key.bytes, key.len);
	if (!down)
		return;
	key = sp_key_make(SP_KEY_DOWN, down);
	sp_cmd_arg(cmd, key.bytes, key.len);
}

unsigned int sp_store_redis_send_all(struct sp_store_redis *l, const struct sp_splice *splice,
				     enum sp_script script, const char *last, __u64 after_ms,
				     __u64 ref)
{
	struct sp_record record = sp_record_make(&l->seal, splice);
	struct sp_tuple down = sp_tuple_reverse(&splice->up.out);
	unsigned int args = 2 + (script == SP_SCRIPT_REFRESH || after_ms), sent = 0;
	__u8 servers[SP_COPIES_MAX];
	struct sp_cmd cmd;

	sp_store_redis_servers(l, &splice->front, servers);
	for (unsigned int i = 0; i < l->copies; i++) {
		sp_store_redis_script(l, servers[i], &cmd, script, &splice->front, &down, args);
		sp_cmd_arg(&cmd, record.bytes, record.len);
		if (script == SP_SCRIPT_REFRESH)
			sp_cmd_number(&cmd, sp_store_ttl_ns(&l->store, splice) / 1000000);
		sp_cmd_text(&cmd, last);
		if (after_ms)
			sp_cmd_number(&cmd, after_ms);
		sent += !sp_redis_send(l->servers[servers[i]], &cmd, ref);
	}
	l->store.counters.not_sent += l->copies - sent;
	return sent;
}

void sp_store_redis_drop(struct sp_store_redis *l, const struct sp_splice *splice,
			 const char *state, __u64 after_ms)
{
	sp_store_redis_send_all(l, splice, SP_SCRIPT_DROP, state, after_ms, SP_REF_NONE);
}
