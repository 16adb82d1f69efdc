// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One connection to one server: the states are in the header.
 *
 * A server that does not answer a command (TIME at least, every second) within
 * the store's time-out is left: better no server, which is known at once, than
 * a slow one for which everybody waits. It is tried again after 50 ms, 100 ms
 * ... 2 s. Being stopped ourselves must not look like that: see @is_late.
 *
 * A server whose run_id has changed was started anew, mostly empty; one whose
 * marker has changed was emptied while it ran. (The marker is a random number
 * that whoever finds none leaves there; it is looked at with each TIME.) What
 * such a server has not, it may have had: for a while its "nothing" counts for
 * nothing. In that time proxies put back what they have, and no client repeats
 * its first segment for so long.
 */
#include "proxy/store_redis_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/log.h"
#include "proxy/store_redis_loop.h"

#define IN_FLIGHT_MAX	65536
#define BACKOFF_NS	50000000ULL
#define BACKOFF_MAX_NS	2000000000ULL
#define GREETING_NS	1000000000ULL
#define PROBE_NS	1000000000ULL
#define BLANK_NS	5000000000ULL
#define RTT_MAX_NS	100000000ULL	/* of an answer that the clock is set by */
#define SHA_LEN		40
#define MARKER_KEY	"m"
#define MARKER_LEN	16
#define LATENCY_SHARE	16		/* of one sample */

/* @probe_ns, @probe_left: when a command was sent, and how many replies until its own; 0: none is timed */
struct sp_redis {
	struct sp_redis_conf	conf;
	struct sp_redis_stats	stats;
	redisAsyncContext	*ac;
	struct sp_redis_link	*link;
	__u64			again_ns, backoff_ns, connect_ns;
	__u64			probe_ns, probe_left;
	__u64			time_ns;	/* when TIME was sent, or we were stopped */
	__u64			asked_ns;	/* when TIME was sent */
	int			is_timing;
	__s64			clock_us;	/* the server's minus ours */
	__u64			blank_ns;	/* until then */
	int			is_emptied;
	int			is_said;	/* that it is down */
	char			run_id[SHA_LEN + 1];
	__u64			next_marker;	/* to leave where there is none: never the same again */
	char			marker[MARKER_LEN + 1];	/* that was seen; "": none yet */
	char			sha[SP_SCRIPT_COUNT][SHA_LEN + 1];
};

_Static_assert(sizeof(void *) == sizeof(__u64), "a reference is carried in a pointer");

/* ---- up and down ---- */

static const char *name(const struct sp_redis *r)
{
	return r->conf.server->text;
}

/* The context is gone, or about to. It is said when it was up, and when the first try fails; @why NULL: not at all. */
static void lost(struct sp_redis *r, const char *why)
{
	int was_up = r->stats.state == SP_REDIS_UP;

	if (!r->ac)
		return;
	r->ac = NULL;
	r->link = NULL;
	r->stats.state = SP_REDIS_DOWN;
	r->probe_ns = 0;
	r->is_timing = 0;
	r->again_ns = uv_hrtime() + r->backoff_ns;
	r->backoff_ns = r->backoff_ns * 2 < BACKOFF_MAX_NS ? r->backoff_ns * 2 : BACKOFF_MAX_NS;
	if (why && (was_up || !r->is_said))
		log_warn("store server %s: %s; trying again", name(r), why);
	r->is_said = 1;
	if (was_up)
		r->conf.events->changed(r->conf.ctx, r->conf.idx, 0);
}

/* Replies of NULL come from in here. */
static void leave(struct sp_redis *r, const char *why)
{
	redisAsyncContext *ac = r->ac;

	if (!ac)
		return;
	lost(r, why);
	redisAsyncFree(ac);
}

static const char *why(const redisAsyncContext *ac)
{
	return ac->err && ac->errstr && ac->errstr[0] ? ac->errstr : "connection lost";
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct sp_redis *r = ac->data;

	if (r->ac == ac)
		lost(r, why(ac));
}

/* The beginning of a run_id or SHA as it may be: hexadecimal digits. */
static int is_hex(const char *text, size_t len)
{
	return len >= SHA_LEN && strspn(text, "0123456789abcdef") >= SHA_LEN;
}

static void greeted(struct sp_redis *r)
{
	r->stats.state = SP_REDIS_UP;
	r->stats.reconnects++;
	r->backoff_ns = BACKOFF_NS;
	r->is_said = 0;
	log_info("store server %s: up%s", name(r), r->is_emptied ? ", started anew or emptied: it may have forgotten" :
		 "");
	r->conf.events->changed(r->conf.ctx, r->conf.idx, r->is_emptied);
	r->is_emptied = 0;
}

/* ---- what it is asked for itself ---- */

static int is_ok(struct sp_redis *r, const redisAsyncContext *ac, const redisReply *reply, const char *what)
{
	if (r->ac != ac)
		return 0;
	if (!reply) {
		lost(r, why(ac));
		return 0;
	}
	if (reply->type != REDIS_REPLY_ERROR)
		return 1;
	log_warn_limited("store server %s: %s: %s", name(r), what, reply->str);
	leave(r, what);
	return 0;
}

static void on_auth(redisAsyncContext *ac, void *reply, void *data)
{
	is_ok(ac->data, ac, reply, "the password is refused");
}

/* "name:text" at the beginning of a line of INFO. */
static const char *info_field(const char *info, const char *field)
{
	size_t len = strlen(field);

	for (const char *line = info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, field, len) && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

static void on_info(redisAsyncContext *ac, void *data, void *unused)
{
	const redisReply *reply = data;
	struct sp_redis *r = ac->data;
	const char *run_id, *policy, *max;

	if (!is_ok(r, ac, reply, "INFO is refused"))
		return;
	run_id = reply->type == REDIS_REPLY_STRING ? info_field(reply->str, "run_id") : NULL;
	if (!run_id || !is_hex(run_id, strlen(run_id))) {
		leave(r, "INFO has no run_id");
		return;
	}
	r->is_emptied = r->run_id[0] && strncmp(r->run_id, run_id, SHA_LEN);
	if (r->is_emptied)
		r->blank_ns = uv_hrtime() + BLANK_NS;
	memcpy(r->run_id, run_id, SHA_LEN);
	policy = info_field(reply->str, "maxmemory_policy");
	max = info_field(reply->str, "maxmemory");
	if (policy && max && max[0] != '0' && strncmp(policy, "noeviction", 10))
		log_warn("store server %s: maxmemory-policy must be noeviction, or it forgets splices", name(r));
}

static void on_marker(redisAsyncContext *ac, void *data, void *unused)
{
	const redisReply *reply = data;
	struct sp_redis *r = ac->data;
	int is_new;

	if (!is_ok(r, ac, reply, "GET is refused") || reply->type != REDIS_REPLY_STRING || reply->len != MARKER_LEN)
		return;
	is_new = r->marker[0] && memcmp(r->marker, reply->str, MARKER_LEN);
	memcpy(r->marker, reply->str, MARKER_LEN);
	if (!is_new)
		return;
	r->blank_ns = uv_hrtime() + BLANK_NS;
	if (r->stats.state != SP_REDIS_UP) {
		r->is_emptied = 1;
		return;
	}
	log_warn("store server %s: it was emptied", name(r));
	r->conf.events->changed(r->conf.ctx, r->conf.idx, 1);
}

static void on_script(redisAsyncContext *ac, void *data, void *sha)
{
	const redisReply *reply = data;
	struct sp_redis *r = ac->data;

	if (!is_ok(r, ac, reply, "a script is refused"))
		return;
	if (reply->type != REDIS_REPLY_STRING || !is_hex(reply->str, reply->len)) {
		leave(r, "SCRIPT LOAD: no SHA came back");
		return;
	}
	memcpy(sha, reply->str, SHA_LEN);
}

/* Our clock is read after the server's: what is due is so a little early, which is safe. A late one tells nothing. */
static void on_time(redisAsyncContext *ac, void *data, void *unused)
{
	const redisReply *reply = data;
	struct sp_redis *r = ac->data;
	__u64 now_ns = uv_hrtime();

	if (!is_ok(r, ac, reply, "TIME is refused"))
		return;
	r->is_timing = 0;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING) {
		leave(r, "TIME: no time came back");
		return;
	}
	if (r->stats.state != SP_REDIS_UP || now_ns - r->asked_ns < RTT_MAX_NS)
		r->clock_us = atoll(reply->element[0]->str) * 1000000 + atoll(reply->element[1]->str) -
			      (__s64)(now_ns / 1000);
	if (r->stats.state != SP_REDIS_UP)
		greeted(r);
}

static void ask_time(struct sp_redis *r, __u64 now_ns)
{
	r->time_ns = now_ns;
	r->asked_ns = now_ns;
	r->is_timing = 1;
	redisAsyncCommand(r->ac, NULL, NULL, "SET " MARKER_KEY " %016llx NX", r->next_marker++);
	redisAsyncCommand(r->ac, on_marker, NULL, "GET " MARKER_KEY);
	redisAsyncCommand(r->ac, on_time, NULL, "TIME");
}

static void greet(struct sp_redis *r)
{
	r->stats.state = SP_REDIS_GREETING;
	if (r->conf.password)
		redisAsyncCommand(r->ac, on_auth, NULL, "AUTH %s", r->conf.password);
	redisAsyncCommand(r->ac, on_info, NULL, "INFO");
	for (int i = 0; i < SP_SCRIPT_COUNT; i++)
		redisAsyncCommand(r->ac, on_script, r->sha[i], "SCRIPT LOAD %s", sp_script_text(i));
	ask_time(r, uv_hrtime());
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct sp_redis *r = ac->data;

	if (r->ac != ac)
		return;
	if (status == REDIS_OK)
		greet(r);
	else
		lost(r, why(ac));
}

static void connect_to(struct sp_redis *r, __u64 now_ns)
{
	const struct sp_store_server_conf *s = r->conf.server;
	char host[SP_ADDR_STRLEN];

	r->ac = s->path ? redisAsyncConnectUnix(s->path) :
			  redisAsyncConnect(sp_addr_format(&s->at.addr, host), ntohs(s->at.port_be));
	if (!r->ac) {
		r->again_ns = now_ns + BACKOFF_MAX_NS;
		return;
	}
	r->ac->data = r;
	if (r->ac->err || sp_redis_link_new(r->conf.loop, r->ac, &r->link)) {
		leave(r, why(r->ac));
		return;
	}
	r->stats.state = SP_REDIS_CONNECTING;
	r->connect_ns = now_ns;
	redisAsyncSetConnectCallback(r->ac, on_connect);
	redisAsyncSetDisconnectCallback(r->ac, on_disconnect);
}

void sp_redis_tick(struct sp_redis *r, __u64 now_ns, int is_late)
{
	if (is_late) {
		if (r->probe_ns)
			r->probe_ns = now_ns;
		r->time_ns = now_ns;
		r->connect_ns = now_ns;
		return;
	}
	switch (r->stats.state) {
	case SP_REDIS_DOWN:
		if (now_ns >= r->again_ns)
			connect_to(r, now_ns);
		break;
	case SP_REDIS_CONNECTING:
	case SP_REDIS_GREETING:
		if (now_ns - r->connect_ns >= GREETING_NS)
			leave(r, "no greeting in time");
		break;
	case SP_REDIS_UP:
		if ((r->probe_ns && now_ns - r->probe_ns >= r->conf.timeout_ns) ||
		    (r->is_timing && now_ns - r->time_ns >= r->conf.timeout_ns))
			leave(r, "no answer in time");
		else if (!r->is_timing && now_ns - r->time_ns >= PROBE_NS)
			ask_time(r, now_ns);
		break;
	}
}

/* ---- commands of the store ---- */

static void measure(struct sp_redis *r)
{
	__u64 took_us;

	if (!r->probe_ns || --r->probe_left)
		return;
	took_us = (uv_hrtime() - r->probe_ns) / 1000;
	r->stats.latency_us = r->stats.latency_us ?
		(r->stats.latency_us * (LATENCY_SHARE - 1) + took_us) / LATENCY_SHARE : took_us;
	r->probe_ns = 0;
}

static void on_reply(redisAsyncContext *ac, void *data, void *carried)
{
	const redisReply *reply = data;
	struct sp_redis *r = ac->data;
	int is_ours = r->ac == ac;
	__u64 ref;

	memcpy(&ref, &carried, sizeof(ref));
	r->stats.in_flight--;
	if (is_ours && !reply)
		lost(r, why(ac));
	else if (is_ours)
		measure(r);
	if (reply && reply->type == REDIS_REPLY_ERROR) {
		r->stats.errors++;
		log_warn_limited("store server %s: %s", name(r), reply->str);
		if (is_ours && !strncmp(reply->str, "NOSCRIPT", 8))
			leave(r, "it has lost its scripts");
		reply = NULL;
	}
	r->conf.events->reply(r->conf.ctx, r->conf.idx, ref, reply);
}

int sp_redis_send(struct sp_redis *r, const struct sp_cmd *cmd, __u64 ref)
{
	void *carried;

	memcpy(&carried, &ref, sizeof(ref));
	if (r->stats.state != SP_REDIS_UP)
		return -ENOTCONN;
	if (r->stats.in_flight >= IN_FLIGHT_MAX)
		return -ENOBUFS;
	if (redisAsyncFormattedCommand(r->ac, on_reply, carried, cmd->bytes, cmd->len) != REDIS_OK)
		return -ENOTCONN;
	r->stats.commands++;
	r->stats.in_flight++;
	if (!r->probe_ns) {
		r->probe_ns = uv_hrtime();
		r->probe_left = r->stats.in_flight;
	}
	return 0;
}

void sp_redis_flush(struct sp_redis *r)
{
	if (r->link)
		r->stats.writes += sp_redis_link_flush(r->link);
}

int sp_redis_new(const struct sp_redis_conf *conf, struct sp_redis **ret_redis)
{
	struct sp_redis *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->conf = *conf;
	r->backoff_ns = BACKOFF_NS;
	if (getrandom(&r->next_marker, sizeof(r->next_marker), 0) != sizeof(r->next_marker)) {
		free(r);
		return -EIO;
	}
	*ret_redis = r;
	return 0;
}

void sp_redis_free(struct sp_redis *r)
{
	if (!r)
		return;
	leave(r, NULL);
	free(r);
}

int sp_redis_is_up(const struct sp_redis *r)
{
	return r->stats.state == SP_REDIS_UP;
}

int sp_redis_is_blank(const struct sp_redis *r, __u64 now_ns)
{
	return now_ns < r->blank_ns;
}

__u64 sp_redis_due_ms(const struct sp_redis *r, __u64 now_ns, __u64 in_ns)
{
	return ((__s64)(now_ns / 1000) + r->clock_us) / 1000 + in_ns / 1000000;
}

const char *sp_redis_sha(const struct sp_redis *r, enum sp_script script)
{
	return r->sha[script];
}

const struct sp_redis_stats *sp_redis_stats(const struct sp_redis *r)
{
	return &r->stats;
}
