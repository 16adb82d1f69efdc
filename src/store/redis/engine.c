// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * engine.c - the engine for several boxes: opened, its turns, and what nobody waits for
 *
 * All that happens in one turn of the loop goes out in one write per server,
 * in its prepare phase.
 */
#include "store/redis/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/keys.h"
#include "store/chunk.h"
#include "base/warnings.h"

#define LATE_NS		100000000ULL	/* between two ticks: we were stopped */
#define SHORT_NS	1000000000ULL	/* of too few servers, before it is said */
#define MEMBERS_KEY	"sp:members"
#define OWING_MS	960000		/* longer than owe.c tries to deliver a head */

void sp_store_redis_refused(struct sp_store_redis *l, unsigned int server_idx, enum sp_seal_refusal refusal)
{
	switch (refusal) {
#define X(up, low, what)						\
	case SP_SEAL_##up:						\
		l->store.counters.refused_##low++;			\
		log_warn_limited("store server %s: refused a record: %s", l->conf->servers[server_idx].text, what); \
		break;
	SP_SEAL_REFUSALS(X)
#undef X
	case SP_SEAL_OK:
	case SP_SEAL_COUNT:
		break;
	}
}

void sp_store_redis_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd, enum sp_script script,
			   const struct sp_tuple *front, const struct sp_tuple *down, unsigned int args)
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

unsigned int sp_store_redis_send_all(struct sp_store_redis *l, const struct sp_splice *splice, enum sp_script script,
				     const char *last, __u64 ref)
{
	struct sp_record record = sp_record_make(&l->seal, splice);
	struct sp_tuple down = sp_tuple_reverse(&splice->up.out);
	unsigned int args = script == SP_SCRIPT_KEEP ? 3 : 2, sent = 0;
	__u8 servers[SP_COPIES_MAX];
	struct sp_cmd cmd;

	sp_store_redis_servers(l, &splice->front, servers);
	for (unsigned int i = 0; i < l->copies; i++) {
		sp_store_redis_script(l, servers[i], &cmd, script, &splice->front, &down, args);
		sp_cmd_arg(&cmd, record.bytes, record.len);
		if (script == SP_SCRIPT_KEEP)
			sp_cmd_number(&cmd, l->store.ttl_ns / 1000000);
		sp_cmd_text(&cmd, last);
		sent += !sp_redis_send(l->servers[servers[i]], &cmd, ref);
	}
	l->store.counters.not_sent += l->copies - sent;
	return sent;
}

void sp_store_redis_drop(struct sp_store_redis *l, const struct sp_splice *splice, const char *state)
{
	sp_store_redis_send_all(l, splice, SP_SCRIPT_DROP, state, SP_REF_NOBODY);
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

static int listed(struct sp_store_redis *l, const redisReply *reply)
{
	if (!reply)
		return 0;
	if (!sp_store_redis_is_list(reply))
		return -EBADMSG;
	for (size_t i = 0; l->store.events->member && i < reply->elements; i++)
		l->store.events->member(l->store.ctx, reply->element[i]->str, reply->element[i]->len);
	return 0;
}

static int on_reply(void *ctx, unsigned int server_idx, __u64 ref, const redisReply *reply)
{
	struct sp_store_redis *l = ctx;

	switch ((enum sp_ref_kind)(ref & ((1 << SP_REF_KIND_BITS) - 1))) {
	case SP_REF_NOBODY:
		break;
	case SP_REF_KEEP:
		return sp_store_keeps_reply(l, ref, reply);
	case SP_REF_MEMBERS:
		return listed(l, reply);
	case SP_REF_OP:
		return sp_store_ops_reply(l, server_idx, ref, reply);
	case SP_REF_SCAN:
		return sp_store_scan_reply(l, server_idx, ref, reply);
	case SP_REF_HEAD:
		return sp_store_heads_reply(l, server_idx, ref, reply);
	}
	return 0;
}

static void on_changed(void *ctx, unsigned int server_idx, int is_emptied)
{
	struct sp_store_redis *l = ctx;

	if (is_emptied)
		sp_store_scan_emptied(l, server_idx);
	if (is_emptied && l->store.events && l->store.events->emptied)
		l->store.events->emptied(l->store.ctx);
}

static const struct sp_redis_events redis_events = { .reply = on_reply, .changed = on_changed };

static void on_prepare(uv_prepare_t *handle)
{
	struct sp_store_redis *l = handle->data;

	for (unsigned int i = 0; i < l->server_count; i++)
		sp_redis_flush(l->servers[i]);
}

/* Some splices' servers, at least, are no majority any more. */
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
		sp_warn(SP_WARNING_STORE_SHORT, now_ns, "store", "%u of %u store servers take writes, which is too few: %s",
			up, l->server_count, l->conf->loss == SP_LOSS_REFUSE ? "new connections wait" :
			"new connections are unprotected");
}

/* When we were stopped ourselves, what has come meanwhile is read first. */
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
	sp_store_ops_tick(l, now_ns);
	sp_store_scan_tick(l, now_ns);
	sp_store_heads_tick(l, now_ns);
}

/* ---- the engine ---- */

static int redis_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	return l->local->engine->commit(l->local, splice, ref) ?: sp_store_ops_commit(l, splice, ref);
}

static int redis_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	return sp_store_ops_fetch((struct sp_store_redis *)store, key);
}

static int redis_refresh(struct sp_store *store, const struct sp_splice *splice)
{
	return sp_store_keeps_refresh((struct sp_store_redis *)store, splice);
}

static void redis_forget(struct sp_store *store, const struct sp_splice *splice)
{
	sp_store_redis_drop((struct sp_store_redis *)store, splice, "");
}

static int redis_stash(struct sp_store *store, const struct sp_tuple *front,
		       const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to, __u64 ref)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;
	int err = l->local->engine->stash(l->local, front, offer, bytes, from, to, ref);

	return err ?: sp_store_heads_stash(l, front, offer, bytes, from, to, ref);
}

static void redis_unstash(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			  __u32 len)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	sp_store_unstash(l->local, front, offer, len);
	sp_store_heads_unstash(l, front, offer, len);
}

static void redis_each_local_head(struct sp_store *store, sp_stash_fn fn, void *ctx)
{
	struct sp_store_redis *l = (struct sp_store_redis *)store;

	sp_store_each_local_head(l->local, fn, ctx);
}

static int redis_scan(struct sp_store *store, int is_paced)
{
	sp_store_scan_start((struct sp_store_redis *)store, is_paced);
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
	return sp_store_heads_read((struct sp_store_redis *)store, front);
}

static int redis_list_heads(struct sp_store *store, const char *owner, __u64 age_ms)
{
	return sp_store_heads_list((struct sp_store_redis *)store, owner, age_ms);
}

static void redis_disown_head(struct sp_store *store, const char *owner, const struct sp_tuple *front)
{
	sp_store_heads_disown((struct sp_store_redis *)store, owner, front);
}

static int redis_server(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server)
{
	static const char *const states[] = {
		[SP_REDIS_DOWN] = "down", [SP_REDIS_CONNECTING] = "connecting", [SP_REDIS_GREETING] = "connecting",
		[SP_REDIS_UP] = "up",
	};
	const struct sp_store_redis *l = (const struct sp_store_redis *)store;
	const struct sp_redis_stats *s;

	if (idx >= l->server_count)
		return -ENOENT;
	s = sp_redis_stats(l->servers[idx]);
	*ret_server = (struct sp_store_server){
		.name = l->conf->servers[idx].text, .state = s->is_refusing ? "refusing" : states[s->state],
		.in_flight = s->in_flight,
		.latency_us = s->latency_us, .reconnects = s->reconnects, .commands = s->commands, .writes = s->writes,
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
	sp_store_ops_free(l->ops);
	sp_store_heads_free(l->heads);
	l->ops = NULL;
	sp_store_keeps_free(l->keeps);
	l->keeps = NULL;
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
	.commit = redis_commit, .fetch = redis_fetch, .refresh = redis_refresh, .forget = redis_forget,
	.scan = redis_scan, .stash = redis_stash, .unstash = redis_unstash,
	.each_local_head = redis_each_local_head, .read_head = redis_read_head, .list_heads = redis_list_heads,
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
			.loop = loop, .server = &l->conf->servers[i], .password = l->password[0] ? l->password : NULL,
			.timeout_ns = l->conf->timeout_ns, .events = &redis_events, .ctx = l, .idx = i,
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
	err = sp_store_ops_new(&l->ops);
	err = err ?: sp_store_keeps_new(&l->keeps);
	err = err ?: sp_store_heads_new(&l->heads);
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
