// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access.c - see access.h
 *
 * Theory of operation. A logged connection has a record here, from its splice to its end. The
 * daemon begins an exchange when it forwards a request. The datapath reports requests that it
 * carries alone (by the digest of their bytes, for which a table here has the text), heads and last
 * bytes of responses, and FIN and RST. The ring of its reports is read at ticks, and before the
 * daemon changes a record: so the order holds.
 *
 * Records die with the daemon. Of an earlier daemon's connection the text of the head is unknown.
 */
#include "proxy/access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/access_sink.h"
#include "proxy/access_record.h"
#include "proxy/home.h"
#include "proxy/reading.h"

#define LOST_TICKS	50
#define TEXTS		65536	/* of requests that the datapath carries alone */
#define SLOW_NS		200000000ULL	/* a faster response has less than 4 GiB */

/*
 * Numbers of a long response come again after 4 GiB: the half counts bytes, but some of them
 * twice. @at: number behind the response
 */
static __u64 count_response(struct sp_proxy *p, const struct sp_access_record *r, __u32 at,
			    __u64 now_ns)
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

int sp_access_wants(const struct sp_proxy *p, const struct sp_tuple *front)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, front);

	return service && service->access.to;
}

static int is_source(const struct sp_cluster_conf *conf, const struct sp_addr *addr)
{
	for (size_t i = 0; i < conf->source_count; i++)
		if (sp_addr_equal(&conf->sources[i], addr))
			return 1;
	return 0;
}

/*
 * A splice without a record was an earlier daemon's, or a dead proxy's. Times are seconds: in the
 * second of its start this daemon may have made and finished the record.
 */
static int is_left_to_us(const struct sp_proxy *p, const struct sp_tuple *front,
			 const struct sp_half *half, const struct sp_tuple *back)
{
	if (!sp_node_is_shared(&p->node) || sp_home_owns(p, &back->saddr))
		return half->spliced_s <= p->access->start_s;
	return is_source(&p->node.config->cluster, &back->saddr) &&
	       !sp_cluster_has_owner(p->node.cluster, &back->saddr) &&
	       sp_cluster_is_home(p->node.cluster, front);
}

/* The record is made out of the halves. */
static struct sp_access_record *recall_record(struct sp_proxy *p, const struct sp_tuple *front,
					      const struct sp_half *half,
					      const struct sp_tuple *back)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, front);
	struct sp_access_record *r;

	if (!service || !service->access.to || !is_left_to_us(p, front, half, back))
		return NULL;
	r = sp_access_add(p, front, service);
	if (!r)
		return NULL;
	r->back = *back;
	sp_access_use_pool(r, sp_config_pool_of(p->node.config, half->pool_id));
	r->mode = half->flags & SP_HALF_F_ADOPTED ? SP_MODE_ADOPT :
		  half->flags & SP_HALF_F_SPLIT ? SP_MODE_SPLIT : SP_MODE_WHOLE;
	return r;
}

static struct sp_access_record *find_or_recall(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_access_record *r = sp_access_find(p, front);
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
	struct sp_access_record *r;

	if (!down->state.is_logged)
		return;
	sp_datapath_access_consume(p->node.dp);
	back = sp_tuple_reverse(down_key);
	r = sp_access_find(p, &front);
	if (!r && !sp_state_is_closed(&down->state))
		r = recall_record(p, &front, &down->half, &back);
	if (r && !memcmp(&r->back, &back, sizeof(back)))
		sp_access_finish(p, r, up, down, down->state.seen_ns);
}

/* ---- reports ---- */

static struct sp_access_text *find_text(const struct sp_access *a, __u64 key)
{
	const struct sp_access_slot *slot = a->texts ? &a->texts[key % TEXTS] : NULL;

	return slot && slot->key == key ? sp_access_text_get(slot->text) : NULL;
}

static void take_request(struct sp_proxy *p, const struct sp_access_event *ev)
{
	struct sp_access_record *r = find_or_recall(p, &ev->front);

	if (!r)
		return;
	sp_access_end_exchange(p, r, ev->ns, "unknown");
	sp_access_begin_exchange(r, find_text(p->access, ev->digest), ev->ns);
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

static void answer_begins(struct sp_access_record *r, int status, __u32 first_at, __u64 now_ns)
{
	if (r->state != SP_ACCESS_ASKED)
		return;
	r->state = SP_ACCESS_ANSWERED;
	r->first_ns = now_ns;
	r->status = status;
	if (!r->has_begin)
		r->begin_at = first_at;
	r->has_begin = 1;
}

/* A retransmission of the response before ends at the begin of this response. */
static void answer_ends(struct sp_proxy *p, struct sp_access_record *r, __u32 at, __u64 now_ns)
{
	if (r->state == SP_ACCESS_IDLE || !r->has_begin || (__s32)(at - r->begin_at) == 0)
		return;
	r->bytes_out = count_response(p, r, at, now_ns);
	sp_access_end_exchange(p, r, now_ns, "complete");
	r->begin_at = at;
}

static void take_response(struct sp_proxy *p, const struct sp_access_event *ev)
{
	struct sp_tuple front = sp_tuple_reverse(&ev->front);
	struct sp_access_record *r = sp_access_find(p, &front);

	if (!r)
		return;
	if (ev->flags & SP_ACCESS_F_HEAD)
		answer_begins(r, parse_status(ev->head), ev->at - ev->bytes, ev->ns);
	if (ev->flags & SP_ACCESS_F_COMPLETE && r->state == SP_ACCESS_ANSWERED)
		answer_ends(p, r, ev->at, ev->ns);
}

static void take_end(struct sp_proxy *p, const struct sp_access_event *ev)
{
	int is_back = !!(ev->flags & SP_ACCESS_F_FROM_BACKEND);
	struct sp_tuple front = is_back ? sp_tuple_reverse(&ev->front) : ev->front;
	struct sp_access_record *r = find_or_recall(p, &front);

	if (!r)
		return;
	if (ev->flags & SP_ACCESS_F_RST) {
		r->end = is_back ? "backend_rst" : "client_rst";
		sp_access_finish_now(p, r, ev->ns);
		return;
	}
	r->fins |= is_back ? SP_ACCESS_FIN_BACKEND : SP_ACCESS_FIN_CLIENT;
	r->end = r->end ?: is_back ? "backend_fin" : "client_fin";
	if (r->fins == SP_ACCESS_FIN_BOTH ||
	    (is_back && r->state != SP_ACCESS_IDLE && r->reads_requests))
		sp_access_finish_now(p, r, ev->ns);
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
	p->access->real_offset_ms = sp_real_ms() - sp_exact_ns() / 1000000;
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
	struct sp_access_slot *slot;

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
	*slot = (struct sp_access_slot){ key, sp_access_text_get(c->access) };
}

/* More of a chunked body. */
static void add_body(struct sp_access_record *r, const struct sp_conn *c)
{
	r->bytes_in += c->request.bytes;
}

static void take_leg(struct sp_proxy *p, struct sp_access_record *r, const struct sp_conn *c)
{
	sp_access_use(p, r, c->service);
	if (memcmp(&r->back, &c->up.out, sizeof(r->back)))
		r->leg_bytes = 0;
	r->back = c->up.out;
	sp_access_use_pool(r, sp_config_pool_of(c->config, c->up.pool_id));
	r->mode = c->mode;
	if (c->origin.port_be)
		r->client = c->origin;
}

/* The request goes to a further backend, and the exchange goes on. */
static int is_continued(const struct sp_access_record *r, const struct sp_conn *c)
{
	return c->is_continued && (r->state == SP_ACCESS_ASKED || (c->is_part && r->state));
}

void sp_access_forward(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_access_record *r;

	if (!sp_access_is_on(c) || c->is_again)
		return;
	sp_datapath_access_consume(p->node.dp);
	r = c->is_next ? sp_access_find(p, &c->front) : NULL;
	if (r && c->begins != SP_BOUND_STOP) {
		add_body(r, c);
		return;
	}
	if (!r) {
		r = sp_access_find(p, &c->front);
		if (r)
			sp_access_finish_now(p, r, sp_exact_ns());	/* of a connection before */
		r = sp_access_add(p, &c->front, c->service);
	}
	if (!r)
		return;
	if (!is_continued(r, c)) {
		sp_access_end_exchange(p, r, sp_exact_ns(), "unknown");
		sp_access_begin_exchange(r, sp_access_text_get(c->access), c->access_ns);
	}
	take_leg(p, r, c);
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
		.bytes_in = c->reasm.len,
		.client = { c->front.saddr, c->front.sport }, .connect_us = SP_ACCESS_UNKNOWN,
		.first_us = SP_ACCESS_UNKNOWN, .end = "replied",
	};
	__u64 begun_ns = c->access_ns;
	struct sp_access_record *r;

	if (!sp_access_is_on(c) || (c->status == SP_REPLY_NOTHING && !c->reasm.len))
		return;
	sp_datapath_access_consume(p->node.dp);
	r = sp_access_find(p, &c->front);
	if (r && is_continued(r, c))
		begun_ns = r->asked_ns;
	line.begun_ms = sp_access_begun_ms(p->access, begun_ns);
	line.last_us = begun_ns ? (sp_exact_ns() - begun_ns) / 1000 : SP_ACCESS_UNKNOWN;
	if (c->origin.port_be)
		line.client = c->origin;
	if (r) {
		if (!is_continued(r, c))
			sp_access_end_exchange(p, r, sp_exact_ns(), "unknown");
		sp_access_del(p, r);
	}
	sp_access_count_reply(p, c->service, c->status, c->reasm.len);
	sp_access_write(p, sp_access_sink_target(p->node.access, c->service->access.to), &line);
}

static void end_by_segment(struct sp_proxy *p, struct sp_access_record *r,
			   const struct sp_entry *down, const struct sp_reading *reading,
			   const struct sp_segment *seg)
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
	struct sp_access_record *r;

	if (!down->state.is_logged)
		return;
	sp_datapath_access_consume(p->node.dp);
	r = sp_access_find(p, &front);
	if (!r)
		return;
	if (was->bound == SP_BOUND_HEAD && reading->boundary.bound != SP_BOUND_HEAD)
		answer_begins(r, reading->status, was->until + down->half.seq_delta,
			      sp_exact_ns());
	if (r->state == SP_ACCESS_ANSWERED)
		end_by_segment(p, r, down, reading, seg);
}

__u32 sp_access_exchanges(struct sp_proxy *p, const struct sp_tuple *front)
{
	const struct sp_access_record *r = p->access ? sp_access_find(p, front) : NULL;

	return r && r->reads_requests ? r->exchanges : 0;
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
	sp_access_records_free(a);
	for (unsigned int i = 0; a->texts && i < TEXTS; i++)
		sp_access_text_put(a->texts[i].text);
	free(a->texts);
	free(a);
}
