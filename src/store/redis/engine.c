// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * engine.c - the engine redis: opening, its functions, its turns, and the receivers of replies
 *
 * The commands of one turn of the loop go out in one write per server, in the prepare phase.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/keys.h"
#include "base/log.h"
#include "base/warnings.h"
#include "store/redis/claim.h"
#include "store/redis/fetch.h"
#include "store/redis/head.h"
#include "store/redis/orphan.h"
#include "store/redis/refresh.h"
#include "store/redis/scan.h"
#include "store/redis/stash.h"

#define LATE_NS		100000000ULL	/* between two ticks: the daemon was suspended */
#define SHORT_NS	1000000000ULL	/* of too few servers, before the warning */
#define MEMBERS_KEY	"sp:members"
#define OWING_MS	960000		/* longer than owe.c tries to deliver a head */

/* ---- replies ---- */

static int read_members(struct sp_store_redis *l, const redisReply *reply)
{
	if (!reply)
		return 0;
	if (!sp_store_redis_is_list(reply))
		return -EBADMSG;
	for (size_t i = 0; l->store.events->member && i < reply->elements; i++)
		l->store.events->member(l->store.ctx, reply->element[i]->str,
					reply->element[i]->len);
	return 0;
}

static int reply_to_op(struct sp_store_redis *l, unsigned int server_idx, __u64 ref,
		       const redisReply *reply)
{
	__u32 round;
	struct sp_op *op = sp_op_of_ref(l, ref, &round);

	if (op && op->state == SP_OP_CLAIMING && round)
		return sp_op_claim_reply(l, op, round, server_idx, reply);
	if (op && op->state == SP_OP_FETCHING && !round)
		return sp_op_fetch_reply(l, op, server_idx, reply);
	return 0;
}

static int on_reply(void *ctx, unsigned int server_idx, __u64 ref, const redisReply *reply)
{
	struct sp_store_redis *l = ctx;

	switch ((enum sp_ref_kind)(ref & ((1 << SP_REF_KIND_BITS) - 1))) {
	case SP_REF_NONE:
		break;
	case SP_REF_REFRESH:
		return sp_refreshes_reply(l, ref, reply);
	case SP_REF_MEMBERS:
		return read_members(l, reply);
	case SP_REF_OP:
		return reply_to_op(l, server_idx, ref, reply);
	case SP_REF_SCAN:
		return sp_scan_reply(l, server_idx, ref, reply);
	case SP_REF_HEAD:
		return sp_heads_reply(l, server_idx, ref, reply);
	}
	return 0;
}

static void on_changed(void *ctx, unsigned int server_idx, int is_emptied)
{
	struct sp_store_redis *l = ctx;

	if (is_emptied)
		sp_scan_emptied(l, server_idx);
	if (is_emptied && l->store.events && l->store.events->emptied)
		l->store.events->emptied(l->store.ctx);
}

static const struct sp_redis_events redis_events = { .reply = on_reply, .changed = on_changed };

/* ---- turns ---- */

static void on_prepare(uv_prepare_t *handle)
{
	struct sp_store_redis *l = handle->data;

	for (unsigned int i = 0; i < l->server_count; i++)
		sp_redis_flush(l->servers[i]);
}

/* With so few servers up, some splices have no majority. */
static void warn_if_short(struct sp_store_redis *l, __u64 now_ns)
{
	unsigned int up = 0;

	for (unsigned int i = 0; i < l->server_count; i++)
		up += sp_redis_takes_writes(l->servers[i]);
	if (l->server_count - up <= l->copies - l->quorum) {
		if (l->short_ns)
			sp_warn_over(SP_WARNING_STORE_SHORT, "store");
		l->short_ns = 0;
		return;
	}
	l->short_ns = l->short_ns ?: now_ns;
	if (now_ns - l->short_ns >= SHORT_NS)
		sp_warn(SP_WARNING_STORE_SHORT, now_ns, "store",
			"%u of %u store servers take writes, which is too few: %s",
			up, l->server_count,
			l->conf->loss == SP_LOSS_REFUSE ? "new connections wait" :
			"new connections are unprotected");
}

static void tick_op(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns)
{
	int is_over = now_ns >= op->deadline_ns;

	switch (op->state) {
	case SP_OP_FREE:
		break;
	case SP_OP_WAITING:
		sp_op_commit_await(l, op, now_ns, is_over);
		break;
	case SP_OP_FETCHING:
		sp_op_fetch_go(l, op, now_ns, is_over);
		break;
	case SP_OP_CLAIMING:
		if (is_over)
			sp_claim_expire(&op->claim);
		sp_op_claim_go(l, op, now_ns);
		break;
	}
}

/* After a suspension of the daemon, answers that have come meanwhile are read first. */
static void on_tick(uv_timer_t *handle)
{
	struct sp_store_redis *l = handle->data;
	__u64 now_ns = uv_hrtime();
	int is_late = now_ns - l->ticked_ns >= LATE_NS;

	l->ticked_ns = now_ns;
	for (unsigned int i = 0; i < l->server_count; i++)
		sp_redis_tick(l->servers[i], now_ns, is_late);
	if (is_late)
		return;
	warn_if_short(l, now_ns);
	sp_ops_each(l, tick_op, now_ns);
	sp_scan_tick(l, now_ns);
	sp_heads_tick(l, now_ns);
}

/* ---- the engine ---- */

static int redis_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	return l->local->engine->commit(l->local, splice, ref) ?: sp_op_commit(l, splice, ref);
}

static int redis_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	return sp_op_fetch((struct sp_store_redis *)store, key);
}

static int redis_refresh(struct sp_store *store, const struct sp_splice *splice)
{
	return sp_refreshes_begin((struct sp_store_redis *)store, splice);
}

static void redis_forget(struct sp_store *store, const struct sp_splice *splice, __u64 after_ns)
{
	sp_store_redis_drop((struct sp_store_redis *)store, splice, "", after_ns / 1000000);
}

static int redis_stash(struct sp_store *store, const struct sp_tuple *front,
		       const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		       __u64 ref)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;
	int err = l->local->engine->stash(l->local, front, offer, bytes, from, to, ref);

	return err ?: sp_heads_stash(l, front, offer, bytes, from, to, ref);
}

static void redis_unstash(struct sp_store *store, const struct sp_tuple *front,
			  const struct sp_stash_offer *offer, __u32 len)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	sp_store_unstash(l->local, front, offer, len);
	sp_heads_unstash(l, front, offer, len);
}

static void redis_each_local_head(struct sp_store *store, sp_stash_fn fn, void *ctx)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	sp_store_each_local_head(l->local, fn, ctx);
}

static int redis_scan(struct sp_store *store, int is_paced)
{
	sp_scan_start((struct sp_store_redis *)store, is_paced);
	return -EINPROGRESS;
}

static void redis_announce(struct sp_store *store, const char *name, const void *record, size_t len)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;
	struct sp_cmd cmd;

	for (unsigned int i = 0; i < l->server_count; i++) {
		sp_cmd_begin(&cmd, 7);
		sp_cmd_text(&cmd, "EVALSHA");
		sp_cmd_text(&cmd, sp_redis_sha(l->servers[i], SP_SCRIPT_ANNOUNCE));
		sp_cmd_text(&cmd, "1");
		sp_cmd_text(&cmd, MEMBERS_KEY);
		sp_cmd_text(&cmd, name);
		sp_cmd_arg(&cmd, record, len);
		sp_cmd_number(&cmd, SP_ANNOUNCED_MS);
		sp_redis_send(l->servers[i], &cmd, SP_REF_MEMBERS);
	}
}

static int redis_read_head(struct sp_store *store, const struct sp_tuple *front,
			   struct sp_store_head *ret_head)
{
	return sp_heads_read((struct sp_store_redis *)store, front);
}

static int redis_list_heads(struct sp_store *store, const char *owner, __u64 age_ms)
{
	return sp_heads_list((struct sp_store_redis *)store, owner, age_ms);
}

static void redis_disown_head(struct sp_store *store, const char *owner,
			      const struct sp_tuple *front)
{
	sp_heads_disown((struct sp_store_redis *)store, owner, front);
}

static int redis_server(struct sp_store *store, unsigned int idx,
			struct sp_store_server *ret_server)
{
	static const char *const states[] = {
		[SP_REDIS_DOWN] = "down", [SP_REDIS_CONNECTING] = "connecting",
		[SP_REDIS_GREETING] = "connecting", [SP_REDIS_UP] = "up",
	};
	const struct sp_store_redis *l = (const struct sp_store_redis *)store;
	const struct sp_redis_stats *s;

	if (idx >= l->server_count)
		return -ENOENT;
	s = sp_redis_stats(l->servers[idx]);
	*ret_server = (struct sp_store_server){
		.name = l->conf->servers[idx].text,
		.state = s->is_refusing ? "refusing" : states[s->state],
		.in_flight = s->in_flight, .latency_us = s->latency_us,
		.reconnects = s->reconnects, .commands = s->commands, .writes = s->writes,
		.errors = s->errors, .nonsense = s->nonsense, .why = s->why,
	};
	return 0;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void redis_close(struct sp_store *store)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	if (l->prepare)
		uv_close((uv_handle_t *)l->prepare, free_handle);
	if (l->timer)
		uv_close((uv_handle_t *)l->timer, free_handle);
	l->scan.is_running = 0;
	sp_ops_free(l->ops);
	sp_heads_free(l->heads);
	l->ops = NULL;
	sp_refreshes_free(l->refreshes);
	l->refreshes = NULL;
	l->heads = NULL;
	for (unsigned int i = 0; i < l->server_count; i++)
		sp_redis_free(l->servers[i]);
	sp_warn_over(SP_WARNING_STORE_SHORT, "store");
	sp_store_close(l->local);
	sp_config_put(l->config);
	free(l);
}

static void redis_rekey(struct sp_store *store, const struct sp_keys *keys)
{
	sp_seal_init(&((struct sp_store_redis *)store)->seal, keys->key, keys->count);
}

static const struct sp_store_engine engine = {
	.name = "redis", .is_shared = 1,
	.commit = redis_commit, .fetch = redis_fetch,
	.refresh = redis_refresh, .forget = redis_forget,
	.scan = redis_scan, .stash = redis_stash, .unstash = redis_unstash,
	.each_local_head = redis_each_local_head,
	.read_head = redis_read_head, .list_heads = redis_list_heads,
	.disown_head = redis_disown_head, .announce = redis_announce,
	.rekey = redis_rekey, .server = redis_server, .close = redis_close,
};

/* ---- opening ---- */

static int read_password(const char *path, char password[SP_STORE_PASSWORD_MAX])
{
	FILE *file = fopen(path, "re");
	int err = file ? 0 : -errno;

	if (!err && !fgets(password, SP_STORE_PASSWORD_MAX, file))
		err = -EINVAL;
	if (file)
		fclose(file);
	if (err)
		log_err_errno(err, "password_file %s: can't read a password", path);
	else
		password[strcspn(password, "\r\n")] = 0;
	return err;
}

static int start_handles(struct sp_store_redis *l, uv_loop_t *loop)
{
	l->prepare = malloc(sizeof(*l->prepare));
	l->timer = malloc(sizeof(*l->timer));
	if (!l->prepare || !l->timer) {
		free(l->prepare);
		free(l->timer);
		l->prepare = NULL;
		l->timer = NULL;
		return -ENOMEM;
	}
	uv_prepare_init(loop, l->prepare);
	uv_timer_init(loop, l->timer);
	l->prepare->data = l;
	l->timer->data = l;
	uv_prepare_start(l->prepare, on_prepare);
	l->ticked_ns = uv_hrtime();
	return uv_timer_start(l->timer, on_tick, 0, SP_REDIS_TICK_MS);
}

static int add_servers(struct sp_store_redis *l, uv_loop_t *loop)
{
	int err = 0;

	if (l->conf->password_file)
		err = read_password(l->conf->password_file, l->password);
	for (size_t i = 0; !err && i < l->conf->server_count; i++) {
		const struct sp_redis_conf conf = {
			.loop = loop, .server = &l->conf->servers[i],
			.password = l->password[0] ? l->password : NULL,
			.timeout_ns = l->conf->timeout_ns,
			.events = &redis_events, .ctx = l, .idx = i,
		};

		err = sp_redis_new(&conf, &l->servers[i]);
		l->server_hash[i] = sp_store_redis_place(l->conf->servers[i].text);
		l->server_count += !err;
	}
	return err;
}

static int open_parts(struct sp_store_redis *l, uv_loop_t *loop, const char *key_file)
{
	struct sp_keys keys;
	int err = sp_keys_read(key_file, &keys);

	if (err)
		return err;
	sp_seal_init(&l->seal, keys.key, keys.count);
	if (getrandom(&l->random, sizeof(l->random), 0) != sizeof(l->random))
		return -EIO;
	err = sp_ops_new(&l->ops);
	err = err ?: sp_refreshes_new(&l->refreshes);
	err = err ?: sp_heads_new(&l->heads);
	err = err ?: add_servers(l, loop);
	return err ?: start_handles(l, loop);
}

int sp_store_redis_open(uv_loop_t *loop, struct sp_config *config, struct sp_store *local,
			struct sp_store **ret_store)
{
	struct sp_store_redis *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->store.engine = &engine;
	l->config = sp_config_get(config);
	l->conf = &config->store;
	l->copies = l->conf->copies;
	l->quorum = l->conf->commit == SP_COMMIT_ONE ? 1 : l->copies / 2 + 1;
	l->store.ttl_ns = config->limits.idle_ns;
	l->head_ttl_ms = config->limits.head_ns / 1000000 + OWING_MS;
	sp_config_own_name(&config->cluster, l->owner);
	l->local = local;
	err = open_parts(l, loop, config->key_file);
	if (err) {
		log_err_errno(err, "can't open the store");
		redis_close(&l->store);
		return err;
	}
	*ret_store = &l->store;
	return 0;
}
