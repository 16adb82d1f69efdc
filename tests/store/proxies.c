// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxies.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uv_loop_t loop;
__u64 store_timeout_ns = STORE_TIMEOUT_NS;

static struct proxy *open_proxies[PROXIES_MAX];

static const __u64 cluster[1][2] = { { 0x1122334455667788, 0x99aabbccddeeff00 } };
static const char key_text[] = "112233445566778899aabbccddeeff00\n";
struct sp_seal test_seal;

/* Functions of config.c that the engine needs. */
struct sp_config *sp_config_get(struct sp_config *config)
{
	config->refs++;
	return config;
}

void sp_config_put(struct sp_config *config)
{
	config->refs--;
}

static void __attribute__((constructor)) make_seal(void)
{
	sp_seal_init(&test_seal, cluster, 1);
}

/* ---- the store of the box itself ---- */

static int local_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	struct proxy *p = (struct proxy *)((char *)store - offsetof(struct proxy, local));

	return p->local_err;
}

static int local_stash(struct sp_store *store, const struct sp_tuple *front,
		       const struct sp_stash_offer *offer,
		       const char *bytes, __u32 from, __u32 to, __u64 ref)
{
	struct proxy *p = (struct proxy *)((char *)store - offsetof(struct proxy, local));

	return p->local_err;
}

static void local_unstash(struct sp_store *store, const struct sp_tuple *front,
			  const struct sp_stash_offer *offer,
			  __u32 len)
{
}

static void local_close(struct sp_store *store)
{
}

static const struct sp_store_engine local_engine = {
	.name = "local", .commit = local_commit, .stash = local_stash, .unstash = local_unstash,
	.close = local_close,
};

/* ---- events ---- */

static void on_committed(void *ctx, __u64 ref, int err, const struct sp_splice *winner)
{
	struct proxy *p = ctx;

	assert((err == -EEXIST) == !!winner);	/* see struct sp_store_events */
	p->committed[ref].err = err;
	if (winner)
		p->committed[ref].splice = *winner;
	p->committed_count++;
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err,
		       const struct sp_splice *splice)
{
	struct proxy *p = ctx;

	p->fetched.err = err;
	if (splice)
		p->fetched.splice = *splice;
	p->fetched_count++;
}

static void on_found(void *ctx, const struct sp_splice *splice)
{
	struct proxy *p = ctx;

	p->found_count++;
	if (p->found)
		p->found(p, splice);
}

static void on_scanned(void *ctx, int err)
{
	struct proxy *p = ctx;

	p->scanned_err = err;
	p->scanned_count++;
}

static void on_stashed(void *ctx, __u64 ref, int err)
{
	struct proxy *p = ctx;

	p->stashed = err;
	p->stashed_count++;
}

static void on_head(void *ctx, const struct sp_tuple *front, int err,
		    const struct sp_stash_offer *offer,
		    const char *bytes, __u32 len)
{
	struct proxy *p = ctx;

	p->head.err = err;
	p->head.len = err ? 0 : len;
	if (err)
		return;
	p->head.offer = *offer;
	memcpy(p->head.bytes, bytes, len);
}

static void on_heads(void *ctx, const char *owner, int err, const struct sp_tuple *fronts,
		     unsigned int count)
{
	struct proxy *p = ctx;

	p->heads.err = err;
	p->heads.count = count;
	if (count)
		memcpy(p->heads.fronts, fronts,
		       (count < HEADS_MAX ? count : HEADS_MAX) * sizeof(*fronts));
}

static void on_emptied(void *ctx)
{
	((struct proxy *)ctx)->emptied_count++;
}

static void on_kept(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u32 version)
{
	struct proxy *p = ctx;

	p->kept.splice.front = *front;
	p->kept.splice.client_isn = client_isn;
	p->kept.splice.version = version;
	p->kept_count++;
}

static void on_outdated(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u32 version)
{
	struct proxy *p = ctx;

	p->outdated.splice.front = *front;
	p->outdated.splice.client_isn = client_isn;
	p->outdated.splice.version = version;
	p->outdated_count++;
}

static const struct sp_store_events events = {
	.committed = on_committed, .fetched = on_fetched, .stashed = on_stashed, .head = on_head,
	.heads = on_heads,
	.emptied = on_emptied, .kept = on_kept, .outdated = on_outdated,
	.found = on_found, .scanned = on_scanned,
};

/* ---- proxies ---- */

static char *write_key_file(void)
{
	static char path[] = "/tmp/spliced-key-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, key_text, sizeof(key_text) - 1) < 0)
		exit(1);
	close(fd);
	return path;
}

struct proxy *proxy_new(struct servers *s, int count, int copies)
{
	struct proxy *p = calloc(1, sizeof(*p));
	struct sp_store_conf *conf = &p->config.store;

	for (int i = 0; i < count; i++)
		p->servers[i] = (struct sp_store_server_conf){ .text = s->at[i].path,
							       .path = s->at[i].path };
	*conf = (struct sp_store_conf){
		.kind = SP_STORE_REDIS, .server_count = count, .servers = p->servers,
		.timeout_ns = store_timeout_ns,
		.copies = copies ? copies : count < 3 ? count : 3,
	};
	p->config.refs = 1;
	p->config.limits.idle_ns = 7200000000000ULL;
	p->config.limits.head_ns = 10000000000ULL;
	p->local.engine = &local_engine;
	for (int i = 0; i < ANSWERS_MAX; i++)
		p->committed[i].err = NOT_YET;
	return p;
}

/* Put @p in the first place with @old. */
static void remember(const struct proxy *old, struct proxy *p)
{
	for (int i = 0; i < PROXIES_MAX; i++) {
		if (open_proxies[i] == old) {
			open_proxies[i] = p;
			return;
		}
	}
	abort();
}

void proxy_start(struct proxy *p)
{
	char template[] = "/tmp/spliced-key-XXXXXX", *path = write_key_file();

	p->config.key_file = path;
	if (sp_store_redis_open(&loop, &p->config, &p->local, &p->store))
		exit(1);
	sp_store_subscribe(p->store, &events, p);
	remember(NULL, p);
	unlink(path);
	memcpy(path, template, sizeof(template));
}

int proxy_servers_up(struct proxy *p)
{
	struct sp_store_server server;
	int up = 0;

	for (int i = 0; !sp_store_server(p->store, i, &server); i++)
		up += !strcmp(server.state, "up");
	return up;
}

struct proxy *proxy_open(struct servers *s, int count, int copies)
{
	struct proxy *p = proxy_new(s, count, copies);
	int running = 0;

	for (int i = 0; i < count; i++)
		running += s->at[i].pid > 0;
	proxy_start(p);
	for (int ms = 0; ms < 5000 && proxy_servers_up(p) < running; ms += 5)
		run_for(5);
	return p;
}

void proxy_close(struct proxy *p)
{
	remember(p, NULL);
	sp_store_close(p->store);
	run_for(1);
	if (p->config.refs != 1)
		abort();
	free(p);
}

/* ---- time ---- */

double now_ms(void)
{
	return uv_hrtime() / 1e6;
}

static void on_timer(uv_timer_t *timer)
{
}

static int has_changed(const int *value, int from)
{
	return value && *value != from;
}

int run_until_changed(const int *value, int from, int ms)
{
	double end = now_ms() + ms;
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1, 1);
	do {
		uv_run(&loop, value ? UV_RUN_ONCE : UV_RUN_NOWAIT);
		if (!value)
			usleep(200);
	} while (!has_changed(value, from) && now_ms() < end);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return has_changed(value, from);
}

void run_for(int ms)
{
	run_until_changed(NULL, 0, ms);
}

static int is_in_flight(const struct proxy *p)
{
	struct sp_store_server server;

	for (int i = 0; p && !sp_store_server(p->store, i, &server); i++)
		if (server.in_flight)
			return 1;
	return 0;
}

void settle(void)
{
	int i;

	run_for(20);
	for (int ms = 0; ms < 5000; ms += 5) {
		for (i = 0; i < PROXIES_MAX && !is_in_flight(open_proxies[i]); i++)
			;
		if (i == PROXIES_MAX)
			return;
		run_for(5);
	}
}

int commit(struct proxy *p, const struct sp_splice *s, __u64 ref)
{
	p->committed[ref].err = NOT_YET;
	sp_store_commit(p->store, s, ref);
	run_until_changed(&p->committed[ref].err, NOT_YET, WAIT_MS);
	return p->committed[ref].err;
}

int fetch(struct proxy *p, const struct sp_tuple *key)
{
	p->fetched.err = NOT_YET;
	sp_store_fetch(p->store, key);
	run_until_changed(&p->fetched.err, NOT_YET, WAIT_MS);
	return p->fetched.err;
}

int stash(struct proxy *p, const struct sp_tuple *front, const struct sp_stash_offer *offer,
	  const char *bytes,
	  __u32 from, __u32 to)
{
	p->stashed = NOT_YET;
	sp_store_stash(p->store, front, offer, bytes, from, to, 1);
	run_until_changed(&p->stashed, NOT_YET, WAIT_MS);
	return p->stashed;
}

int head(struct proxy *p, const struct sp_tuple *front)
{
	p->head.err = NOT_YET;
	sp_store_read_head(p->store, front);
	run_until_changed(&p->head.err, NOT_YET, WAIT_MS);
	return p->head.err;
}

int heads(struct proxy *p, const char *owner, __u64 age_ms)
{
	p->heads.err = NOT_YET;
	sp_store_list_heads(p->store, owner, age_ms);
	run_until_changed(&p->heads.err, NOT_YET, WAIT_MS);
	return p->heads.err;
}

/* ---- splices ---- */

struct sp_splice splice_of(unsigned int id, unsigned int maker)
{
	struct sp_splice s = {
		.front = { sp_addr_v4(htonl(0x0a000000 + id)), sp_addr_v4(htonl(0xc0000201)),
			   htons(40000), htons(80) },
		.client_isn = 0x1000 + id,
	};
	struct sp_tuple out = {
		sp_addr_v4(htonl(0x0a090000 + maker)), sp_addr_v4(htonl(0x0a020001)),
		htons(20000 + id % 40000), htons(80 + id / 40000),
	};

	s.up = (struct sp_half){
		.out = out, .seq_delta = id * 2654435761u + maker, .ack_delta = ~id,
		.tsval_delta = 5, .tsecr_delta = 6,
		.window_shift = -1, .spliced_s = time(NULL), .pool_id = 77,
	};
	s.down = (struct sp_half){
		.out = sp_tuple_reverse(&s.front), .flags = SP_HALF_F_FROM_BACKEND,
		.seq_delta = -s.up.ack_delta,
		.ack_delta = -s.up.seq_delta, .tsval_delta = -6, .tsecr_delta = -5,
		.window_shift = 1,
		.spliced_s = s.up.spliced_s, .pool_id = 77,
	};
	return s;
}

struct sp_splice version_of(unsigned int id, unsigned int maker, __u32 version)
{
	struct sp_splice s = splice_of(id, maker);

	s.up.flags |= SP_HALF_F_REQUESTS;
	s.down.flags |= SP_HALF_F_REQUESTS;
	s.version = version;
	if (id & 2)
		s.named = (struct sp_endpoint){ sp_addr_v4(htonl(0x01020304)), 5 };
	if (id & 1)
		s.change = (struct sp_change){ .from = id, .bytes = 7, .becomes = 9 };
	s.boundary.until = 0x5000 + version * 100;
	s.boundary.bound = SP_BOUND_STOP;
	s.handshake = (struct sp_handshake){ .mss = 1460, .wscale_ours = 7, .wscale_theirs = -1,
					     .flags = SP_HANDSHAKE_SACK };
	return s;
}

struct sp_tuple down_of(const struct sp_splice *s)
{
	return sp_tuple_reverse(&s->up.out);
}

int is_same_splice(const struct sp_splice *a, const struct sp_splice *b)
{
	return !memcmp(a, b, sizeof(*a));
}

int server_has_splice(struct servers *servers, int idx, const struct sp_splice *s)
{
	struct sp_key key = sp_key_make(SP_KEY_FRONT, &s->front);
	redisContext *c = server_connect(servers, idx);
	redisReply *reply = redisCommand(c, "EXISTS %b", key.bytes, (size_t)key.len);
	int has = reply->integer;

	freeReplyObject(reply);
	redisFree(c);
	return has;
}
