// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A head is not acknowledged (law 1), but a client sends only so much that is
 * not acknowledged: its initial window, or a single small segment (Nagle's
 * algorithm, RFC 1122, 4.2.3.4). So where a head isn't whole and the client
 * seems to wait, the bytes are given to the store, and acknowledged only when
 * they are safe there. From then on they are ours to deliver: after the splice
 * they are sent to the backend, and again, until its acknowledgement covers
 * them. That one passes through the datapath, which leaves it in the backend's
 * half (last_ack); we look there now and then.
 *
 * All that we send of such a head bears the TSval that the store has: one who
 * repeats it after us knows no later one, and the backend would take an earlier
 * one for an old duplicate (RFC 7323, 5).
 *
 * A daemon that starts finds the heads in the store and goes on with them:
 * before the splice as if nothing had been, after it with the repetition.
 */
#include <string.h>

#include "base/log.h"
#include "front_internal.h"
#include "relay.h"

#define ACK_BYTES	8192		/* acknowledge at once when so much is new */
#define ACK_DELAY_NS	40000000ULL	/* and else after this */
#define AGAIN_NS	200000000ULL
#define AGAIN_MAX_NS	10000000000ULL
#define GIVE_UP_NS	900000000000ULL	/* as a kernel does after its 15 repetitions */
#define FLIGHT_BYTES	16384

static void give(struct sp_front *f, struct sp_conn *c)
{
	struct sp_stash_offer offer = { .client = c->client, .mss = c->mss, .is_sack = c->is_sack };
	__u32 to = c->held.len;

	if (c->stashing != c->acked || to == c->acked)
		return;
	c->stashing = to;
	c->stashed_tsval = c->client.tsval_theirs;
	f->store->engine->stash(f->store, &c->front, &offer, sp_conn_buf(f->conns, c), c->acked, to,
				sp_conn_ref(f->conns, c));
}

void sp_stash_done(struct sp_front *f, struct sp_conn *c, int err)
{
	struct sp_segment ack;

	if (err) {
		f->counters.stash_failed++;
		c->stashing = c->acked;
		c->ack_ns = sp_now_ns() + AGAIN_NS;
		return;
	}
	f->counters.head_stashed++;
	c->acked = c->stashing;
	c->ack_ns = 0;
	ack = sp_front_segment(c, SP_TCP_ACK, c->acked);
	sp_wire_send(f->wire, &ack);
}

void sp_stash_grown(struct sp_front *f, struct sp_conn *c)
{
	if (c->held.len - c->acked >= ACK_BYTES)
		give(f, c);
	else if (!c->ack_ns)
		c->ack_ns = sp_now_ns() + ACK_DELAY_NS;
}

void sp_stash_drop(struct sp_front *f, struct sp_conn *c)
{
	if (c->stashing)
		f->store->engine->unstash(f->store, &c->front, c->stashing);
	c->acked = 0;
	c->stashing = 0;
}

/* Bytes [@from, @to) of what is held, as if the client sent them now. */
static void forward(struct sp_front *f, struct sp_conn *c, __u32 from, __u32 to)
{
	struct sp_segment seg = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1 + from, .ack = c->client.isn_ours + 1,
		.window = c->window, .has_ts = c->backend.has_ts,
		.tsval = c->client.tsval_theirs, .tsecr = c->client.tsval_ours,
		.payload = sp_conn_buf(f->conns, c) + from, .payload_len = to - from,
		.flags = SP_TCP_ACK | (to > from ? SP_TCP_PSH : 0) | (to == c->fin_at ? SP_TCP_FIN : 0),
	};

	sp_relay(f->wire, &c->up, &seg, c->forward_mss);
}

static __u32 earlier(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

void sp_stash_forward(struct sp_front *f, struct sp_conn *c)
{
	__u64 now_ns = sp_now_ns();

	c->sent = earlier(c->held.len, c->window_bytes);
	forward(f, c, 0, c->sent);
	if (!c->acked) {
		sp_front_del(f, c);
		return;
	}
	c->state = SP_CONN_OWING;
	c->una = 0;
	c->backoff_ns = AGAIN_NS;
	c->again_ns = now_ns + c->backoff_ns;
	c->deadline_ns = now_ns + GIVE_UP_NS;
}

/* Bytes that the backend has acknowledged, as the datapath saw it; -1: the splice is over. */
static __s64 acknowledged(struct sp_front *f, const struct sp_conn *c)
{
	struct sp_tuple key = sp_tuple_reverse(&c->up.out);
	struct sp_entry e;
	__u32 bytes;

	if (sp_datapath_get(f->dp, &key, &e) || e.use.state & (SP_USE_S_RST | SP_USE_S_PEER_RST))
		return -1;
	bytes = e.use.last_ack - (c->client.isn_theirs + 1);
	return e.use.last_ack && bytes < 1U << 31 ? bytes : 0;
}

static void owing_again(struct sp_front *f, struct sp_conn *c, __u64 now_ns)
{
	f->counters.owed_repeated++;
	c->sent = earlier(c->acked, c->una + FLIGHT_BYTES);
	forward(f, c, c->una, c->sent);
	c->again_ns = now_ns + c->backoff_ns;
	c->backoff_ns = c->backoff_ns * 2 < AGAIN_MAX_NS ? c->backoff_ns * 2 : AGAIN_MAX_NS;
}

static void owing_advance(struct sp_front *f, struct sp_conn *c, __u32 una, __u64 now_ns)
{
	__u32 to = earlier(c->acked, una + FLIGHT_BYTES);

	c->una = una;
	c->backoff_ns = AGAIN_NS;
	c->again_ns = now_ns + AGAIN_NS;
	if (c->sent < una)
		c->sent = una;
	if (to > c->sent) {
		forward(f, c, c->sent, to);
		c->sent = to;
	}
}

static void owing_tick(struct sp_front *f, struct sp_conn *c, __u64 now_ns)
{
	__s64 una = acknowledged(f, c);

	if (now_ns >= c->deadline_ns)
		f->counters.owed_lost++;
	if (una < 0 || una >= c->acked || now_ns >= c->deadline_ns)
		sp_front_del(f, c);
	else if (una > c->una)
		owing_advance(f, c, una, now_ns);
	else if (now_ns >= c->again_ns)
		owing_again(f, c, now_ns);
}

void sp_stash_tick(struct sp_front *f, struct sp_conn *c, __u64 now_ns)
{
	if (c->state == SP_CONN_OWING)
		owing_tick(f, c, now_ns);
	else if (c->ack_ns && now_ns >= c->ack_ns)
		give(f, c);
}

/* As sp_stash_forward() would have left it, with what the half alone tells. */
static void recover_owing(struct sp_conn *c, const struct sp_half *up)
{
	c->up = *up;
	c->state = SP_CONN_OWING;
	c->backend.has_ts = c->client.has_ts && (up->tsval_delta || up->tsecr_delta);
	c->forward_mss = c->mss - (c->backend.has_ts ? 12 : 0);
	c->backoff_ns = AGAIN_NS;
	c->deadline_ns = sp_now_ns() + GIVE_UP_NS;
}

static void recover(void *ctx, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		    const char *bytes, __u32 len)
{
	struct sp_front *f = ctx;
	const struct sp_service_conf *service = sp_config_service_at(f->config, front);
	struct sp_conn *c = service ? sp_conn_add(f->conns, front) : NULL;
	struct sp_entry e;

	if (!c) {
		f->store->engine->unstash(f->store, front, len);
		return;
	}
	c->config = sp_config_get(f->config);
	c->service = service;
	c->client = offer->client;
	c->mss = offer->mss;
	c->is_sack = offer->is_sack;
	c->window = 65535;
	sp_held_add(&c->held, sp_conn_buf(f->conns, c), SP_CONN_BUF, 0, bytes, len);
	f->held_bytes += sp_head_pages(c);
	c->acked = len;
	c->stashing = len;
	c->stashed_tsval = c->client.tsval_theirs;
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	if (!sp_datapath_get(f->dp, front, &e) && !(e.half.flags & SP_HALF_F_TO_DAEMON))
		recover_owing(c, &e.half);
	else
		sp_front_mark(f, c);
}

void sp_stash_recover(struct sp_front *f)
{
	f->store->engine->stashes(f->store, recover, f);
	if (sp_conns_count(f->conns))
		log_info("%u heads were acknowledged by a daemon before, and go on", sp_conns_count(f->conns));
}
