// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* head.c - the first bytes of a connection: held until they say where it goes. */
#include "abi/cookie.h"
#include "proxy/proxy.h"
#include "l7/http1.h"
#include "l7/route.h"
#include "l7/tls_hello.h"
#include "tcp/relay.h"

#define PAGE		4096
#define CHALLENGE_NS	500000000ULL
#define ASK_NS		1000000000ULL	/* no client repeats acknowledged bytes, so nothing new need ever come */

__u32 sp_head_pages(const struct sp_conn *c)
{
	return (c->reasm.top + PAGE - 1) / PAGE * PAGE;
}

/* A head that is longer than allowed is not whole, whatever comes behind. */
static __u32 head_bytes(const struct sp_conn *c)
{
	__u32 max = c->config->limits.head_bytes;

	return c->reasm.len < max ? c->reasm.len : max;
}

static enum sp_parse_verdict route_http1(const struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_http1 head;
	enum sp_parse_verdict v = sp_http1_parse(buf, head_bytes(c), &head);

	if (v == SP_PARSE_OK)
		*ret_idx = sp_route_http1(c->service->routes, c->service->route_count,
					  c->service->ambiguous_paths, &head);
	return v;
}

static enum sp_parse_verdict route_tls(const struct sp_conn *c, const char *buf, int *ret_idx)
{
	static struct sp_tls_hello hello;
	enum sp_parse_verdict v = sp_tls_hello_parse((const unsigned char *)buf, head_bytes(c), &hello);

	if (v == SP_PARSE_OK)
		*ret_idx = sp_route_tls(c->service->routes, c->service->route_count, &hello);
	return v;
}

static enum sp_parse_verdict parse(struct sp_proxy *p, const struct sp_conn *c, int *ret_idx)
{
	switch (c->service->protocol) {
	case SP_PROTOCOL_HTTP:
		return route_http1(c, sp_conn_buf(p->conns, c), ret_idx);
	case SP_PROTOCOL_TLS:
		return route_tls(c, sp_conn_buf(p->conns, c), ret_idx);
	case SP_PROTOCOL_TCP:
		break;
	}
	return SP_PARSE_OK;
}

/* The target alone may be too long: RFC 9112, 3. A line feed before it ends an empty line. */
static int too_large(struct sp_proxy *p, const struct sp_conn *c)
{
	return memchr(sp_conn_buf(p->conns, c) + 2, '\n', head_bytes(c) - 2) ? 431 : 414;
}

static void incomplete(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len >= c->fin_at) {
		sp_reply(p, c, c->reasm.len ? 400 : SP_REPLY_NOTHING);
	} else if (c->reasm.len > c->config->limits.head_bytes) {
		sp_reply(p, c, too_large(p, c));
	} else if (!sp_room_for_bytes(p, c, 0)) {
		p->node.counters.held_full++;
		sp_reply(p, c, 503);
	} else {
		sp_proxy_trap(p, c);
		sp_stash_grown(p, c);
	}
}

static int pool_of(const struct sp_conn *c, int route_idx)
{
	if (route_idx == SP_ROUTE_AMBIGUOUS)
		return -1;
	return route_idx < 0 ? c->service->default_pool_idx : c->service->routes[route_idx].pool_idx;
}

static void routed(struct sp_proxy *p, struct sp_conn *c, int route_idx)
{
	if (route_idx == SP_ROUTE_AMBIGUOUS) {
		p->node.counters.path_ambiguous++;
		sp_reply(p, c, 400);
		return;
	}
	c->ack_ns = 0;
	sp_back_start(p, c, pool_of(c, route_idx));
}

static void look(struct sp_proxy *p, struct sp_conn *c)
{
	int idx = -1;

	c->parsed = c->reasm.len;
	switch (parse(p, c, &idx)) {
	case SP_PARSE_BAD:
		sp_reply(p, c, 400);
		break;
	case SP_PARSE_INCOMPLETE:
		incomplete(p, c);
		break;
	case SP_PARSE_OK:
		routed(p, c, idx);
		break;
	}
}

/*
 * The parsers begin at the first byte each time. So a head that grows by
 * little is looked at again only at the next tick, and of all such heads
 * together PARSE_PER_TICK bytes: one byte per segment costs no more than that.
 */
static void grown(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len - c->parsed >= c->parsed / 8 || c->reasm.len >= c->fin_at)
		look(p, c);
	else
		sp_stash_grown(p, c);
}

static void look_again(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->reasm.len > p->parse_budget)
		return;
	p->parse_budget -= c->reasm.len;
	look(p, c);
}

/*
 * While it is being committed it is part of the splice. An earlier one of a segment that was overtaken is not echoed:
 * the client would take its repetition for needless (RFC 3522), and wait.
 */
static void note_tsval(struct sp_conn *c, __u32 tsval)
{
	if ((__s32)(tsval - c->heard_tsval) > 0)
		c->heard_tsval = tsval;
	if (c->state != SP_CONN_COMMITTING)
		c->client.tsval_theirs = c->heard_tsval;
}

/*
 * The first bytes are held in any case: a whole head needs its place for no longer than its backend takes to answer;
 * incomplete() decides of one that is not.
 * Return: whether there is more of the stream now without a hole.
 */
static int hold(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	__s64 at = (__s32)(seg->seq - (c->client.isn_theirs + 1));
	__u32 before = sp_head_pages(c), grew;

	if (c->reasm.top && !sp_room_for_bytes(p, c, seg->payload_len)) {
		p->node.counters.held_full++;
		return 0;
	}
	if (seg->has_ts)
		note_tsval(c, seg->tsval);
	c->window = seg->window;
	c->is_ce |= seg->is_ce;
	grew = sp_reasm_add(&c->reasm, sp_conn_buf(p->conns, c), SP_CONN_BUF, at, seg->payload, seg->payload_len);
	p->held_bytes += sp_head_pages(c) - before;
	if (seg->flags & SP_TCP_FIN && at + (__s64)seg->payload_len >= 0 && at + seg->payload_len <= SP_CONN_BUF)
		c->fin_at = at + seg->payload_len;
	p->node.counters.segment_gap += !!c->reasm.span_count;
	return grew || c->reasm.len >= c->fin_at;
}

/* A repetition, so our acknowledgement was lost; what lies before it went another way; or a keepalive probe. */
static void not_grown(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *seg)
{
	struct sp_segment ack = sp_proxy_segment(c, SP_TCP_ACK, c->acked);
	int is_probe = (__s32)(seg->seq - ack.ack) < 0;

	if (c->state == SP_CONN_HEAD && !c->lent && (is_probe || (c->acked && seg->payload_len)))
		sp_wire_send(p->node.wire, &ack);
}

/*
 * Whether an RST ends @c (RFC 9293, 3.10.7.4; RFC 5961, 3): its number is the next one of what is held here, or the one
 * that was acknowledged, which a client bears that has forgotten the connection and answers to us.
 */
static int rst_fits(const struct sp_conn *c, const struct sp_segment *seg)
{
	__u32 at = seg->seq - (c->client.isn_theirs + 1);

	if (seg->flags & SP_TCP_ACK && seg->ack != c->client.isn_ours + 1)
		return 0;
	return at == c->acked || at == c->reasm.len + (c->reasm.len >= c->fin_at);
}

/* What is being committed may be relied upon by other proxies already: it becomes a splice, and ends as one. */
static void end_by_rst(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.client_reset++;
	sp_synack_forget(p->synacks, &c->front, c->client.isn_theirs);
	if (c->state == SP_CONN_COMMITTING) {
		c->is_reset = 1;
		return;
	}
	if (c->state == SP_CONN_CONNECTING)
		sp_back_reset(p, c);
	sp_proxy_del(p, c);
}

/*
 * At most ten in five seconds (RFC 5961, 7), counted for each connection: a count of all would tell a stranger which
 * numbers are right (CVE-2016-5696).
 */
static void challenge_rst(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment ack = sp_proxy_segment(c, SP_TCP_ACK, c->acked);
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
 * Other numbers: this proxy may not have all that the client sent. If the client has no connection any more, it answers
 * the acknowledgement by an RST that fits (RFC 5961, 3.2). Another proxy's splice may be meant, too.
 */
static void rst(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (rst_fits(c, seg))
		end_by_rst(p, c);
	else if (seg->seq - (c->client.isn_theirs + 1 + c->acked) < SP_CONN_BUF)
		challenge_rst(p, c);
	else
		p->node.counters.segment_foreign++;
	if (sp_node_is_shared(&p->node))
		sp_miss_stray(p, seg, SP_STRAY_F_MINE);
}

static int is_unspliced(const struct sp_conn *c)
{
	return c->state != SP_CONN_OWING && (c->state != SP_CONN_REPLIED || c->is_unsent);
}

void sp_head_more(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (seg->flags & SP_TCP_RST && is_unspliced(c)) {
		rst(p, c, seg);
	} else if (seg->ack != c->client.isn_ours + 1 && c->state != SP_CONN_REPLIED) {
		p->node.counters.segment_foreign++;	/* nothing but our ISN was there to be acknowledged */
		if (sp_node_is_shared(&p->node))
			sp_miss_stray(p, seg, SP_STRAY_F_MINE);	/* unless another proxy has made the splice */
	} else if (c->state == SP_CONN_REPLIED) {
		sp_reply_again(p, c, seg);
	} else if (c->state == SP_CONN_OWING) {
		/* it was overtaken by its splice */
		sp_proxy_relay(p, &c->up, c->client.isn_theirs, seg, SP_RELAY_MSS);
	} else {
		c->is_news |= !!seg->payload_len;
		if (!hold(p, c, seg))
			not_grown(p, c, seg);
		else if (c->state == SP_CONN_HEAD)
			grown(p, c);
	}
}

/* What of window scale, SACK and MSS the cookie has. */
static void cookie_holds(struct sp_conn *c, enum sp_cookie cookie, __u8 data, __u16 mss_max)
{
	int is_small = cookie == SP_COOKIE_SMALL, is_tiny = is_small && sp_cookie_small_is_tiny(data);
	__u8 wscale = is_tiny ? SP_COOKIE_WSCALE_NONE : sp_cookie_data_wscale(data);

	c->client.wscale_theirs = wscale == SP_COOKIE_WSCALE_NONE ? -1 : wscale;
	c->is_sack = !is_tiny && sp_cookie_data_is_sack(data);
	c->mss = is_small ? sp_cookie_mss_small(data) : sp_cookie_mss(sp_cookie_data_mss_class(data), mss_max);
}

static void client_offered(struct sp_conn *c, const struct sp_segment *seg, enum sp_cookie cookie,
			   const struct sp_service *offer)
{
	c->client.isn_ours = seg->ack - 1;
	c->client.isn_theirs = seg->seq - 1;
	c->client.has_ts = seg->has_ts;
	c->client.tsval_ours = seg->tsecr;
	c->client.tsval_theirs = seg->tsval;
	c->heard_tsval = seg->tsval;
	c->is_ecn = cookie == SP_COOKIE_ECN;
	cookie_holds(c, cookie, (seg->ack - 1) & 0xff, offer->mss_max);
	c->client.wscale_ours = c->client.wscale_theirs < 0 ? -1 : offer->wscale;
}

static struct sp_conn *begin(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, &seg->tuple);
	const struct sp_service *offer = sp_datapath_service(p->node.dp, &seg->tuple);
	struct sp_conn *c;

	if (!service || !offer)
		return NULL;
	c = sp_conn_add(p->conns, &seg->tuple);
	if (!c && sp_room_for_one(p))
		c = sp_conn_add(p->conns, &seg->tuple);
	if (!c) {
		p->node.counters.pending_full++;
		return NULL;
	}
	c->config = sp_config_get(p->node.config);
	c->service = service;
	client_offered(c, seg, cookie ?: sp_datapath_cookie(p->node.dp, seg), offer);
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
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
		hold(early->proxy, early->conn, seg);
}

/* Whether @seg is the first one of the connection that @c is. */
static int is_first_of(const struct sp_conn *c, const struct sp_segment *seg)
{
	return c->client.isn_theirs == seg->seq - 1 && c->client.isn_ours == seg->ack - 1;
}

/*
 * One segment with the whole head needs no home: the claim settles it if another proxy gets it as well. All else does,
 * answers of our own among it, as what the client says to those comes to any proxy.
 */
static int goes_on_here(struct sp_proxy *p, const struct sp_conn *c)
{
	int idx = -1;

	if (sp_cluster_state(p->node.cluster) == SP_MEMBER_SYNCING || sp_datapath_count(p->node.dp)->splices >=
	    sp_datapath_count(p->node.dp)->max || parse(p, c, &idx) != SP_PARSE_OK)
		return 0;
	return pool_of(c, idx) >= 0;
}

static void begin_or_send_home(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie, int is_home)
{
	struct sp_conn *c = begin(p, seg, cookie);
	struct early early = { .proxy = p, .conn = c };

	if (!c)
		return;
	hold(p, c, seg);
	if (!is_home && !goes_on_here(p, c)) {
		sp_proxy_del(p, c);
		sp_miss_tell_home(p, SP_EVENT_FRONT, seg);
		return;
	}
	sp_stray_take(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), &seg->tuple, sp_now_ns(), take_early, &early);
	if (early.is_reset)
		end_by_rst(p, c);
	else
		look(p, c);
}

/* The first segment, with a valid cookie: the client's port may have been used before. */
void sp_head_begin(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie, int is_home)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c && is_first_of(c, seg) && c->state != SP_CONN_OWING) {
		sp_head_more(p, c, seg);
		return;
	}
	if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) && sp_entry_is_live(&e) && e.meta.client_isn == seg->seq - 1) {
		sp_miss_overtaken(p, &e, seg);
		return;
	}
	if (c) {
		if (c->state == SP_CONN_CONNECTING || c->state == SP_CONN_COMMITTING)
			sp_back_release(p, c);
		sp_proxy_del(p, c);
	}
	begin_or_send_home(p, seg, cookie, is_home);
}

/* What is held goes there as the client sent it; what lies behind a hole, it will repeat. */
void sp_head_hand_over(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment seg = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1, .ack = c->client.isn_ours + 1,
		.window = c->window, .wscale = -1, .has_ts = c->client.has_ts, .tsval = c->client.tsval_theirs,
		.tsecr = c->client.tsval_ours, .is_ce = c->is_ce,
		.payload = sp_conn_buf(p->conns, c), .payload_len = c->reasm.len,
		.flags = SP_TCP_ACK | (c->reasm.len == c->fin_at ? SP_TCP_FIN : 0),
	};

	if (c->acked || c->stashing)
		return;		/* it is ours to deliver */
	sp_miss_tell_home(p, SP_EVENT_FRONT, &seg);
	sp_proxy_del(p, c);
}

/*
 * The whole head may have come to another proxy, in one segment, as clients repeat it, or in pieces, where we have a
 * part of it from a dead one (heir.c): then the splice is there. What comes behind a hole, or again, tells of that.
 * And what lies in the hole, another one who went on with the head may have acknowledged: no client repeats it.
 */
void sp_head_ask_store(struct sp_proxy *p, struct sp_conn *c)
{
	__u64 now_ns = sp_now_ns();
	int is_due = c->acked && now_ns >= c->ask_ns;

	if (!sp_node_is_shared(&p->node) || (!c->is_news && !is_due))
		return;
	c->is_news = 0;
	c->ask_ns = now_ns + ASK_NS;
	sp_store_fetch(p->node.store, &c->front);
	if (c->acked && c->reasm.span_count && sp_node_is_shared(&p->node))
		sp_store_read_head(p->node.store, &c->front);
}

void sp_head_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (now_ns >= c->deadline_ns)
		sp_reply(p, c, 408);
	else if (c->parsed != c->reasm.len)
		look_again(p, c);
	if (c->state == SP_CONN_HEAD)
		sp_stash_tick(p, c, now_ns);
	if (c->state == SP_CONN_HEAD)
		sp_head_ask_store(p, c);
}
