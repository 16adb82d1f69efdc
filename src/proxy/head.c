// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* head.c - the first bytes of a connection are held until they decide its pool */
#include "proxy/head.h"

#include <string.h>

#include "abi/cookie.h"
#include "l7/http1.h"
#include "l7/request_key.h"
#include "l7/route.h"
#include "l7/tls_hello.h"
#include "proxy/access.h"
#include "proxy/remake.h"
#include "proxy/change.h"
#include "proxy/kept.h"
#include "proxy/room.h"

#define CHALLENGE_NS	500000000ULL
/* another proxy's commit was seen: by then the splice exists, or the proxy is gone */
#define CLAIM_AGAIN_NS	500000000ULL

/* A head longer than allowed never becomes whole, however many bytes follow. */
static __u32 head_bytes(const struct sp_conn *c)
{
	__u32 max = c->config->limits.head_bytes;

	return (c->reasm.len < max ? c->reasm.len : max) - c->skip;
}

/* RFC 9110, 9.2.2. */
static int is_idempotent(const struct sp_str *method)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i]) == method->len &&
		    !memcmp(methods[i], method->p, method->len))
			return 1;
	return 0;
}

/* @skip: bytes before the head */
static struct sp_request request_of(const struct sp_http1 *head, __u32 skip)
{
	const struct sp_http1_framing *f = &head->framing;

	return (struct sp_request){
		.bytes = skip + head->head_len + f->length,
		.bound = f->body == SP_HTTP1_BODY_CHUNKED ? SP_BOUND_CHUNK : SP_BOUND_STOP,
		.reading = (f->is_head ? SP_READING_NO_BODY : 0) |
			   (f->is_persistent ? 0 : SP_READING_CLOSES) |
			   (f->is_upgrade ? SP_READING_UPGRADE : 0) |
			   (f->is_connect ? SP_READING_CONNECT : 0),
		.is_repeatable = is_idempotent(&head->method) && !f->is_upgrade && !f->is_connect,
		.expects = f->expects_continue,
		.is_bare = f->body == SP_HTTP1_BODY_NONE && !f->is_upgrade && !f->is_connect,
	};
}

static int pool_of(const struct sp_conn *c, int route_idx)
{
	if (route_idx == SP_ROUTE_AMBIGUOUS)
		return -1;
	return route_idx < 0 ? c->service->default_pool_idx :
	       c->service->routes[route_idx].pool_idx;
}

static void note_key(struct sp_conn *c, const struct sp_http1 *head, int pool_idx)
{
	const struct sp_pool_conf *pool = pool_idx < 0 ? NULL : &c->config->pools[pool_idx];

	c->has_key = pool && sp_pool_hashes_requests(pool) &&
		     !sp_request_key(head, pool->hash_by, pool->hash_name, &c->key);
}

static enum sp_parse_verdict route_http1(struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_http1 head;
	enum sp_parse_verdict v = sp_http1_parse(buf, head_bytes(c), &head);

	if (v == SP_PARSE_OK && head.framing.length > SP_BOUNDARY_MAX - SP_CONN_BUF)
		v = SP_PARSE_BAD;
	c->request = request_of(&head, c->skip);
	if (v != SP_PARSE_OK)
		return v;
	*ret_idx = sp_route_http1(c->service->routes, c->service->route_count,
				  c->service->ambiguous_paths, &head);
	note_key(c, &head, pool_of(c, *ret_idx));
	sp_access_http(c, &head);
	return v;
}

static enum sp_parse_verdict route_tls(struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_tls_hello hello;
	enum sp_parse_verdict v = sp_tls_hello_parse((const unsigned char *)buf, head_bytes(c),
						     &hello);

	if (v != SP_PARSE_OK)
		return v;
	*ret_idx = sp_route_tls(c->service->routes, c->service->route_count, &hello);
	sp_access_tls(c, &hello);
	return v;
}

static enum sp_parse_verdict parse_bytes(struct sp_proxy *p, struct sp_conn *c, int *ret_idx)
{
	enum sp_parse_verdict v = sp_change_origin(p, c);
	const char *buf = sp_conn_buf(p->conns, c) + c->skip;

	if (v != SP_PARSE_OK)
		return v;
	switch (c->service->protocol) {
	case SP_PROTOCOL_HTTP:
		return route_http1(c, buf, ret_idx);
	case SP_PROTOCOL_TLS:
		return route_tls(c, buf, ret_idx);
	case SP_PROTOCOL_TCP:
		break;
	}
	return SP_PARSE_OK;
}

/* The target alone may be too long: RFC 9112, 3. A line feed before ends an empty line. */
static int too_large(struct sp_proxy *p, const struct sp_conn *c)
{
	return memchr(sp_conn_buf(p->conns, c) + c->skip + 2, '\n', head_bytes(c) - 2) ? 431 : 414;
}

static struct sp_next wait_for_rest(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len >= c->fin_at)
		return sp_next_reply(c->reasm.len ? 400 :
				     SP_REPLY_NOTHING,
				     "its client closed it before the head was whole");
	if (c->reasm.len > c->config->limits.head_bytes)
		return sp_next_reply(too_large(p, c), "the head is too large");
	if (!sp_room_for_bytes(p, c, 0)) {
		p->node.counters.held_full++;
		return sp_next_reply(503, "limit held is reached");
	}
	sp_conn_trap(p, c);
	return sp_next(SP_NEXT_STASH, "the head is incomplete");
}

/*
 * A request that is kept goes to its backend as a whole: then the daemon has all of the request. If
 * the time of a head is over, the rest goes by the datapath, and the request is not kept.
 */
static int awaits_body(struct sp_proxy *p, const struct sp_conn *c, int pool_idx)
{
	const struct sp_request *r = &c->request;
	const struct sp_pool_conf *pool = pool_idx < 0 ? NULL :
					  sp_kept_pool(p, c->config->pools[pool_idx].id);

	return pool && !c->is_again && r->is_repeatable && !r->expects && !c->skip &&
	       r->bound == SP_BOUND_STOP && r->bytes <= pool->keep_bytes &&
	       c->reasm.len < r->bytes && c->reasm.len < c->fin_at &&
	       sp_now_ns() < c->deadline_ns && sp_room_for_bytes(p, c, 0);
}

static struct sp_next connect_to(struct sp_proxy *p, struct sp_conn *c, int route_idx)
{
	int status;

	c->awaits_body = awaits_body(p, c, pool_of(c, route_idx));
	if (c->awaits_body) {
		sp_conn_trap(p, c);
		return sp_next(SP_NEXT_STASH, "the body is incomplete");
	}

	sp_access_heard(c);
	if (route_idx == SP_ROUTE_AMBIGUOUS) {
		p->node.counters.path_ambiguous++;
		return sp_next_reply(400, "servers differ about this path");
	}
	status = sp_change_plan(p, c);
	if (status) {
		p->node.counters.changes_refused++;
		return sp_next_reply(status < 0 ? SP_REPLY_NOTHING : status, "its head can't be changed");
	}
	c->ack_ns = 0;
	if (c->is_again)
		return sp_remake_parsed(p, c, pool_of(c, route_idx));
	return (struct sp_next){ SP_NEXT_CONNECT, pool_of(c, route_idx), "the head is whole" };
}

static struct sp_next refuse_origin(struct sp_proxy *p)
{
	p->node.counters.origins_refused++;
	return sp_next_reply(SP_REPLY_NOTHING, "no header of the PROXY protocol");
}

struct sp_next sp_head_parse(struct sp_proxy *p, struct sp_conn *c)
{
	int idx = -1;

	c->parsed = c->reasm.len;
	if (c->begins == SP_BOUND_CHUNK || c->begins == SP_BOUND_CHUNK_END)
		return sp_next(SP_NEXT_BODY, NULL);
	if (c->is_next && !c->reasm.len && c->reasm.len < c->fin_at)
		return sp_next_wait();
	switch (parse_bytes(p, c, &idx)) {
	case SP_PARSE_BAD:
		if (sp_change_expects_origin(c))
			return refuse_origin(p);
		return sp_next_reply(400, "the head is malformed");
	case SP_PARSE_INCOMPLETE:
		return wait_for_rest(p, c);
	case SP_PARSE_OK:
		break;
	}
	return connect_to(p, c, idx);
}

/*
 * The parsers begin at the first byte each time. A head that grew by little is parsed again only at
 * the next tick, and of all such heads together PARSE_PER_TICK bytes (dispatch.c). So a client with
 * one byte in each segment costs no more.
 */
static struct sp_next parse_grown(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->awaits_body && c->reasm.len < c->request.bytes && c->reasm.len < c->fin_at) {
		c->parsed = c->reasm.len;
		return sp_next(SP_NEXT_STASH, "the body is incomplete");
	}
	if (c->awaits_body)
		return sp_head_parse(p, c);
	if (c->begins != SP_BOUND_STOP || c->reasm.len - c->parsed >= c->parsed / 8 ||
	    c->reasm.len >= c->fin_at)
		return sp_head_parse(p, c);
	return sp_next(SP_NEXT_STASH, "the head grew by little");
}

static struct sp_next parse_later(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len > p->parse_budget)
		return sp_next_wait();
	p->parse_budget -= c->reasm.len;
	return sp_head_parse(p, c);
}

/*
 * A TSval that is being committed is part of the splice. The earlier TSval of an overtaken segment
 * is not echoed: the client would take a retransmission for spurious (RFC 3522), and wait.
 */
static void note_tsval(struct sp_conn *c, __u32 tsval)
{
	if ((__s32)(tsval - c->heard_tsval) > 0)
		c->heard_tsval = tsval;
	if (!sp_conn_is_committing(c))
		c->client.tsval_theirs = c->heard_tsval;
}

/*
 * The first segment is held even if limit `held` is reached: a whole head needs memory no longer
 * than the backend takes to answer, and wait_for_rest() decides about an incomplete head.
 * Return: whether more of the stream is now without a hole.
 */
static int hold_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	__s64 at = (__s32)(seg->seq - (c->client.isn_theirs + 1));
	__u32 grew;

	if (c->reasm.top && !sp_room_for_bytes(p, c, seg->payload_len)) {
		p->node.counters.held_full++;
		return 0;
	}
	if (seg->has_ts)
		note_tsval(c, seg->tsval);
	if ((__s32)(seg->ack - c->heard_ack) > 0)
		c->heard_ack = seg->ack;
	if (c->is_next && seg->has_ts && (__s32)(seg->tsecr - c->client.tsval_ours) >= 0) {
		c->client.tsval_ours = seg->tsecr;
		c->heard_ns = sp_now_ns();
	}
	c->pieces++;
	c->window = seg->window;
	c->is_ce |= seg->is_ce;
	grew = sp_conn_put(p, c, at, seg->payload, seg->payload_len);
	if (seg->flags & SP_TCP_FIN && at + (__s64)seg->payload_len >= 0 &&
	    at + seg->payload_len <= SP_CONN_BUF)
		c->fin_at = at + seg->payload_len;
	p->node.counters.segment_gap += !!c->reasm.span_count;
	return grew || c->reasm.len >= c->fin_at;
}

/*
 * A retransmission: the acknowledgement was lost; or a keepalive probe; or bytes that went to
 * another proxy.
 */
static void acknowledge_again(struct sp_proxy *p, const struct sp_conn *c,
			      const struct sp_segment *seg)
{
	struct sp_segment ack = sp_conn_segment(c, SP_TCP_ACK, c->acked);
	int is_probe = (__s32)(seg->seq - ack.ack) < 0;

	if (c->is_next && is_probe && (__s32)(seg->seq - (ack.ack - c->acked)) < 0)
		return;		/* of the request before: its backend acknowledges */
	if (c->state == SP_CONN_HEAD && !c->lent && (is_probe || (c->acked && seg->payload_len)))
		sp_wire_send(p->node.wire, &ack);
}

struct sp_next sp_head_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	c->is_news |= !!seg->payload_len;
	if (!hold_segment(p, c, seg))
		acknowledge_again(p, c, seg);
	else if (c->state == SP_CONN_HEAD)
		return parse_grown(p, c);
	return sp_next_wait();
}

/*
 * Return: whether an RST ends @c (RFC 9293, 3.10.7.4; RFC 5961, 3). The number must be the next
 * number behind the held bytes, or the acknowledged number. The latter comes from a client that has
 * forgotten the connection and answers us.
 */
static int rst_fits(const struct sp_conn *c, const struct sp_segment *seg)
{
	__u32 at = seg->seq - (c->client.isn_theirs + 1);

	if (seg->flags & SP_TCP_ACK && seg->ack != c->client.isn_ours + 1)
		return 0;
	return at == c->acked || at == c->reasm.len + (c->reasm.len >= c->fin_at);
}

/* Other proxies may rely on a splice that is being committed: it begins, and ends as a splice. */
static struct sp_next end_by_rst(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.client_reset++;
	sp_synack_forget(p->synacks, &c->front, c->client_isn);
	if (!sp_conn_is_committing(c))
		return sp_next(SP_NEXT_END, "reset by its client");
	c->is_reset = 1;
	return sp_next_wait();
}

/*
 * At most ten in five seconds (RFC 5961, 7), counted for each connection: a common count would tell
 * a stranger the right numbers (CVE-2016-5696).
 */
static void challenge_rst(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment ack = sp_conn_segment(c, SP_TCP_ACK, c->acked);
	__u64 now_ns = sp_now_ns();

	if (now_ns < c->challenge_ns) {
		p->node.counters.challenge_throttled++;
		return;
	}
	c->challenge_ns = now_ns + CHALLENGE_NS;
	p->node.counters.rst_challenged++;
	sp_wire_send(p->node.wire, &ack);
}

/*
 * If the number does not fit, this proxy may lack some of the client's segments. A client without
 * the connection answers the challenge by an RST that fits (RFC 5961, 3.2).
 */
struct sp_next sp_head_rst(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (rst_fits(c, seg))
		return end_by_rst(p, c);
	if (seg->seq - (c->client.isn_theirs + 1 + c->acked) < SP_CONN_BUF)
		challenge_rst(p, c);
	else
		p->node.counters.segment_foreign++;
	return sp_next_wait();
}

/* The cookie carries window scale, SACK and MSS. */
static void read_cookie(struct sp_conn *c, enum sp_cookie cookie, __u8 data, __u16 mss_max)
{
	int is_small = cookie == SP_COOKIE_SMALL,
		is_tiny = is_small && sp_cookie_small_is_tiny(data);
	__u8 wscale = is_tiny ? SP_COOKIE_WSCALE_NONE : sp_cookie_data_wscale(data);

	c->client.wscale_theirs = wscale == SP_COOKIE_WSCALE_NONE ? -1 : wscale;
	c->is_sack = !is_tiny && sp_cookie_data_is_sack(data);
	c->mss = is_small ? sp_cookie_mss_small(data) :
		sp_cookie_mss(sp_cookie_data_mss_class(data), mss_max);
}

static void read_offer(struct sp_conn *c, const struct sp_segment *seg, enum sp_cookie cookie,
			   const struct sp_service *offer)
{
	c->client.isn_ours = seg->ack - 1;
	c->client.isn_theirs = seg->seq - 1;
	c->client_isn = seg->seq - 1;
	c->client.has_ts = seg->has_ts;
	c->client.tsval_ours = seg->tsecr;
	c->client.tsval_theirs = seg->tsval;
	c->heard_ack = seg->ack;
	c->heard_tsval = seg->tsval;
	c->is_ecn = cookie == SP_COOKIE_ECN;
	read_cookie(c, cookie, (seg->ack - 1) & 0xff, offer->mss_max);
	c->client.wscale_ours = c->client.wscale_theirs < 0 ? -1 : offer->wscale;
}

struct sp_conn *sp_head_begin(struct sp_proxy *p, const struct sp_segment *seg,
			      enum sp_cookie cookie)
{
	const struct sp_service *offer = sp_datapath_service(p->node.dp, &seg->tuple);
	struct sp_conn *c;

	if (!offer || !sp_config_service_at(p->node.config, &seg->tuple))
		return NULL;
	c = sp_conn_begin(p, &seg->tuple, "its first segment is here");
	if (!c && sp_room_for_one(p))
		c = sp_conn_begin(p, &seg->tuple,
				  "its first segment is here, another one gave way");
	if (!c) {
		p->node.counters.pending_full++;
		return NULL;
	}
	read_offer(c, seg, cookie ?: sp_datapath_cookie(p->node.dp, seg), offer);
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	hold_segment(p, c, seg);
	return c;
}

struct early {
	struct sp_proxy	*proxy;
	struct sp_conn	*conn;
	int		is_reset;
};

static void take_early(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct early *early = ctx;

	if (seg->flags & SP_TCP_RST)
		early->is_reset |= rst_fits(early->conn, seg);
	else if (seg->ack == early->conn->client.isn_ours + 1 && !(flags & SP_STRAY_F_CUT))
		hold_segment(early->proxy, early->conn, seg);
}

int sp_head_is_first(const struct sp_conn *c, const struct sp_segment *seg)
{
	return c->client.isn_theirs == seg->seq - 1 && c->client.isn_ours == seg->ack - 1;
}

/*
 * A segment with the whole head needs no home: if another proxy gets the segment as well, the claim
 * decides. An incomplete head needs a home. So does a reply of our own, since the client's answer
 * may come to any proxy.
 */
int sp_head_is_whole(struct sp_proxy *p, struct sp_conn *c)
{
	int idx = -1;

	if (sp_cluster_state(p->node.cluster) == SP_MEMBER_SYNCING ||
	    sp_datapath_count(p->node.dp)->splices >=
	    sp_datapath_count(p->node.dp)->max || parse_bytes(p, c, &idx) != SP_PARSE_OK)
		return 0;
	return pool_of(c, idx) >= 0;
}

struct sp_next sp_head_start(struct sp_proxy *p, struct sp_conn *c)
{
	struct early early = { .proxy = p, .conn = c };

	sp_stray_take(p->node.strays, sp_conns_hash(p->conns, &c->front), &c->front, sp_now_ns(),
		      take_early, &early);
	return early.is_reset ? end_by_rst(p, c) : sp_head_parse(p, c);
}

void sp_head_retry(struct sp_proxy *p, struct sp_conn *c)
{
	sp_conn_enter(c, SP_CONN_HEAD, "no splice came of it, acknowledged bytes are left");
	c->parsed = c->reasm.len;
	c->is_turn = 0;
	c->is_staying = 0;
	c->again_ns = sp_now_ns() + CLAIM_AGAIN_NS;
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	c->tries = 0;
	c->tried = 0;
	c->queued_ns = 0;
	c->is_queued = 0;
	c->is_queue_over = 0;
	c->is_trapped = 0;
	sp_conn_trap(p, c);
}

struct sp_segment sp_head_as_segment(struct sp_proxy *p, const struct sp_conn *c)
{
	return (struct sp_segment){
		.tuple = c->front, .seq = c->client.isn_theirs + 1, .ack = c->client.isn_ours + 1,
		.window = c->window, .wscale = -1, .has_ts = c->client.has_ts,
		.tsval = c->client.tsval_theirs,
		.tsecr = c->client.tsval_ours, .is_ce = c->is_ce,
		.payload = sp_conn_buf(p->conns, c), .payload_len = c->reasm.len,
		.flags = SP_TCP_ACK | (c->reasm.len == c->fin_at ? SP_TCP_FIN : 0),
	};
}

struct sp_next sp_head_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (c->again_ns && now_ns >= c->again_ns) {
		c->again_ns = 0;
		c->parsed = 0;
	}
	if (now_ns >= c->deadline_ns && c->awaits_body)
		return sp_head_parse(p, c);
	if (now_ns >= c->deadline_ns)
		return sp_next_reply(408, "the head did not come in time");
	if (c->parsed != c->reasm.len)
		return parse_later(p, c);
	return sp_next_wait();
}
