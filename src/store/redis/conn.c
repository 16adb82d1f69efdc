// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * conn.c - the connection to a server; conn.h has the states
 *
 * A server that does not answer a command (at least a probe, every second) within the store's
 * time-out is given up: better a server that is known to be down than a slow server that delays all
 * proxies. The next attempt is after 50 ms, 100 ms ... 2 s. A suspension of this daemon must not
 * look like a slow server: see @is_late.
 *
 * The probe writes, as a commit does. A server that refuses the write (a replica, a full server)
 * may still be read. A server that violates the protocol, or whose answer does not fit the
 * question, is given up for 10 s: its later answers can't be matched to questions any more.
 *
 * A server whose run_id has changed was restarted, mostly empty; a server whose marker has changed
 * was emptied while it ran. The marker is a random number, left by the first proxy that finds none,
 * and read with each probe. Such a server is "blank" for a while: its "nothing" counts for nothing.
 * In that time proxies put their splices back, and no client retransmits its first segment for so
 * long.
 */
#include "store/redis/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/warnings.h"
#include "store/redis/greeting.h"

#define IN_FLIGHT_MAX	65536
#define GREETING_NS	1000000000ULL
#define PROBE_NS	1000000000ULL
#define LATENCY_SHARE	16		/* a sample counts 1/16 */

/* ---- commands of the store ---- */

static void measure_latency(struct sp_redis *r)
{
	__u64 took_us;

	if (!r->latency_ns || --r->latency_left)
		return;
	took_us = (uv_hrtime() - r->latency_ns) / 1000;
	r->stats.latency_us = r->stats.latency_us ?
		(r->stats.latency_us * (LATENCY_SHARE - 1) + took_us) / LATENCY_SHARE : took_us;
	r->latency_ns = 0;
}

/* For the store, an error is no answer. */
static void take_error(struct sp_redis *r, const char *error)
{
	r->stats.errors++;
	log_warn_limited("store server %s: %s", sp_redis_name(r), error);
	if (sp_redis_has_lost_scripts(error))
		sp_redis_give_up(r, "it has lost its scripts");
}

static void take_reply(struct sp_redis *r, __u64 ref, const redisReply *reply)
{
	const struct sp_redis_link *link = r->link;
	int err;

	r->stats.in_flight--;
	if (reply)
		measure_latency(r);
	if (reply && reply->type == REDIS_REPLY_ERROR) {
		take_error(r, reply->str);
		reply = NULL;
	}
	err = r->conf.events->reply(r->conf.ctx, r->conf.idx, ref, reply);
	if (reply && err && r->link == link)
		sp_redis_give_up_nonsense(r, "an answer that does not fit its command");
}

static void on_answer(void *ctx, struct sp_redis_asked asked, const redisReply *reply)
{
	struct sp_redis *r = ctx;

	if (asked.what == ASKED_BY_STORE)
		take_reply(r, asked.ref, reply);
	else if (reply)
		sp_redis_take_own(r, asked, reply);
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

/* ---- connecting, time-outs, the end ---- */

static void on_broken(void *ctx, const char *why, int is_nonsense)
{
	if (is_nonsense)
		sp_redis_give_up_nonsense(ctx, why);
	else
		sp_redis_give_up(ctx, why);
}

static void on_opened(void *ctx)
{
	sp_redis_greet(ctx);
}

static void connect_to(struct sp_redis *r, __u64 now_ns)
{
	static const struct sp_redis_link_events events = {
		.opened = on_opened, .answer = on_answer, .broken = on_broken,
	};
	int err = sp_redis_link_open(r->conf.loop, r->conf.server, &events, r, &r->link);

	if (err) {
		sp_redis_mark_down(r, strerror(-err));
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
			sp_redis_give_up(r, "no greeting in time");
		break;
	case SP_REDIS_UP:
		if ((r->latency_ns && now_ns - r->latency_ns >= r->conf.timeout_ns) ||
		    (r->is_probing && now_ns - r->probe_ns >= r->conf.timeout_ns))
			sp_redis_give_up(r, "no answer in time");
		else if (!r->is_probing && now_ns - r->probe_ns >= PROBE_NS)
			sp_redis_probe(r, now_ns);
		break;
	}
}

int sp_redis_new(const struct sp_redis_conf *conf, struct sp_redis **ret_redis)
{
	struct sp_redis *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->conf = *conf;
	r->backoff_ns = SP_REDIS_BACKOFF_NS;
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
	sp_redis_give_up(r, NULL);
	sp_warn_over(SP_WARNING_STORE_SERVER, sp_redis_name(r));
	free(r);
}
