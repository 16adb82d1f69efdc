// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A connection is here from its first data segment (with a valid cookie) until
 * its splice, usually for one round trip to a backend.
 *
 *	HEAD	    bytes are held, unacknowledged, until the head is whole
 *	CONNECTING  a SYN of ours is out; what the client sends is held
 *	COMMITTING  the backend is there; the store is asked
 *	OWING	    spliced, but the backend lacks bytes that we have acknowledged
 *	ANSWERED    an answer of our own is out; its FIN is waited for
 *
 * From HEAD: to CONNECTING (a pool was found), to ANSWERED (400, 404, 408, 431).
 * From CONNECTING: to COMMITTING; to CONNECTING with another backend after a
 * refusal or silence; to ANSWERED (503). From COMMITTING: to the splice, which
 * ends it here, or by way of OWING when stash.c had to acknowledge something.
 *
 * Nothing that only we hold is acknowledged (law 1): what is lost here, the
 * client repeats. The halves are committed before any byte is forwarded (law 3).
 *
 * Segments that come before their connection (reordered, or after a restart)
 * wait a second among the strays. Nobody is told RST before that (law 4).
 */
#include "front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/cookie.h"
#include "base/log.h"
#include "front_internal.h"
#include "l7/http1.h"
#include "l7/route.h"
#include "l7/tls_hello.h"
#include "relay.h"

#define PAGE		4096
#define PARSE_PER_TICK	(1024 * 1024)	/* bytes looked at again that grew by little */

void sp_front_mark(struct sp_front *f, struct sp_conn *c)
{
	struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };

	if (c->state == SP_CONN_ANSWERED)
		mark.flags |= SP_HALF_F_ANSWERED;
	else if (c->is_marked)
		return;
	c->is_marked = !sp_datapath_put(f->dp, &c->front, &mark);
}

void sp_front_del(struct sp_front *f, struct sp_conn *c)
{
	if (c->is_marked)
		sp_datapath_del(f->dp, &c->front);
	sp_stash_drop(f, c);
	f->held_bytes -= (c->held.top + PAGE - 1) / PAGE * PAGE;
	sp_config_put(c->config);
	sp_conn_del(f->conns, c);
}

struct sp_segment sp_front_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes)
{
	__u32 room = SP_CONN_BUF - c->held.len;

	if (c->client.wscale_ours > 0)
		room >>= c->client.wscale_ours;
	return (struct sp_segment){
		.tuple = sp_tuple_reverse(&c->front), .flags = flags, .window = room < 65535 ? room : 65535, .wscale = -1,
		.seq = c->client.isn_ours + 1, .ack = c->client.isn_theirs + 1 + ack_bytes,
		.has_ts = c->client.has_ts, .tsval = c->client.tsval_ours, .tsecr = c->client.tsval_theirs,
	};
}

/* A head that is longer than allowed is not whole, whatever comes behind. */
static __u32 head_bytes(const struct sp_conn *c)
{
	__u32 max = c->config->limits.head_bytes;

	return c->held.len < max ? c->held.len : max;
}

static enum sp_head_verdict route_http1(const struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_http1 head;
	enum sp_head_verdict v = sp_http1_parse(buf, head_bytes(c), &head);

	if (v == SP_HEAD_OK)
		*ret_idx = sp_route_http1(c->service->routes, c->service->route_count, &head);
	return v;
}

static enum sp_head_verdict route_tls(const struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_tls_hello hello;
	enum sp_head_verdict v = sp_tls_hello_parse((const unsigned char *)buf, head_bytes(c), &hello);

	if (v == SP_HEAD_OK)
		*ret_idx = sp_route_tls(c->service->routes, c->service->route_count, &hello);
	return v;
}

static enum sp_head_verdict parse(struct sp_front *f, const struct sp_conn *c, int *ret_idx)
{
	switch (c->service->protocol) {
	case SP_PROTOCOL_HTTP:
		return route_http1(c, sp_conn_buf(f->conns, c), ret_idx);
	case SP_PROTOCOL_TLS:
		return route_tls(c, sp_conn_buf(f->conns, c), ret_idx);
	case SP_PROTOCOL_TCP:
		break;
	}
	return SP_HEAD_OK;
}

static void incomplete(struct sp_front *f, struct sp_conn *c)
{
	if (c->held.len >= c->fin_at) {
		sp_answer(f, c, 400);
	} else if (c->held.len > c->config->limits.head_bytes) {
		sp_answer(f, c, 431);
	} else {
		sp_front_mark(f, c);
		sp_stash_grown(f, c);
	}
}

static void look(struct sp_front *f, struct sp_conn *c)
{
	int idx = -1;

	c->parsed = c->held.len;
	switch (parse(f, c, &idx)) {
	case SP_HEAD_BAD:
		sp_answer(f, c, 400);
		break;
	case SP_HEAD_INCOMPLETE:
		incomplete(f, c);
		break;
	case SP_HEAD_OK:
		c->ack_ns = 0;
		sp_back_start(f, c, idx < 0 ? c->service->default_pool_idx : c->service->routes[idx].pool_idx);
		break;
	}
}

/*
 * The parsers begin at the first byte each time. So a head that grows by
 * little is looked at again only at the next tick, and of all such heads
 * together PARSE_PER_TICK bytes: one byte per segment costs no more than that.
 */
static void grown(struct sp_front *f, struct sp_conn *c)
{
	if (c->held.len - c->parsed >= c->parsed / 8 || c->held.len >= c->fin_at)
		look(f, c);
	else
		sp_stash_grown(f, c);
}

static void look_again(struct sp_front *f, struct sp_conn *c)
{
	if (c->held.len > f->parse_budget)
		return;
	f->parse_budget -= c->held.len;
	look(f, c);
}

/* Return: whether there is more of the stream now without a hole. */
static int hold(struct sp_front *f, struct sp_conn *c, const struct sp_segment *seg)
{
	__s64 at = (__s32)(seg->seq - (c->client.isn_theirs + 1));
	__u32 before = (c->held.top + PAGE - 1) / PAGE * PAGE, grew;

	if (seg->flags & SP_TCP_RST)
		return 0;
	if (f->held_bytes + seg->payload_len > c->config->limits.held_bytes) {
		f->counters.held_full++;
		return 0;
	}
	if (seg->has_ts)
		c->client.tsval_theirs = seg->tsval;
	c->window = seg->window;
	grew = sp_held_add(&c->held, sp_conn_buf(f->conns, c), SP_CONN_BUF, at, seg->payload, seg->payload_len);
	f->held_bytes += (c->held.top + PAGE - 1) / PAGE * PAGE - before;
	if (seg->flags & SP_TCP_FIN && at + (__s64)seg->payload_len >= 0 && at + seg->payload_len <= SP_CONN_BUF)
		c->fin_at = at + seg->payload_len;
	f->counters.segment_gap += !!c->held.span_count;
	return grew || c->held.len >= c->fin_at;
}

static void more(struct sp_front *f, struct sp_conn *c, const struct sp_segment *seg)
{
	if (c->state == SP_CONN_ANSWERED) {
		sp_answer_again(f, c, seg);
	} else if (c->state == SP_CONN_OWING || c->state == SP_CONN_COMMITTING) {
		return;
	} else if (hold(f, c, seg)) {
		if (c->state == SP_CONN_HEAD)
			grown(f, c);
	} else if (c->state == SP_CONN_HEAD && c->acked && seg->payload_len) {
		struct sp_segment ack = sp_front_segment(c, SP_TCP_ACK, c->acked);

		sp_wire_send(f->wire, &ack);	/* a repetition: ours was lost */
	}
}

static void client_offered(struct sp_conn *c, const struct sp_segment *seg, const struct sp_service *offer, __u8 data)
{
	__u8 wscale = sp_cookie_data_wscale(data);

	c->client.isn_ours = seg->ack - 1;
	c->client.isn_theirs = seg->seq - 1;
	c->client.has_ts = seg->has_ts;
	c->client.tsval_ours = seg->tsecr;
	c->client.tsval_theirs = seg->tsval;
	c->client.wscale_theirs = wscale == SP_COOKIE_WSCALE_NONE ? -1 : wscale;
	c->client.wscale_ours = wscale == SP_COOKIE_WSCALE_NONE ? -1 : offer->wscale;
	c->mss = sp_cookie_mss(sp_cookie_data_mss_class(data), offer->mss);
	c->is_sack = sp_cookie_data_is_sack(data);
}

static struct sp_conn *begin(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	const struct sp_service_conf *service = sp_config_service_at(f->config, &ev->tuple);
	struct sp_service offer;
	struct sp_conn *c;

	if (!service || sp_datapath_service(f->dp, &ev->tuple, &offer))
		return NULL;
	c = sp_conn_add(f->conns, &ev->tuple);
	if (!c) {
		f->counters.pending_full++;
		return NULL;
	}
	c->config = sp_config_get(f->config);
	c->service = service;
	client_offered(c, seg, &offer, ev->cookie_data);
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	return c;
}

struct early {
	struct sp_front	*front;
	struct sp_conn	*conn;
};

static void take_early(void *ctx, const struct sp_segment *seg)
{
	struct early *early = ctx;

	if (seg->ack == early->conn->client.isn_ours + 1)
		hold(early->front, early->conn, seg);
}

/* The first segment, with a valid cookie: the client's port may have been used before. */
static void on_front(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(f->conns, &ev->tuple);
	struct early early = { .front = f };

	if (c && c->client.isn_theirs == seg->seq - 1 && c->client.isn_ours == seg->ack - 1 && c->state != SP_CONN_OWING) {
		more(f, c, seg);
		return;
	}
	if (c) {
		if (c->state == SP_CONN_CONNECTING || c->state == SP_CONN_COMMITTING)
			sp_back_release(f, c);
		sp_front_del(f, c);
	}
	c = begin(f, ev, seg);
	if (!c)
		return;
	hold(f, c, seg);
	early.conn = c;
	sp_stray_take(f->strays, sp_conns_hash(f->conns, &ev->tuple), &ev->tuple, sp_now_ns(), take_early, &early);
	look(f, c);
}

/* Nobody knows it: perhaps not yet. */
static void on_stray(struct sp_front *f, const struct sp_segment *seg)
{
	f->counters.stray_kept++;
	if (sp_stray_add(f->strays, sp_conns_hash(f->conns, &seg->tuple), seg, sp_now_ns())) {
		f->counters.reset_unknown++;
		sp_answer_reset(f, seg);
	} else {
		f->store->engine->fetch(f->store, &seg->tuple);
	}
}

/* The splice was made while this was on its way up here. */
static void on_overtaken(struct sp_front *f, const struct sp_entry *e, const struct sp_segment *seg)
{
	if (e->half.flags & SP_HALF_F_TO_DAEMON || e->use.state & SP_USE_S_REUSED || seg->flags & SP_TCP_SYN)
		return;
	f->counters.relayed++;
	sp_relay(f->wire, &e->half, seg, SP_RELAY_MSS);
}

/* Neither half nor cookie: a later segment of a head, one that came too early, or a connection that is gone. */
static void on_miss(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(f->conns, &ev->tuple);
	struct sp_entry e;

	if (c)
		more(f, c, seg);
	else if (!sp_datapath_get(f->dp, &ev->tuple, &e))
		on_overtaken(f, &e, seg);
	else
		on_stray(f, seg);
}

/* The mark of a daemon before us, which took what it held along unless it had answered. */
static void on_left_behind(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(f->dp, &seg->tuple, &e))
		return;
	if (!(e.half.flags & SP_HALF_F_TO_DAEMON)) {
		on_overtaken(f, &e, seg);
		return;
	}
	if (e.half.flags & SP_HALF_F_ANSWERED) {
		sp_answer_end(f, seg);
		return;
	}
	sp_datapath_del(f->dp, &seg->tuple);
	on_stray(f, seg);
}

/* The half says "to the daemon": a backend's answer (source: client), or a client whose head or answer is with us. */
static void on_held(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_front(f->conns, &ev->tuple);

	if (sp_conn_by_back(f->conns, &back))
		sp_back_event(f, seg);
	else if (c)
		more(f, c, seg);
	else
		on_left_behind(f, seg);
}

void sp_front_event(struct sp_front *f, const struct sp_event *ev)
{
	struct sp_segment seg;

	if (ev->kind == SP_EVENT_TOO_BIG) {
		sp_wire_send_too_big(f->wire, ev);
		return;
	}
	if (sp_segment_parse(ev, &seg)) {
		f->counters.segment_bad++;
		return;
	}
	switch (ev->kind) {
	case SP_EVENT_FRONT: on_front(f, ev, &seg); break;
	case SP_EVENT_BACK: sp_back_event(f, &seg); break;
	case SP_EVENT_HELD: on_held(f, ev, &seg); break;
	case SP_EVENT_MISS: on_miss(f, ev, &seg); break;
	}
}

static void head_tick(struct sp_front *f, struct sp_conn *c, __u64 now_ns)
{
	if (now_ns >= c->deadline_ns)
		sp_answer(f, c, 408);
	else if (c->parsed != c->held.len)
		look_again(f, c);
	if (c->state == SP_CONN_HEAD)
		sp_stash_tick(f, c, now_ns);
}

static void tick(void *ctx, struct sp_conn *c)
{
	struct sp_front *f = ctx;
	__u64 now_ns = sp_now_ns();

	switch (c->state) {
	case SP_CONN_FREE:
	case SP_CONN_COMMITTING:
		break;
	case SP_CONN_HEAD:
		head_tick(f, c, now_ns);
		break;
	case SP_CONN_CONNECTING:
		sp_back_tick(f, c, now_ns);
		break;
	case SP_CONN_OWING:
		sp_stash_tick(f, c, now_ns);
		break;
	case SP_CONN_ANSWERED:
		if (now_ns >= c->deadline_ns)
			sp_front_del(f, c);
		break;
	}
}

void sp_front_tick(struct sp_front *f)
{
	f->parse_budget = PARSE_PER_TICK;
	sp_conns_each(f->conns, tick, f);
}

static void on_committed(void *ctx, __u64 ref, int err, const struct sp_splice *winner)
{
	struct sp_front *f = ctx;
	struct sp_conn *c = sp_conn_by_ref(f->conns, ref);

	if (c && c->state == SP_CONN_COMMITTING)
		sp_back_committed(f, c, err, winner);
}

static void on_stashed(void *ctx, __u64 ref, int err)
{
	struct sp_front *f = ctx;
	struct sp_conn *c = sp_conn_by_ref(f->conns, ref);

	if (c && c->state != SP_CONN_ANSWERED)
		sp_stash_done(f, c, err);
}

struct through {
	struct sp_front		*front;
	const struct sp_half	*half;
};

static void relay_stray(void *ctx, const struct sp_segment *seg)
{
	const struct through *through = ctx;

	if (seg->flags & SP_TCP_SYN)
		return;
	through->front->counters.relayed++;
	sp_relay(through->front->wire, through->half, seg, SP_RELAY_MSS);
}

/* A splice of another proxy: ours as well from now on. */
static void on_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	struct sp_front *f = ctx;
	struct through through = { f };

	if (err || sp_splice_install(f->dp, splice))
		return;
	f->counters.fetched++;
	through.half = memcmp(key, &splice->front, sizeof(*key)) ? &splice->down : &splice->up;
	sp_stray_take(f->strays, sp_conns_hash(f->conns, key), key, sp_now_ns(), relay_stray, &through);
}

static const struct sp_store_events store_events = {
	.committed = on_committed, .fetched = on_fetched, .stashed = on_stashed,
};

int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store, struct sp_config *config,
		 struct sp_front **ret_front)
{
	struct sp_front *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->dp = dp;
	f->wire = wire;
	f->store = store;
	store->events = &store_events;
	store->ctx = f;
	f->strays = sp_strays_new();
	err = f->strays ? sp_conns_new(config->limits.pending, &f->conns) : -ENOMEM;
	err = err ?: sp_front_configure(f, config);
	if (err) {
		sp_front_free(f);
		return err;
	}
	*ret_front = f;
	return 0;
}

int sp_front_configure(struct sp_front *f, struct sp_config *config)
{
	int err;

	if (!f->ports) {
		err = sp_ports_new(config->snat_addrs, config->snat_count, config->snat_port_first,
				   config->snat_port_last, &f->ports);
		if (err)
			return err;
	}
	err = f->backends ? sp_backends_configure(f->backends, config) : sp_backends_new(config, &f->backends);
	if (err)
		return err;
	sp_config_put(f->config);
	f->config = sp_config_get(config);
	return 0;
}

void sp_front_recover(struct sp_front *f)
{
	sp_stash_recover(f);
}

void sp_front_free(struct sp_front *f)
{
	if (!f)
		return;
	sp_conns_free(f->conns);
	sp_strays_free(f->strays);
	sp_ports_free(f->ports);
	sp_backends_free(f->backends);
	sp_config_put(f->config);
	free(f);
}

const struct sp_backends *sp_front_backends(const struct sp_front *f)
{
	return f->backends;
}

struct sp_ports *sp_front_ports(struct sp_front *f)
{
	return f->ports;
}

const struct sp_front_counters *sp_front_counters(const struct sp_front *f)
{
	return &f->counters;
}

unsigned int sp_front_pending(const struct sp_front *f)
{
	return sp_conns_count(f->conns);
}
