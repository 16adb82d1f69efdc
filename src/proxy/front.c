// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A connection is here from its first data segment (with a valid cookie) until
 * its splice, usually for one round trip to a backend.
 *
 *	HEAD	    bytes are held, unacknowledged, until the head is whole
 *	CONNECTING  a SYN of ours is out; what the client sends is held
 *	ANSWERED    an answer of our own is out; its FIN is waited for
 *
 * From HEAD: to CONNECTING (a pool was found), to ANSWERED (400, 404, 408, 431).
 * From CONNECTING: to the splice, which ends it here; to CONNECTING with another
 * backend after a refusal or silence; to ANSWERED (503).
 *
 * Nothing is acknowledged before the splice (law 1): what is lost here, the
 * client repeats. The halves are committed before any byte is forwarded (law 3).
 *
 * Memory: a fixed number of slots, each with a window of address space for its
 * held bytes that is only backed while in use.
 */
#include "front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "abi/cookie.h"
#include "base/log.h"
#include "l7/http1.h"
#include "l7/route.h"
#include "l7/tls_hello.h"
#include "splice.h"

#define HELD_MAX	(128 * 1024)	/* a head, and what may fly behind it */
#define BUCKETS		32768
#define NONE		0xffffffffu
#define SYN_AGAIN_NS	200000000ULL

enum conn_state { CONN_FREE, CONN_HEAD, CONN_CONNECTING, CONN_ANSWERED };

struct conn {
	enum conn_state			state;
	__u32				next_front, next_back, prev_live, next_live;
	struct sp_tuple			front, back;
	struct sp_side			client, backend;
	const struct sp_service_conf	*service;
	const struct sp_pool_conf	*pool;
	const struct sp_config		*config;
	__u64				deadline_ns, again_ns;
	__u32				held, ack;
	__u16				mss, window;
	__u8				is_sack, has_fin, tries;
	int				status;
};

struct sp_front {
	struct sp_datapath		*dp;
	struct sp_wire			*wire;
	struct sp_ports			*ports;
	const struct sp_config		*config;
	struct sp_front_counters	counters;
	__u64				secret[2];
	__u32				by_front[BUCKETS], by_back[BUCKETS];
	__u32				free_head, live_head, pending, slots;
	unsigned int			turn;
	char				*held;
	struct conn			*conns;
};

static __u32 bucket_of(const struct sp_front *f, const struct sp_tuple *t)
{
	__u64 w[5];

	w[4] = 0;
	memcpy(w, t, sizeof(*t));
	return sp_siphash_words(f->secret, w, 5) % BUCKETS;
}

static char *held_of(const struct sp_front *f, const struct conn *c)
{
	return f->held + (size_t)(c - f->conns) * HELD_MAX;
}

static struct conn *find_front(struct sp_front *f, const struct sp_tuple *t)
{
	for (__u32 i = f->by_front[bucket_of(f, t)]; i != NONE; i = f->conns[i].next_front)
		if (!memcmp(&f->conns[i].front, t, sizeof(*t)))
			return &f->conns[i];
	return NULL;
}

/* @t: proxy -> backend */
static struct conn *find_back(struct sp_front *f, const struct sp_tuple *t)
{
	for (__u32 i = f->by_back[bucket_of(f, t)]; i != NONE; i = f->conns[i].next_back)
		if (!memcmp(&f->conns[i].back, t, sizeof(*t)))
			return &f->conns[i];
	return NULL;
}

static void unlink_back(struct sp_front *f, struct conn *c)
{
	__u32 me = c - f->conns, *at = &f->by_back[bucket_of(f, &c->back)];

	while (*at != NONE && *at != me)
		at = &f->conns[*at].next_back;
	if (*at == me)
		*at = c->next_back;
}

static void unlink_front(struct sp_front *f, struct conn *c)
{
	__u32 me = c - f->conns, *at = &f->by_front[bucket_of(f, &c->front)];

	while (*at != NONE && *at != me)
		at = &f->conns[*at].next_front;
	if (*at == me)
		*at = c->next_front;
}

static struct conn *conn_new(struct sp_front *f, const struct sp_tuple *front)
{
	__u32 i = f->free_head, b = bucket_of(f, front);
	struct conn *c;

	if (i == NONE)
		return NULL;
	c = &f->conns[i];
	f->free_head = c->next_live;
	*c = (struct conn){ .state = CONN_HEAD, .front = *front, .config = f->config };
	c->next_front = f->by_front[b];
	f->by_front[b] = i;
	c->prev_live = NONE;
	c->next_live = f->live_head;
	if (f->live_head != NONE)
		f->conns[f->live_head].prev_live = i;
	f->live_head = i;
	f->pending++;
	return c;
}

static void conn_free(struct sp_front *f, struct conn *c)
{
	__u32 i = c - f->conns;

	unlink_front(f, c);
	unlink_back(f, c);
	if (c->prev_live != NONE)
		f->conns[c->prev_live].next_live = c->next_live;
	else
		f->live_head = c->next_live;
	if (c->next_live != NONE)
		f->conns[c->next_live].prev_live = c->prev_live;
	if (c->held > 4096)
		madvise(held_of(f, c), HELD_MAX, MADV_DONTNEED);
	c->state = CONN_FREE;
	c->next_live = f->free_head;
	f->free_head = i;
	f->pending--;
}

static struct sp_segment to_client(const struct conn *c, __u8 flags)
{
	return (struct sp_segment){
		.tuple = sp_tuple_reverse(&c->front), .flags = flags, .window = 65535, .wscale = -1,
		.seq = c->client.isn_ours + 1, .ack = c->client.isn_theirs + 1 + c->held + c->has_fin,
		.has_ts = c->client.has_ts, .tsval = c->client.tsval_ours, .tsecr = c->client.tsval_theirs,
	};
}

static const char *answer_text(int status)
{
	switch (status) {
	case 400: return "400 Bad Request";
	case 404: return "404 Not Found";
	case 408: return "408 Request Timeout";
	case 431: return "431 Request Header Fields Too Large";
	default: return "503 Service Unavailable";
	}
}

/* One segment with text and FIN, or RST where the protocol has no words for it. Sent again whenever the client repeats itself. */
static void answer_send(struct sp_front *f, struct conn *c)
{
	struct sp_segment seg = to_client(c, SP_TCP_ACK | SP_TCP_PSH | SP_TCP_FIN);
	const char *text = answer_text(c->status);
	char buf[256];

	if (c->service->protocol != SP_PROTOCOL_HTTP) {
		seg.flags = SP_TCP_RST | SP_TCP_ACK;
		sp_wire_send(f->wire, &seg);
		return;
	}
	seg.payload_len = snprintf(buf, sizeof(buf),
				   "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
				   "Connection: close\r\n\r\n%s\n", text, strlen(text) + 1, text);
	seg.payload = buf;
	sp_wire_send(f->wire, &seg);
}

static void answer(struct sp_front *f, struct conn *c, int status)
{
	struct sp_half held = { .flags = SP_HALF_F_TO_DAEMON };

	switch (status) {
	case 400: f->counters.answered_400++; break;
	case 404: f->counters.answered_404++; break;
	case 408: f->counters.answered_408++; break;
	case 431: f->counters.answered_431++; break;
	case 503: f->counters.answered_503++; break;
	}
	c->status = status;
	c->state = CONN_ANSWERED;
	c->deadline_ns = sp_now_ns() + c->config->limits.closed_ns;
	held.out = c->front;
	sp_datapath_put(f->dp, &c->front, &held);
	answer_send(f, c);
}

static void back_release(struct sp_front *f, struct conn *c)
{
	struct sp_tuple from = sp_tuple_reverse(&c->back);
	struct sp_endpoint to = { c->back.daddr, c->back.dport }, our = { c->back.saddr, c->back.sport };

	unlink_back(f, c);
	if (c->pool->source == SP_SOURCE_CLIENT)
		sp_datapath_del(f->dp, &from);
	else
		sp_ports_put(f->ports, &to, &our);
	memset(&c->back, 0, sizeof(c->back));
}

static void back_syn(struct sp_front *f, struct conn *c)
{
	struct sp_segment seg = {
		.tuple = c->back, .seq = c->backend.isn_ours, .flags = SP_TCP_SYN, .window = 65535,
		.mss = c->mss, .wscale = c->backend.wscale_ours, .is_sack = c->is_sack,
		.has_ts = c->client.has_ts, .tsval = c->backend.tsval_ours,
	};

	sp_wire_send(f->wire, &seg);
	c->again_ns = sp_now_ns() + SYN_AGAIN_NS;
}

static int is_usable(const struct sp_backend_conf *b, const struct conn *c)
{
	return b->weight && sp_addr_is_v4(&b->at.addr) == sp_addr_is_v4(&c->front.daddr);
}

/* Round robin by weight; each further try takes the next backend. */
static const struct sp_backend_conf *backend_choose(struct sp_front *f, struct conn *c)
{
	const struct sp_pool_conf *p = c->pool;
	unsigned int total = 0, at;
	size_t i, k;

	for (i = 0; i < p->backend_count; i++)
		total += is_usable(&p->backends[i], c) ? p->backends[i].weight : 0;
	if (!total)
		return NULL;
	at = f->turn++ % total;
	for (i = 0; i < p->backend_count; i++) {
		if (!is_usable(&p->backends[i], c))
			continue;
		if (at < p->backends[i].weight)
			break;
		at -= p->backends[i].weight;
	}
	/* not the one that has just failed, if there is another */
	for (k = 0; c->tries && k < p->backend_count; k++, i = (i + 1) % p->backend_count)
		if (is_usable(&p->backends[i], c) && memcmp(&p->backends[i].at.addr, &c->back.daddr, 16))
			break;
	return &p->backends[i];
}

static void back_numbers(struct sp_front *f, struct conn *c)
{
	struct timespec ts;
	__u64 hash, w[5];

	clock_gettime(CLOCK_REALTIME, &ts);
	w[4] = 0;
	memcpy(w, &c->back, sizeof(c->back));
	hash = sp_siphash_words(f->secret, w, 5);
	/* both rise with the clock for each tuple, so that a backend's TIME_WAIT gives way (RFC 6191) */
	c->backend.isn_ours = (__u32)hash + ts.tv_sec * 250000u + ts.tv_nsec / 4000;
	c->backend.tsval_ours = (__u32)(ts.tv_sec * 1000u + ts.tv_nsec / 1000000);
	if (c->pool->source == SP_SOURCE_CLIENT) {
		c->backend.isn_ours = c->client.isn_theirs;
		c->backend.tsval_ours = c->client.tsval_theirs;
	}
	c->backend.wscale_ours = c->client.wscale_theirs;
}

static int back_open(struct sp_front *f, struct conn *c)
{
	const struct sp_backend_conf *b = backend_choose(f, c);
	struct sp_endpoint from = { c->front.saddr, c->front.sport };
	__u32 bucket;
	int err = 0;

	if (!b)
		return -EADDRNOTAVAIL;
	if (c->pool->source == SP_SOURCE_SNAT)
		err = sp_ports_get(f->ports, &b->at, &from);
	if (err)
		return err;
	c->back = (struct sp_tuple){ .saddr = from.addr, .sport = from.port_be,
				     .daddr = b->at.addr, .dport = b->at.port_be };
	if (c->pool->source == SP_SOURCE_CLIENT) {
		struct sp_half held = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };
		struct sp_tuple key = sp_tuple_reverse(&c->back);

		err = sp_datapath_put(f->dp, &key, &held);
		if (err)
			return err;
	}
	back_numbers(f, c);
	bucket = bucket_of(f, &c->back);
	c->next_back = f->by_back[bucket];
	f->by_back[bucket] = c - f->conns;
	c->tries++;
	c->state = CONN_CONNECTING;
	c->deadline_ns = sp_now_ns() + c->config->limits.connect_ns;
	back_syn(f, c);
	return 0;
}

static void back_next(struct sp_front *f, struct conn *c)
{
	struct sp_addr failed = c->back.daddr;

	back_release(f, c);
	c->back.daddr = failed;
	if (c->tries >= c->config->limits.tries || back_open(f, c))
		answer(f, c, 503);
}

static void go(struct sp_front *f, struct conn *c, int pool_idx)
{
	if (pool_idx < 0) {
		answer(f, c, 404);
		return;
	}
	c->pool = &c->config->pools[pool_idx];
	if (back_open(f, c))
		answer(f, c, 503);
}

static int route_http1(struct conn *c, const char *buf, int *ret_idx)
{
	static struct sp_http1 head;
	enum sp_head_verdict v = sp_http1_parse(buf, c->held, &head);

	if (v == SP_HEAD_OK)
		*ret_idx = sp_route_http1(c->service->routes, c->service->route_count, &head);
	return v;
}

static int route_tls(struct conn *c, const char *buf, int *ret_idx)
{
	static struct sp_tls_hello hello;
	enum sp_head_verdict v = sp_tls_hello_parse((const unsigned char *)buf, c->held, &hello);

	if (v == SP_HEAD_OK)
		*ret_idx = sp_route_tls(c->service->routes, c->service->route_count, &hello);
	return v;
}

static void head_look(struct sp_front *f, struct conn *c)
{
	int idx = -1, v = SP_HEAD_OK;

	if (c->service->protocol == SP_PROTOCOL_HTTP)
		v = route_http1(c, held_of(f, c), &idx);
	else if (c->service->protocol == SP_PROTOCOL_TLS)
		v = route_tls(c, held_of(f, c), &idx);
	if (v == SP_HEAD_BAD || (v == SP_HEAD_INCOMPLETE && c->has_fin)) {
		answer(f, c, 400);
	} else if (v == SP_HEAD_INCOMPLETE) {
		if (c->held > c->config->limits.head_bytes)
			answer(f, c, 431);
	} else {
		go(f, c, idx < 0 ? c->service->default_pool_idx : c->service->routes[idx].pool_idx);
	}
}

/* Takes what continues the held bytes. Return: whether there is something new. */
static int hold(struct sp_front *f, struct conn *c, const struct sp_segment *seg)
{
	__u32 skip = c->client.isn_theirs + 1 + c->held - seg->seq;
	size_t n;

	if (seg->has_ts)
		c->client.tsval_theirs = seg->tsval;
	c->window = seg->window;
	if ((__s32)skip < 0) {
		f->counters.segment_gap++;
		return 0;
	}
	if (skip > seg->payload_len || c->has_fin)
		return 0;
	n = seg->payload_len - skip;
	if (n > HELD_MAX - c->held)
		n = HELD_MAX - c->held;
	memcpy(held_of(f, c) + c->held, (const char *)seg->payload + skip, n);
	c->held += n;
	if (seg->flags & SP_TCP_FIN && skip + n == seg->payload_len)
		c->has_fin = 1;
	return n || c->has_fin;
}

static void client_offered(struct conn *c, const struct sp_segment *seg, const struct sp_service *offer, __u8 data)
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

static void on_front(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct conn *c = find_front(f, &ev->tuple);
	const struct sp_service_conf *service = sp_config_service_at(f->config, &ev->tuple);
	struct sp_service offer;

	if (c && c->state == CONN_ANSWERED && seg->seq != c->client.isn_theirs + 1) {
		conn_free(f, c);	/* the port was reused */
		c = NULL;
	}
	if (!c) {
		c = service && !sp_datapath_service(f->dp, &ev->tuple, &offer) ? conn_new(f, &ev->tuple) : NULL;
		if (!c) {
			f->counters.pending_full++;
			return;
		}
		c->service = service;
		client_offered(c, seg, &offer, ev->cookie_data);
		c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
		hold(f, c, seg);
		head_look(f, c);
		return;
	}
	if (c->state == CONN_ANSWERED)
		answer_send(f, c);
	else if (hold(f, c, seg) && c->state == CONN_HEAD)
		head_look(f, c);
}

static void reset(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_segment rst = { .tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_RST, .seq = seg->ack, .wscale = -1 };

	if (seg->flags & SP_TCP_RST || !(seg->flags & SP_TCP_ACK))
		return;
	f->counters.reset_unknown++;
	sp_wire_send(f->wire, &rst);
}

/* Neither half nor cookie: a later segment of a head, or a connection that is gone. */
static void on_miss(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct conn *c = find_front(f, &ev->tuple);
	struct sp_entry e;

	if (c && c->state != CONN_ANSWERED) {
		if (hold(f, c, seg) && c->state == CONN_HEAD)
			head_look(f, c);
	} else if (!c && sp_datapath_get(f->dp, &ev->tuple, &e)) {
		reset(f, seg);
	}
}

/* After an answer of ours: the client's FIN is acknowledged, even by a daemon that knows nothing of the answer. */
static void on_answered(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_segment ack = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_ACK, .seq = seg->ack, .window = 65535,
		.ack = seg->seq + seg->payload_len + 1, .wscale = -1,
		.has_ts = seg->has_ts, .tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	if (seg->flags & SP_TCP_FIN)
		sp_wire_send(f->wire, &ack);
}

static void forward_held(struct sp_front *f, struct conn *c, __u32 backend_isn)
{
	__u32 at = 0, mss = c->backend.has_ts ? 1368 : 1380;
	struct sp_segment seg = {
		.tuple = c->back, .ack = backend_isn + 1, .window = c->window, .wscale = -1,
		.has_ts = c->backend.has_ts, .tsval = c->backend.tsval_ours, .tsecr = c->backend.tsval_theirs,
	};

	do {
		__u32 n = c->held - at < mss ? c->held - at : mss;

		seg.seq = c->backend.isn_ours + 1 + at;
		seg.payload = held_of(f, c) + at;
		seg.payload_len = n;
		at += n;
		seg.flags = SP_TCP_ACK | (n ? SP_TCP_PSH : 0) | (at == c->held && c->has_fin ? SP_TCP_FIN : 0);
		sp_wire_send(f->wire, &seg);
	} while (at < c->held);
}

static void back_established(struct sp_front *f, struct conn *c, const struct sp_segment *seg)
{
	int err;

	c->backend.isn_theirs = seg->seq;
	c->backend.has_ts = seg->has_ts && c->client.has_ts;
	c->backend.tsval_theirs = seg->tsval;
	c->backend.wscale_theirs = c->backend.wscale_ours < 0 ? -1 : seg->wscale;
	err = sp_splice_commit(f->dp, &c->front, &c->client, &c->back, &c->backend, c->pool->id);
	if (err) {
		f->counters.commit_failed++;
		reset(f, seg);
		back_release(f, c);
		conn_free(f, c);
		return;
	}
	f->counters.spliced++;
	forward_held(f, c, seg->seq);
	conn_free(f, c);
}

static void on_back(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);
	struct conn *c = find_back(f, &key);
	struct sp_entry e;

	if (!c || c->state != CONN_CONNECTING) {
		if (sp_datapath_get(f->dp, &seg->tuple, &e))
			reset(f, seg);
		return;
	}
	if (seg->ack != c->backend.isn_ours + 1) {
		reset(f, seg);	/* of an older connection: gone with this, the SYN is repeated */
		back_syn(f, c);
	} else if (seg->flags & SP_TCP_RST) {
		f->counters.backend_refused++;
		back_next(f, c);
	} else if (seg->flags & SP_TCP_SYN) {
		back_established(f, c, seg);
	}
}

static void on_held(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct conn *c = find_front(f, &ev->tuple);

	if (find_back(f, &back)) {
		on_back(f, seg);
	} else if (c && c->state == CONN_ANSWERED && seg->ack == c->client.isn_ours + 1 && seg->payload_len) {
		answer_send(f, c);
	} else {
		on_answered(f, seg);
	}
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
	case SP_EVENT_BACK: on_back(f, &seg); break;
	case SP_EVENT_HELD: on_held(f, ev, &seg); break;
	case SP_EVENT_MISS: on_miss(f, ev, &seg); break;
	}
}

static void conn_tick(struct sp_front *f, struct conn *c, __u64 now_ns)
{
	int is_late = now_ns >= c->deadline_ns;

	switch (c->state) {
	case CONN_FREE:
		break;
	case CONN_HEAD:
		if (is_late)
			answer(f, c, 408);
		break;
	case CONN_CONNECTING:
		if (is_late) {
			f->counters.backend_silent++;
			back_next(f, c);
		} else if (now_ns >= c->again_ns) {
			back_syn(f, c);
		}
		break;
	case CONN_ANSWERED:
		if (is_late) {
			sp_datapath_del(f->dp, &c->front);
			conn_free(f, c);
		}
		break;
	}
}

void sp_front_tick(struct sp_front *f)
{
	__u64 now_ns = sp_now_ns();
	__u32 i = f->live_head;

	while (i != NONE) {
		__u32 next = f->conns[i].next_live;

		conn_tick(f, &f->conns[i], now_ns);
		i = next;
	}
}

int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, const struct sp_config *config, struct sp_front **ret_front)
{
	struct sp_front *f = calloc(1, sizeof(*f));
	__u32 n = config->limits.pending;

	if (!f)
		return -ENOMEM;
	f->dp = dp;
	f->wire = wire;
	f->slots = n;
	f->conns = calloc(n, sizeof(*f->conns));
	f->held = mmap(NULL, (size_t)n * HELD_MAX, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!f->conns || f->held == MAP_FAILED || getrandom(f->secret, sizeof(f->secret), 0) != sizeof(f->secret))
		return -ENOMEM;
	memset(f->by_front, 0xff, sizeof(f->by_front));
	memset(f->by_back, 0xff, sizeof(f->by_back));
	f->live_head = NONE;
	f->free_head = NONE;
	while (n--) {
		f->conns[n].next_live = f->free_head;
		f->free_head = n;
	}
	*ret_front = f;
	return sp_front_configure(f, config);
}

int sp_front_configure(struct sp_front *f, const struct sp_config *config)
{
	struct sp_ports *ports;
	int err;

	if (!f->ports) {
		err = sp_ports_new(config->snat_addrs, config->snat_count, config->snat_port_first,
				   config->snat_port_last, &ports);
		if (err)
			return err;
		f->ports = ports;
	}
	f->config = config;
	return 0;
}

void sp_front_free(struct sp_front *f)
{
	if (!f)
		return;
	munmap(f->held, (size_t)f->slots * HELD_MAX);
	sp_ports_free(f->ports);
	free(f->conns);
	free(f);
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
	return f->pending;
}
