// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One connection to one server: the states are in the header.
 *
 * A server that does not answer a command (a probe at least, every second) within
 * the store's time-out is left: better no server, which is known at once, than
 * a slow one for which everybody waits. It is tried again after 50 ms, 100 ms
 * ... 2 s. Being stopped ourselves must not look like that: see @is_late.
 *
 * The probe that is sent every second writes, as a commit does. A server that
 * refuses it (a replica, one that is full) may still be asked what it has. One
 * that does not keep to the protocol, or whose answer can't be one to what it
 * was asked, is left for 10 s: which of its answers belongs to what is not known
 * any more.
 *
 * A server whose run_id has changed was started anew, mostly empty; one whose
 * marker has changed was emptied while it ran. (The marker is a random number
 * that whoever finds none leaves there; it is looked at with each probe.) What
 * such a server has not, it may have had: for a while its "nothing" counts for
 * nothing. In that time proxies put back what they have, and no client repeats
 * its first segment for so long.
 */
#include "store/redis/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "store/redis/link.h"
#include "base/warnings.h"

#define IN_FLIGHT_MAX	65536
#define BACKOFF_NS	50000000ULL
#define BACKOFF_MAX_NS	2000000000ULL
#define NONSENSE_NS	10000000000ULL	/* until a server that has talked nonsense is tried again */
#define STEADY_NS	1000000000ULL	/* who was up for so long is tried again at once */
#define GREETING_NS	1000000000ULL
#define PROBE_NS	1000000000ULL
#define BLANK_NS	5000000000ULL
#define RTT_MAX_NS	100000000ULL	/* of an answer that the clock is set by */
#define TIME_MAX_S	100000000000ULL	/* of a clock that may be one */
#define SHA_LEN		40
#define MARKER_KEY	"m"
#define MARKER_LEN	16
#define LATENCY_SHARE	16		/* of one sample */

/* What it is asked: by the store, or by ourselves. */
enum what { ASKED_BY_STORE, ASKED_AUTH, ASKED_INFO, ASKED_SCRIPT, ASKED_PROBE };

/*
 * @latency_ns, @latency_left: when a command was sent, and how many replies until its own; 0: none is timed
 * @probe_ns: when the probe was sent, or we were stopped; @probed_ns: when it was sent
 */
struct sp_redis {
	struct sp_redis_conf	conf;
	struct sp_redis_stats	stats;
	struct sp_redis_link	*link;
	__u64			again_ns, backoff_ns, connect_ns, up_ns;
	__u64			latency_ns, latency_left;
	__u64			probe_ns, probed_ns;
	int			is_probing, is_tried;
	__s64			clock_us;	/* the server's minus ours */
	__u64			blank_ns;	/* until then */
	int			is_emptied;
	char			run_id[SHA_LEN + 1];
	__u64			next_marker;	/* to leave where there is none: never the same again */
	char			marker[MARKER_LEN + 1];	/* that was seen; "": none yet */
	char			sha[SP_SCRIPT_COUNT][SHA_LEN + 1];
};

/* ---- up and down ---- */

static const char *name(const struct sp_redis *r)
{
	return r->conf.server->text;
}

/* @why NULL: nobody needs to know. */
static void lost(struct sp_redis *r, const char *why)
{
	int was_up = r->stats.state == SP_REDIS_UP;
	__u64 now_ns = uv_hrtime();

	if (was_up && now_ns - r->up_ns >= STEADY_NS)
		r->backoff_ns = BACKOFF_NS;
	r->stats.state = SP_REDIS_DOWN;
	r->is_tried = 1;
	r->stats.is_refusing = 0;
	r->latency_ns = 0;
	r->is_probing = 0;
	r->again_ns = now_ns + r->backoff_ns;
	r->backoff_ns = r->backoff_ns * 2 < BACKOFF_MAX_NS ? r->backoff_ns * 2 : BACKOFF_MAX_NS;
	snprintf(r->stats.why, sizeof(r->stats.why), "%s", why ?: "");
	if (why)
		sp_warn(SP_WARNING_STORE_SERVER, now_ns, name(r), "store server %s is not in use: %s", name(r), why);
	if (was_up)
		r->conf.events->changed(r->conf.ctx, r->conf.idx, 0);
}

/* What is in flight is answered with NULL from in here. */
static void leave(struct sp_redis *r, const char *why)
{
	struct sp_redis_link *link = r->link;

	r->link = NULL;
	lost(r, why);
	if (link)
		sp_redis_link_close(link);
}

static void leave_nonsense(struct sp_redis *r, const char *why)
{
	r->stats.nonsense++;
	leave(r, why);
	r->again_ns = uv_hrtime() + NONSENSE_NS;
}

static void on_broken(void *ctx, const char *why, int is_nonsense)
{
	if (is_nonsense)
		leave_nonsense(ctx, why);
	else
		leave(ctx, why);
}

static int has_lost_scripts(const char *error)
{
	return !strncmp(error, "NOSCRIPT", 8);
}

/* The beginning of a run_id or SHA as it may be: hexadecimal digits. */
static int is_hex(const char *text, size_t len)
{
	return len >= SHA_LEN && strspn(text, "0123456789abcdef") >= SHA_LEN;
}

static void greeted(struct sp_redis *r, __u64 now_ns)
{
	r->stats.state = SP_REDIS_UP;
	r->is_tried = 1;
	r->stats.reconnects++;
	r->up_ns = now_ns;
	log_info("store server %s: up%s", name(r), r->is_emptied ? ", started anew or emptied: it may have forgotten" :
		 "");
	r->conf.events->changed(r->conf.ctx, r->conf.idx, r->is_emptied);
	r->is_emptied = 0;
}

/* ---- what it is asked for itself ---- */

static void ask(struct sp_redis *r, enum what what, __u64 ref, const struct sp_cmd *cmd)
{
	sp_redis_link_ask(r->link, cmd, (struct sp_redis_asked){ what, ref });
}

static void ask_words(struct sp_redis *r, enum what what, __u64 ref, const char *const words[], unsigned int count)
{
	struct sp_cmd cmd;

	sp_cmd_begin(&cmd, count);
	for (unsigned int i = 0; i < count; i++)
		sp_cmd_text(&cmd, words[i]);
	ask(r, what, ref, &cmd);
}

static void probe(struct sp_redis *r, __u64 now_ns)
{
	char marker[MARKER_LEN + 1];
	const char *const words[] = { "EVALSHA", r->sha[SP_SCRIPT_PROBE], "1", MARKER_KEY, marker };

	snprintf(marker, sizeof(marker), "%016llx", r->next_marker++);
	r->probe_ns = now_ns;
	r->probed_ns = now_ns;
	r->is_probing = 1;
	ask_words(r, ASKED_PROBE, 0, words, 5);
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

static void take_info(struct sp_redis *r, const redisReply *reply)
{
	const char *run_id = reply->type == REDIS_REPLY_STRING ? info_field(reply->str, "run_id") : NULL;
	const char *policy, *max;

	if (!run_id || !is_hex(run_id, strlen(run_id))) {
		leave_nonsense(r, "INFO has no run_id");
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

static void take_sha(struct sp_redis *r, const redisReply *reply, enum sp_script script)
{
	if (reply->type != REDIS_REPLY_STRING || !is_hex(reply->str, reply->len)) {
		leave_nonsense(r, "SCRIPT LOAD: no SHA came back");
		return;
	}
	memcpy(r->sha[script], reply->str, SHA_LEN);
	if (script == SP_SCRIPT_COUNT - 1)
		probe(r, uv_hrtime());
}

static void take_marker(struct sp_redis *r, const char *marker)
{
	int is_new = r->marker[0] && memcmp(r->marker, marker, MARKER_LEN);

	memcpy(r->marker, marker, MARKER_LEN);
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

/* Return: 0, or that it is no number of at most @max. */
static int read_number(const redisReply *reply, __u64 max, __u64 *ret_number)
{
	char *end;

	if (reply->type != REDIS_REPLY_STRING || !reply->len || strspn(reply->str, "0123456789") != reply->len)
		return -EBADMSG;
	errno = 0;
	*ret_number = strtoull(reply->str, &end, 10);
	return errno || *ret_number > max ? -EBADMSG : 0;
}

/* Our clock is read after the server's: what is due is so a little early, which is safe. A late one tells nothing. */
static void take_probe(struct sp_redis *r, const redisReply *reply)
{
	__u64 now_ns = uv_hrtime(), s, us;

	r->is_probing = 0;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len != MARKER_LEN || read_number(reply->element[1], TIME_MAX_S, &s) ||
	    read_number(reply->element[2], 999999, &us)) {
		leave_nonsense(r, "the probe: no marker and time came back");
		return;
	}
	if (r->stats.state != SP_REDIS_UP || now_ns - r->probed_ns < RTT_MAX_NS)
		r->clock_us = s * 1000000 + us - now_ns / 1000;
	take_marker(r, reply->element[0]->str);
	r->stats.is_refusing = 0;
	r->stats.why[0] = 0;
	sp_warn_over(SP_WARNING_STORE_SERVER, name(r));
	if (r->stats.state != SP_REDIS_UP)
		greeted(r, now_ns);
}

static void greeting_refused(struct sp_redis *r, enum what what, const char *error)
{
	static const char *const texts[] = {
		[ASKED_AUTH] = "the password is refused", [ASKED_INFO] = "INFO is refused",
		[ASKED_SCRIPT] = "a script is refused",
	};
	char why[SP_REDIS_WHY_MAX];

	snprintf(why, sizeof(why), "%s: %s", texts[what], error);
	leave(r, why);
}

static void probe_refused(struct sp_redis *r, const char *error)
{
	__u64 now_ns = uv_hrtime();

	if (has_lost_scripts(error)) {
		leave(r, "it has lost its scripts");
		return;
	}
	r->is_probing = 0;
	r->stats.is_refusing = 1;
	snprintf(r->stats.why, sizeof(r->stats.why), "%s", error);
	sp_warn(SP_WARNING_STORE_SERVER, now_ns, name(r), "store server %s takes no writes: %s", name(r), error);
	if (r->stats.state != SP_REDIS_UP)
		greeted(r, now_ns);
}

static void own_refused(struct sp_redis *r, enum what what, const char *error)
{
	r->stats.errors++;
	if (what == ASKED_PROBE)
		probe_refused(r, error);
	else
		greeting_refused(r, what, error);
}

static void take_own(struct sp_redis *r, struct sp_redis_asked asked, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		own_refused(r, asked.what, reply->str);
		return;
	}
	switch ((enum what)asked.what) {
	case ASKED_BY_STORE:
	case ASKED_AUTH:
		break;
	case ASKED_INFO:
		take_info(r, reply);
		break;
	case ASKED_SCRIPT:
		take_sha(r, reply, asked.ref);
		break;
	case ASKED_PROBE:
		take_probe(r, reply);
		break;
	}
}

/* The probe follows when the scripts are there. */
static void on_opened(void *ctx)
{
	struct sp_redis *r = ctx;

	r->stats.state = SP_REDIS_GREETING;
	if (r->conf.password)
		ask_words(r, ASKED_AUTH, 0, (const char *const[]){ "AUTH", r->conf.password }, 2);
	ask_words(r, ASKED_INFO, 0, (const char *const[]){ "INFO" }, 1);
	for (int i = 0; i < SP_SCRIPT_COUNT; i++)
		ask_words(r, ASKED_SCRIPT, i, (const char *const[]){ "SCRIPT", "LOAD", sp_script_text(i) }, 3);
}

/* ---- commands of the store ---- */

static void measure(struct sp_redis *r)
{
	__u64 took_us;

	if (!r->latency_ns || --r->latency_left)
		return;
	took_us = (uv_hrtime() - r->latency_ns) / 1000;
	r->stats.latency_us = r->stats.latency_us ?
		(r->stats.latency_us * (LATENCY_SHARE - 1) + took_us) / LATENCY_SHARE : took_us;
	r->latency_ns = 0;
}

/* The store does not hear of an error but as of no answer. */
static void take_error(struct sp_redis *r, const char *error)
{
	r->stats.errors++;
	log_warn_limited("store server %s: %s", name(r), error);
	if (has_lost_scripts(error))
		leave(r, "it has lost its scripts");
}

static void take_reply(struct sp_redis *r, __u64 ref, const redisReply *reply)
{
	const struct sp_redis_link *link = r->link;
	int err;

	r->stats.in_flight--;
	if (reply)
		measure(r);
	if (reply && reply->type == REDIS_REPLY_ERROR) {
		take_error(r, reply->str);
		reply = NULL;
	}
	err = r->conf.events->reply(r->conf.ctx, r->conf.idx, ref, reply);
	if (reply && err && r->link == link)
		leave_nonsense(r, "an answer that can't be one to what it was asked");
}

static void on_answer(void *ctx, struct sp_redis_asked asked, const redisReply *reply)
{
	struct sp_redis *r = ctx;

	if (asked.what == ASKED_BY_STORE)
		take_reply(r, asked.ref, reply);
	else if (reply)
		take_own(r, asked, reply);
}

int sp_redis_send(struct sp_redis *r, const struct sp_cmd *cmd, __u64 ref)
{
	if (r->stats.state != SP_REDIS_UP)
		return -ENOTCONN;
	if (r->stats.in_flight >= IN_FLIGHT_MAX ||
	    sp_redis_link_ask(r->link, cmd, (struct sp_redis_asked){ ASKED_BY_STORE, ref }))
		return -ENOBUFS;
	r->stats.commands++;
	r->stats.in_flight++;
	if (!r->latency_ns) {
		r->latency_ns = uv_hrtime();
		r->latency_left = r->stats.in_flight;
	}
	return 0;
}

void sp_redis_flush(struct sp_redis *r)
{
	if (r->link)
		r->stats.writes += sp_redis_link_flush(r->link);
}

/* ---- its life ---- */

static void connect_to(struct sp_redis *r, __u64 now_ns)
{
	static const struct sp_redis_link_events events = {
		.opened = on_opened, .answer = on_answer, .broken = on_broken,
	};
	int err = sp_redis_link_open(r->conf.loop, r->conf.server, &events, r, &r->link);

	if (err) {
		lost(r, strerror(-err));
		return;
	}
	r->stats.state = SP_REDIS_CONNECTING;
	r->connect_ns = now_ns;
}

void sp_redis_tick(struct sp_redis *r, __u64 now_ns, int is_late)
{
	if (is_late) {
		if (r->latency_ns)
			r->latency_ns = now_ns;
		r->probe_ns = now_ns;
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
		if ((r->latency_ns && now_ns - r->latency_ns >= r->conf.timeout_ns) ||
		    (r->is_probing && now_ns - r->probe_ns >= r->conf.timeout_ns))
			leave(r, "no answer in time");
		else if (!r->is_probing && now_ns - r->probe_ns >= PROBE_NS)
			probe(r, now_ns);
		break;
	}
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
	sp_warn_over(SP_WARNING_STORE_SERVER, name(r));
	free(r);
}

int sp_redis_is_up(const struct sp_redis *r)
{
	return r->stats.state == SP_REDIS_UP;
}

int sp_redis_takes_writes(const struct sp_redis *r)
{
	return r->stats.state == SP_REDIS_UP && !r->stats.is_refusing;
}

int sp_redis_is_untried(const struct sp_redis *r)
{
	return !r->is_tried;
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
