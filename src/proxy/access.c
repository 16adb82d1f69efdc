// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access.c - see access.h
 *
 * Theory of operation. A logged connection has a record here, from its splice to its end. The
 * daemon begins an exchange when it forwards a request. The datapath reports requests that it
 * carries alone (by the digest of their bytes, for which a table here has the text), heads and last
 * bytes of responses, and FIN and RST. It reports through a ring that is read at ticks, and before
 * the daemon itself changes a record: so the order holds.
 *
 *	IDLE		no request is under way
 *	ASKED		a request was forwarded
 *	ANSWERED	the head of the response went by
 *
 * Records die with the daemon. Of an earlier daemon's connection the text of the head is unknown.
 */
#include "proxy/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/access_line.h"
#include "node/access_sink.h"
#include "proxy/reading.h"

#define BUCKETS		65536
#define RECORDS_MAX	(1 << 20)
#define LOST_TICKS	50
#define TEXTS		65536	/* of requests that the datapath carries alone */
#define SLOW_NS		200000000ULL	/* a faster response has less than 4 GiB */

enum state { IDLE, ASKED, ANSWERED };
enum { FIN_CLIENT = 1, FIN_BACKEND = 2, FIN_BOTH = 3 };

/**
 * struct record - a logged connection
 * @back:	proxy -> backend, of the present leg
 * @begin_at:	first number of the response, as the client counts
 * @leg_bytes:	of the responses before on this leg
 * @end:	how the connection ends, as far as is known; NULL: not yet
 */
struct record {
	struct record			*next;
	struct sp_tuple			front, back;
	struct sp_config		*config;
	const struct sp_service_conf	*service;
	const struct sp_pool_conf	*pool;
	struct sp_access_text		*text;
	struct sp_endpoint		client;
	enum state			state;
	enum sp_mode			mode;
	int				status, target;
	__u64				asked_ns, connected_ns, first_ns;
	__u64				bytes_in, bytes_out, leg_bytes;
	__u32				begin_at, exchanges;
	const char			*end;
	__u8				fins, has_begin;
};

struct text_slot {
	__u64			key;
	struct sp_access_text	*text;
};

/* Both tables are NULL until the first entry. */
struct sp_access {
	__s64			start_s;
	unsigned int		count, ticks;
	__u64			lost;
	struct record		**buckets;
	struct text_slot	*texts;
};

/* ---- records ---- */

static struct record **find_place(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct record **at =
		&p->access->buckets[sp_conns_hash(p->conns, front) % BUCKETS];

	while (*at && memcmp(&(*at)->front, front, sizeof(*front)))
		at = &(*at)->next;
	return at;
}

static struct record *find_record(struct sp_proxy *p, const struct sp_tuple *front)
{
	return p->access->count ? *find_place(p, front) : NULL;
}

static struct record *add_record(struct sp_proxy *p, const struct sp_tuple *front,
				 struct sp_config *config, const struct sp_service_conf *service)
{
	struct record **at, *r;

	if (!p->access->buckets)
		p->access->buckets = calloc(BUCKETS, sizeof(*p->access->buckets));
	if (!p->access->buckets)
		return NULL;
	at = find_place(p, front);
	if (*at)
		return *at;
	r = p->access->count < RECORDS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		sp_access_sink_drop(p->node.access);
		return NULL;
	}
	r->front = *front;
	r->client = (struct sp_endpoint){ front->saddr, front->sport };
	r->config = sp_config_get(config);
	r->service = service;
	r->target = sp_access_sink_target(p->node.access, service->access.to);
	*at = r;
	p->access->count++;
	return r;
}

static void del_record(struct sp_proxy *p, struct record *r)
{
	struct record **at = find_place(p, &r->front);

	*at = r->next;
	p->access->count--;
	sp_access_text_put(r->text);
	sp_config_put(r->config);
	free(r);
}

/* ---- lines ---- */

static const char *mode_name(enum sp_mode mode)
{
	static const char *const names[] = {
#define X(up, low) [SP_MODE_##up] = #low,
		SP_MODES(X)
#undef X
	};

	return (unsigned int)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : NULL;
}

static __u64 since_us(const struct record *r, __u64 ns)
{
	return r->asked_ns && ns >= r->asked_ns ? (ns - r->asked_ns) / 1000 : SP_ACCESS_UNKNOWN;
}

static __u64 begun_ms(__u64 asked_ns)
{
	__u64 now_ns = sp_exact_ns();

	return sp_real_ms() - (asked_ns && now_ns > asked_ns ? (now_ns - asked_ns) / 1000000 : 0);
}

static void write_line(struct sp_proxy *p, int target, const struct sp_access_line *line)
{
	static char buf[SP_ACCESS_LINE_MAX];

	sp_access_sink_write(p->node.access, target, buf, sp_access_line_format(line, buf));
}

static void write_record(struct sp_proxy *p, struct record *r, const char *event,
			 __u64 last_ns, const char *end)
{
	const struct sp_access_line line = {
		.format = r->service->access.format, .event = event,
		.service = r->service->name, .text = r->text, .begun_ms = begun_ms(r->asked_ns),
		.client = r->client, .backend = { r->back.daddr, r->back.dport },
		.pool = r->pool ? r->pool->name : NULL, .mode = mode_name(r->mode), .end = end,
		.status = r->status, .bytes_in = r->bytes_in, .bytes_out = r->bytes_out,
		.connect_us = since_us(r, r->connected_ns), .first_us = since_us(r, r->first_ns),
		.last_us = since_us(r, last_ns), .exchange = r->exchanges,
	};

	write_line(p, r->target, &line);
}

static int reads_requests(const struct record *r)
{
	return r->service->route_unit == SP_ROUTE_REQUEST;
}

static void end_exchange(struct sp_proxy *p, struct record *r, __u64 last_ns, const char *end)
{
	if (r->state == IDLE || !reads_requests(r))
		return;
	write_record(p, r, "exchange", last_ns, end);
	r->state = IDLE;
	r->leg_bytes += r->bytes_out;
	sp_access_text_put(r->text);
	r->text = NULL;
}

/* @r is IDLE. @text: taken over */
static void begin_exchange(struct record *r, struct sp_access_text *text, __u64 asked_ns)
{
	sp_access_text_put(r->text);
	r->text = text;
	r->state = ASKED;
	r->asked_ns = asked_ns;
	r->connected_ns = 0;
	r->first_ns = 0;
	r->status = 0;
	r->bytes_in = 0;
	r->bytes_out = 0;
	r->exchanges++;
}

/*
 * Numbers of a long response come again after 4 GiB: the half counts bytes, but some of them
 * twice. @at: number behind the response
 */
static __u64 count_response(struct sp_proxy *p, const struct record *r, __u32 at, __u64 now_ns)
{
	struct sp_tuple key = sp_tuple_reverse(&r->back);
	__u32 exact = at - r->begin_at;
	struct sp_entry down;
	__s64 about;

	if (now_ns - r->asked_ns < SLOW_NS || sp_datapath_get(p->node.dp, &key, &down))
		return exact;
	about = down.state.bytes - r->leg_bytes;
	about += (__s32)(exact - (__u32)about);
	return about > 0 ? about : exact;
}

/* ---- the end of a connection ---- */

static void take_ends(struct record *r, const struct sp_entry *up, const struct sp_entry *down)
{
	__u32 at;

	if (!reads_requests(r)) {
		r->bytes_in = up ? up->state.bytes : r->bytes_in;
		r->bytes_out = down ? down->state.bytes : 0;
	} else if (down && r->state != IDLE && down->state.next_seq) {
		at = down->state.next_seq + down->half.seq_delta -
		     !!(down->state.flags & SP_STATE_FIN);
		r->bytes_out = (__s32)(at - r->begin_at) > 0 ? at - r->begin_at : 0;
	}
}

static void finish_record(struct sp_proxy *p, struct record *r, const struct sp_entry *up,
			  const struct sp_entry *down, __u64 last_ns)
{
	const char *end = r->end ?: "expired";

	take_ends(r, up, down);
	if (reads_requests(r))
		end_exchange(p, r, last_ns, end);
	else
		write_record(p, r, "connection", last_ns, end);
	del_record(p, r);
}

static void finish_now(struct sp_proxy *p, struct record *r, __u64 last_ns)
{
	struct sp_tuple key = sp_tuple_reverse(&r->back);
	struct sp_entry up, down;
	int has_up = !sp_datapath_get(p->node.dp, &r->front, &up),
		has_down = !sp_datapath_get(p->node.dp, &key, &down);

	finish_record(p, r, has_up ? &up : NULL, has_down ? &down : NULL, last_ns);
}

/* The connection is an earlier daemon's: its record is made out of its halves. */
static struct record *recall_record(struct sp_proxy *p, const struct sp_tuple *front,
				    const struct sp_half *half, const struct sp_tuple *back)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, front);
	struct record *r;

	if (!service || !service->access.to || half->spliced_s >= p->access->start_s)
		return NULL;
	r = add_record(p, front, p->node.config, service);
	if (!r)
		return NULL;
	r->back = *back;
	r->pool = sp_config_pool_of(p->node.config, half->pool_id);
	r->mode = half->flags & SP_HALF_F_ADOPTED ? SP_MODE_ADOPT :
		  half->flags & SP_HALF_F_SPLIT ? SP_MODE_SPLIT : SP_MODE_WHOLE;
	return r;
}

static struct record *find_or_recall(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct record *r = find_record(p, front);
	struct sp_entry up;

	if (r || sp_datapath_get(p->node.dp, front, &up) || !up.state.is_logged)
		return r;
	return recall_record(p, front, &up.half, &up.half.out);
}

/* The ager removes a splice. @up: NULL: not known */
static void on_gone(void *ctx, const struct sp_tuple *down_key, const struct sp_entry *down,
		    const struct sp_entry *up)
{
	struct sp_proxy *p = ctx;
	struct sp_tuple front = sp_tuple_reverse(&down->half.out), back;
	struct record *r;

	if (!down->state.is_logged)
		return;
	sp_datapath_access_consume(p->node.dp);
	back = sp_tuple_reverse(down_key);
	r = find_record(p, &front);
	if (!r && !sp_state_is_closed(&down->state))
		r = recall_record(p, &front, &down->half, &back);
	if (r && !memcmp(&r->back, &back, sizeof(back)))
		finish_record(p, r, up, down, down->state.seen_ns);
}

/* ---- reports ---- */

static struct sp_access_text *find_text(const struct sp_access *a, __u64 key)
{
	const struct text_slot *slot = a->texts ? &a->texts[key % TEXTS] : NULL;

	return slot && slot->key == key ? sp_access_text_get(slot->text) : NULL;
}

static void take_request(struct sp_proxy *p, const struct sp_access_event *ev)
{
	struct record *r = find_or_recall(p, &ev->front);

	if (!r)
		return;
	end_exchange(p, r, ev->ns, "unknown");
	begin_exchange(r, find_text(p->access, ev->digest), ev->ns);
	r->bytes_in = ev->bytes;
}

/* "HTTP/1.1 200" */
static int parse_status(const __u8 *head)
{
	int status = 0;

	for (int i = 9; i < 12; i++) {
		if (head[i] < '0' || head[i] > '9')
			return 0;
		status = status * 10 + head[i] - '0';
	}
	return status;
}

static void answer_begins(struct record *r, int status, __u32 first_at, __u64 now_ns)
{
	if (r->state != ASKED)
		return;
	r->state = ANSWERED;
	r->first_ns = now_ns;
	r->status = status;
	if (!r->has_begin)
		r->begin_at = first_at;
	r->has_begin = 1;
}

/* A retransmission of the response before ends at the begin of this response. */
static void answer_ends(struct sp_proxy *p, struct record *r, __u32 at, __u64 now_ns)
{
	if (r->state == IDLE || !r->has_begin || (__s32)(at - r->begin_at) == 0)
		return;
	r->bytes_out = count_response(p, r, at, now_ns);
	end_exchange(p, r, now_ns, "complete");
	r->begin_at = at;
}

static void take_response(struct sp_proxy *p, const struct sp_access_event *ev)
{
	struct sp_tuple front = sp_tuple_reverse(&ev->front);
	struct record *r = find_record(p, &front);

	if (!r)
		return;
	if (ev->flags & SP_ACCESS_F_HEAD)
		answer_begins(r, parse_status(ev->head), ev->at - ev->bytes, ev->ns);
	if (ev->flags & SP_ACCESS_F_COMPLETE && r->state == ANSWERED)
		answer_ends(p, r, ev->at, ev->ns);
}

static void take_end(struct sp_proxy *p, const struct sp_access_event *ev)
{
	int is_back = !!(ev->flags & SP_ACCESS_F_FROM_BACKEND);
	struct sp_tuple front = is_back ? sp_tuple_reverse(&ev->front) : ev->front;
	struct record *r = find_or_recall(p, &front);

	if (!r)
		return;
	if (ev->flags & SP_ACCESS_F_RST) {
		r->end = is_back ? "backend_rst" : "client_rst";
		finish_now(p, r, ev->ns);
		return;
	}
	r->fins |= is_back ? FIN_BACKEND : FIN_CLIENT;
	r->end = r->end ?: is_back ? "backend_fin" : "client_fin";
	if (r->fins == FIN_BOTH || (is_back && r->state != IDLE && reads_requests(r)))
		finish_now(p, r, ev->ns);
}

static void on_access(void *ctx, const struct sp_access_event *ev)
{
	switch ((enum sp_access_kind)ev->kind) {
	case SP_ACCESS_REQUEST: take_request(ctx, ev); break;
	case SP_ACCESS_RESPONSE: take_response(ctx, ev); break;
	case SP_ACCESS_END: take_end(ctx, ev); break;
	}
}

void sp_access_tick(struct sp_proxy *p)
{
	struct sp_node_counters *counters = &p->node.counters;

	if (!p->node.access)
		return;		/* the daemon begins */
	sp_datapath_access_consume(p->node.dp);
	sp_access_sink_flush(p->node.access);
	sp_access_sink_counts(p->node.access, &counters->access_log_lines,
			      &counters->access_log_dropped);
	if (!(p->access->ticks++ % LOST_TICKS))
		p->access->lost = sp_datapath_access_lost(p->node.dp);
	counters->access_log_dropped += p->access->lost;
}

/* ---- the daemon's own part ---- */

static void keep_text(struct sp_conn *c, struct sp_access_text *text)
{
	sp_access_text_put(c->access);
	c->access = text;
}

void sp_access_http(struct sp_conn *c, const struct sp_http1 *head)
{
	if (sp_access_is_on(c))
		keep_text(c, sp_access_text_http(c->service->access.format, head));
}

void sp_access_tls(struct sp_conn *c, const struct sp_tls_hello *hello)
{
	if (sp_access_is_on(c))
		keep_text(c, sp_access_text_tls(hello));
}

void sp_access_heard(struct sp_conn *c)
{
	if (sp_access_is_on(c))
		c->access_ns = sp_exact_ns();
}

/* A text gives way together with the decision: else a later line would lack the text. */
void sp_access_decided(struct sp_proxy *p, const struct sp_conn *c, __u64 key)
{
	struct text_slot *slot;

	if (!key || !sp_access_is_on(c))
		return;
	if (!p->access->texts)
		p->access->texts = calloc(TEXTS, sizeof(*p->access->texts));
	if (!p->access->texts) {
		sp_datapath_undecide(p->node.dp, key);
		return;
	}
	slot = &p->access->texts[key % TEXTS];
	if (slot->key == key && slot->text)
		return;
	if (slot->text)
		sp_datapath_undecide(p->node.dp, slot->key);
	sp_access_text_put(slot->text);
	*slot = (struct text_slot){ key, sp_access_text_get(c->access) };
}

/* More of a chunked body. */
static void add_body(struct record *r, const struct sp_conn *c)
{
	r->bytes_in += c->request.bytes;
}

static void take_leg(struct record *r, const struct sp_conn *c)
{
	if (memcmp(&r->back, &c->up.out, sizeof(r->back)))
		r->leg_bytes = 0;
	r->back = c->up.out;
	r->pool = sp_config_pool_of(r->config, c->up.pool_id);
	r->mode = c->mode;
	if (c->origin.port_be)
		r->client = c->origin;
}

void sp_access_forward(struct sp_proxy *p, const struct sp_conn *c)
{
	struct record *r;

	if (!sp_access_is_on(c) || c->is_again)
		return;
	sp_datapath_access_consume(p->node.dp);
	r = c->is_next ? find_record(p, &c->front) : NULL;
	if (r && c->begins != SP_BOUND_STOP) {
		add_body(r, c);
		return;
	}
	if (!r) {
		r = find_record(p, &c->front);
		if (r)
			finish_now(p, r, sp_exact_ns());	/* of a connection before */
		r = add_record(p, &c->front, c->config, c->service);
	}
	if (!r)
		return;
	end_exchange(p, r, sp_exact_ns(), "unknown");
	take_leg(r, c);
	begin_exchange(r, sp_access_text_get(c->access), c->access_ns);
	r->connected_ns = sp_exact_ns();
	r->bytes_in = c->request.bytes;
	r->begin_at = c->client.isn_ours + 1;
	r->has_begin = 1;
}

void sp_access_replied(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_access_line line = {
		.format = c->service->access.format, .event = "reply",
		.service = c->service->name, .text = c->access, .status = c->status,
		.begun_ms = begun_ms(c->access_ns), .bytes_in = c->reasm.len,
		.client = { c->front.saddr, c->front.sport }, .connect_us = SP_ACCESS_UNKNOWN,
		.first_us = SP_ACCESS_UNKNOWN, .end = "replied",
	};
	struct record *r;

	if (!sp_access_is_on(c) || (c->status == SP_REPLY_NOTHING && !c->reasm.len))
		return;
	line.last_us = c->access_ns ? (sp_exact_ns() - c->access_ns) / 1000 : SP_ACCESS_UNKNOWN;
	if (c->origin.port_be)
		line.client = c->origin;
	sp_datapath_access_consume(p->node.dp);
	r = find_record(p, &c->front);
	if (r) {
		end_exchange(p, r, sp_exact_ns(), "unknown");
		del_record(p, r);
	}
	write_line(p, sp_access_sink_target(p->node.access, c->service->access.to), &line);
}

static void end_by_segment(struct sp_proxy *p, struct record *r, const struct sp_entry *down,
			   const struct sp_reading *reading, const struct sp_segment *seg)
{
	__u32 end = seg->seq + seg->payload_len, until = reading->boundary.until;

	if (sp_reading_is_stop(&reading->boundary) && (__s32)(end - until) >= 0)
		answer_ends(p, r, until + down->half.seq_delta, sp_exact_ns());
}

void sp_access_response(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_boundary *was, const struct sp_reading *reading,
			const struct sp_segment *seg)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct record *r;

	if (!down->state.is_logged)
		return;
	sp_datapath_access_consume(p->node.dp);
	r = find_record(p, &front);
	if (!r)
		return;
	if (was->bound == SP_BOUND_HEAD && reading->boundary.bound != SP_BOUND_HEAD)
		answer_begins(r, reading->status, was->until + down->half.seq_delta,
			      sp_exact_ns());
	if (r->state == ANSWERED)
		end_by_segment(p, r, down, reading, seg);
}

__u32 sp_access_exchanges(struct sp_proxy *p, const struct sp_tuple *front)
{
	const struct record *r = p->access ? find_record(p, front) : NULL;

	return r && reads_requests(r) ? r->exchanges : 0;
}

/* ---- the module ---- */

int sp_access_open(struct sp_proxy *p)
{
	p->access = calloc(1, sizeof(*p->access));
	if (!p->access)
		return -ENOMEM;
	p->access->start_s = sp_real_ms() / 1000;
	p->node.ager.gone = on_gone;
	return sp_datapath_access_subscribe(p->node.dp, on_access, p);
}

void sp_access_close(struct sp_access *a)
{
	if (!a)
		return;
	for (unsigned int i = 0; a->buckets && i < BUCKETS; i++)
		for (struct record *r = a->buckets[i], *next; r; r = next) {
			next = r->next;
			sp_access_text_put(r->text);
			sp_config_put(r->config);
			free(r);
		}
	for (unsigned int i = 0; a->texts && i < TEXTS; i++)
		sp_access_text_put(a->texts[i].text);
	free(a->buckets);
	free(a->texts);
	free(a);
}
