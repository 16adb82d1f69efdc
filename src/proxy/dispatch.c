// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dispatch.c - packets that the datapath does not carry: each finds or begins a connection, or has
 * no connection
 */
#include "proxy/dispatch.h"

#include "proxy/again.h"
#include "proxy/align.h"
#include "proxy/back.h"
#include "proxy/continue.h"
#include "proxy/deliver.h"
#include "proxy/dispatch_conn.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"
#include "proxy/head.h"
#include "proxy/home.h"
#include "proxy/leg.h"
#include "proxy/machine.h"
#include "proxy/miss.h"
#include "proxy/parked.h"
#include "proxy/reader.h"
#include "proxy/reply.h"
#include "proxy/response.h"
#include "proxy/takeover.h"
#include "proxy/turn.h"

#define FULL_BYTES	1000	/* of a body rather than a head */

/* ---- a client's packet ---- */

/* Behind the boundary of @up: a further request begins, if the service is still there. */
static void begin_next(struct sp_proxy *p, const struct sp_entry *up, const struct sp_entry *down,
		       const struct sp_segment *seg)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, &seg->tuple);
	struct sp_conn *c;

	if (!service || !sp_service_reads_requests(service)) {
		sp_leg_open(p, &seg->tuple, up);
		sp_forward_overtaken(p, up, seg);
		return;
	}
	if (!down || (sp_exchange_is_guess(seg, up, down) && sp_takeover_query(p, seg)))
		return;
	c = sp_exchange_begin(p, seg, up, down);
	if (!c)
		return;
	p->node.counters.requests++;
	sp_dispatch_next(p, c, seg);
}

/* The backend has closed between two responses: the client's keepalive is answered here. */
static void dispatch_gone(struct sp_proxy *p, const struct sp_entry *up,
			  const struct sp_entry *down, const struct sp_segment *seg)
{
	if (seg->payload_len > 1 || seg->flags & SP_TCP_FIN ||
	    (seg->payload_len && seg->seq == up->meta.boundary.until))
		begin_next(p, up, down, seg);
	else if (seg->seq == up->meta.boundary.until - 1)
		sp_reply_probe(p, seg);
}

static int is_behind(const struct sp_boundary *b, const struct sp_segment *seg)
{
	__u32 end = seg->seq + seg->payload_len + !!(seg->flags & SP_TCP_FIN);

	return !b->laps && (__s32)(end - b->until) > 0 &&
	       (seg->payload_len || seg->seq != b->until);
}

/*
 * The boundary may have moved: then the store knows, and the datapath carries the rest. The segment
 * is kept: the reader may be dead.
 */
static void send_to_reader(struct sp_proxy *p, const struct sp_entry *up,
			   const struct sp_segment *seg)
{
	sp_stray_add(p->sent_home, sp_conns_hash(p->conns, &seg->tuple), seg, SP_STRAY_F_MINE,
		     sp_now_ns());
	sp_reader_send(p, &seg->tuple, &up->half, SP_EVENT_MISS, seg);
	if (seg->payload_len >= FULL_BYTES)
		sp_store_fetch(p->node.store, &seg->tuple);
}

/*
 * If the backend has all that was owed, the segment begins the next request. Return: 0, and @up as
 * it is now; -ENOENT: the splice is gone.
 */
static int end_delivery(struct sp_proxy *p, const struct sp_segment *seg, struct sp_entry *up)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);

	if (!c || c->state != SP_CONN_DELIVERING || !seg->payload_len)
		return 0;
	sp_machine_go(p, c, sp_deliver_tick(p, c, sp_now_ns()));
	return sp_datapath_get(p->node.dp, &seg->tuple, up);
}

/*
 * Numbers of a stranger's segment: once in 2^14 they fit (RFC 9293, 3.10.7.4; RFC 5961, 5). With a
 * shared store, segments before may have passed other proxies.
 */
static int is_foreign(struct sp_proxy *p, const struct sp_entry *up, const struct sp_entry *down,
		      const struct sp_segment *seg)
{
	return !sp_node_is_shared(&p->node) && seg->payload_len && down &&
	       !sp_ack_is_plausible(seg->seq, seg->ack + up->half.ack_delta, &up->state,
				    &down->state);
}

static void dispatch_request(struct sp_proxy *p, const struct sp_entry *up,
			     const struct sp_segment *seg);

static void dispatch_again(struct sp_proxy *p, const struct sp_entry *up,
			   const struct sp_entry *down, const struct sp_segment *seg)
{
	struct sp_segment rest;
	struct sp_entry now;

	if (down && sp_again_segment(p, up, down, seg, &rest) &&
	    (rest.payload_len || rest.flags & SP_TCP_FIN) &&
	    !sp_datapath_get(p->node.dp, &seg->tuple, &now))
		dispatch_request(p, &now, &rest);
}

/* @down: NULL if it is gone */
static void dispatch_bounded(struct sp_proxy *p, const struct sp_entry *up,
			     const struct sp_entry *down, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);

	if (is_foreign(p, up, down, seg))
		p->node.counters.segment_foreign++;
	else if (sp_again_is_for(up, seg))
		dispatch_again(p, up, down, seg);
	else if (c)
		sp_dispatch_segment(p, c, seg);
	else if (up->meta.boundary.bound == SP_BOUND_GONE)
		dispatch_gone(p, up, down, seg);
	else if (up->meta.boundary.bound == SP_BOUND_NONE || seg->flags & SP_TCP_RST ||
		 !is_behind(&up->meta.boundary, seg))
		sp_forward_overtaken(p, up, seg);
	else if (sp_reader_is_here(p, &seg->tuple, &up->half))
		begin_next(p, up, down, seg);
	else
		send_to_reader(p, up, seg);
}

static void dispatch_request(struct sp_proxy *p, const struct sp_entry *up,
			     const struct sp_segment *seg)
{
	struct sp_tuple down_key;
	struct sp_entry now = *up, down;

	if (end_delivery(p, seg, &now))
		return;
	down_key = sp_tuple_reverse(&now.half.out);
	dispatch_bounded(p, &now, sp_datapath_get(p->node.dp, &down_key, &down) ? NULL : &down,
			 seg);
}

static int is_end_unknown(const struct sp_entry *down, const struct sp_segment *seg)
{
	return seg->flags & SP_TCP_RST && (down->meta.boundary.bound == SP_BOUND_UNKNOWN ||
					   down->half.flags & SP_HALF_F_FETCHED);
}

/* The reader may have reset the backend, whose answer is not for the client then. */
static int is_for_reader(struct sp_proxy *p, const struct sp_tuple *front,
			 const struct sp_segment *seg)
{
	const struct sp_half up = { .out = sp_tuple_reverse(&seg->tuple) };

	if (sp_reader_is_here(p, front, &up))
		return 0;
	sp_reader_send(p, front, &up, SP_EVENT_BACK, seg);
	return 1;
}

/* Data before a FIN go on first, unless the response has begun again. */
static struct sp_segment end_of(struct sp_proxy *p, struct sp_entry *down,
				const struct sp_segment *seg)
{
	struct sp_segment data = *seg, end = *seg;

	if (!(seg->flags & SP_TCP_FIN) || !seg->payload_len || !sp_continue_is_part(down) ||
	    sp_align_is_whole(down, seg) || !sp_kept_pool(p, down->half.pool_id))
		return end;
	data.flags &= ~SP_TCP_FIN;
	if (!down->state.is_skipping)
		sp_response_segment(p, &data, 0);
	end.seq += seg->payload_len;
	end.payload_len = 0;
	sp_datapath_get(p->node.dp, &seg->tuple, down);
	return end;
}

static int dispatch_death(struct sp_proxy *p, const struct sp_entry *down,
			  const struct sp_segment *seg)
{
	struct sp_next next = sp_next_wait();
	struct sp_entry now = *down;
	struct sp_segment end = end_of(p, &now, seg);
	struct sp_conn *c = sp_continue_begin(p, &now, &end, &next);

	if (c)
		sp_machine_go(p, c, next);
	return !!c;
}

/* A response is complete, or a tunnel has begun: a request that waits may go on. */
void sp_dispatch_response(struct sp_proxy *p, const struct sp_entry *down,
			      const struct sp_segment *seg, int is_copy)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_conn *c;

	if (is_end_unknown(down, seg) && is_for_reader(p, &front, seg))
		return;
	sp_kept_response(p, down, seg);
	if (sp_align_is_for(down) && seg->payload_len) {
		sp_align_segment(p, down, seg);
		return;
	}
	if (!is_copy && dispatch_death(p, down, seg))
		return;
	if (sp_align_is_over(down, seg)) {
		sp_align_end(p, &front);
		return;
	}
	sp_response_segment(p, seg, is_copy);
	c = sp_conn_by_front(p->conns, &front);
	if (c && c->state == SP_CONN_WAITING)
		sp_machine_go(p, c, sp_turn_go(p, c));
}

void sp_dispatch_known(struct sp_proxy *p, const struct sp_entry *e,
			   const struct sp_segment *seg)
{
	if (!(e->half.flags & SP_HALF_F_REQUESTS))
		sp_forward_overtaken(p, e, seg);
	else if (!(e->half.flags & SP_HALF_F_FROM_BACKEND))
		dispatch_request(p, e, seg);
	else if (e->meta.boundary.bound == SP_BOUND_NONE)
		sp_forward_overtaken(p, e, seg);
	else
		sp_dispatch_response(p, e, seg, 0);
}

void sp_dispatch_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (sp_dispatch_conn(p, c, seg))
		sp_dispatch_later(p, seg, 1);
}

static void begin_head(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie,
		  int is_home)
{
	struct sp_conn *c = sp_head_begin(p, seg, cookie);

	if (!c)
		return;
	if (is_home || sp_head_is_whole(p, c)) {
		sp_machine_go(p, c, sp_head_start(p, c));
		return;
	}
	sp_conn_end(p, c, "its home is another proxy");
	sp_home_send(p, SP_EVENT_FRONT, seg);
}

/* The client's port may have been used before. */
void sp_dispatch_first(struct sp_proxy *p, const struct sp_segment *seg, enum sp_cookie cookie,
		       int is_home)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c && sp_head_is_first(c, seg) && c->state != SP_CONN_DELIVERING) {
		sp_dispatch_segment(p, c, seg);
		return;
	}
	if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) && sp_entry_is_live(&e) &&
	    e.meta.client_isn == seg->seq - 1) {
		sp_dispatch_known(p, &e, seg);
		return;
	}
	if (c) {
		if (c->state == SP_CONN_CONNECTING || sp_conn_is_committing(c))
			sp_conn_release_back(p, c);
		sp_conn_end(p, c, "its client's port comes again");
	}
	begin_head(p, seg, cookie, is_home);
}

/*
 * A keepalive of a client without data so far: the number before the first byte, with or without a
 * byte of garbage (RFC 1122, 4.2.3.6).
 */
static int is_probe(const struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_segment first = *seg;

	first.seq++;
	return seg->payload_len <= 1 && !(seg->flags & SP_TCP_FIN) &&
	       sp_datapath_cookie(p->node.dp, &first);
}

/*
 * A connection that was opened a while ago still exists, as no state is stored for it: no stray. If
 * the server speaks first, a splice was made after the handshake, perhaps at another proxy.
 */
static int is_of_silent_client(struct sp_proxy *p, const struct sp_segment *seg, int is_home)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, &seg->tuple);
	__u8 flags = seg->flags & (SP_TCP_SYN | SP_TCP_RST | SP_TCP_ACK);
	enum sp_cookie cookie;

	if (!service || service->protocol == SP_PROTOCOL_TCP || flags != SP_TCP_ACK)
		return 0;
	if (is_probe(p, seg)) {
		sp_reply_probe(p, seg);
		return 1;
	}
	cookie = sp_datapath_cookie(p->node.dp, seg);
	if (!cookie)
		return 0;
	if (seg->payload_len || seg->flags & SP_TCP_FIN) {
		p->node.counters.heads_late++;
		sp_dispatch_first(p, seg, cookie, is_home);
	}
	return 1;
}

/* @e: half of an older connection, whose first segment begins no new connection, or NULL */
static void dispatch_unknown(struct sp_proxy *p, const struct sp_segment *seg,
			     const struct sp_entry *e, int is_home)
{
	if ((e && e->meta.client_isn == seg->seq - 1) || !is_of_silent_client(p, seg, is_home))
		sp_home_keep(p, seg, is_home ? SP_STRAY_F_MINE : 0);
}

/* A packet taken for the client's next connection from that port: query the store. */
static int is_of_closed(const struct sp_proxy *p, const struct sp_entry *e)
{
	return sp_node_is_shared(&p->node) && sp_state_is_closed(&e->state);
}

void sp_dispatch_untrapped(struct sp_proxy *p, const struct sp_segment *seg)
{
	int is_home = sp_cluster_is_home(p->node.cluster, &seg->tuple);
	enum sp_cookie cookie;

	if (!sp_config_service_at(p->node.config, &seg->tuple)) {
		sp_dispatch_back(p, seg, 0);
		return;
	}
	cookie = sp_datapath_cookie(p->node.dp, seg);
	if (!cookie)
		sp_dispatch_later(p, seg, is_home);
	else if (seg->payload_len || seg->flags & SP_TCP_FIN)
		sp_dispatch_first(p, seg, cookie, is_home);
}

/* The client has the reply: what it acknowledges is behind the beginning. */
static int has_reply(const struct sp_half *trap, const struct sp_segment *seg)
{
	return trap->flags & SP_HALF_F_REPLIED && seg->ack != trap->seq_delta;
}

/*
 * A trap of a former daemon, resumed unless the daemon had replied and the client has the reply; or
 * a trap that was removed meanwhile.
 */
void sp_dispatch_trapped(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &seg->tuple, &e)) {
		if ((seg->flags & (SP_TCP_SYN | SP_TCP_ACK)) != SP_TCP_SYN)
			sp_dispatch_untrapped(p, seg);
	} else if (!(e.half.flags & SP_HALF_F_TO_DAEMON)) {
		if (seg->flags & SP_TCP_SYN)
			sp_miss_challenge(p, &e, seg);
		else
			sp_dispatch_known(p, &e, seg);
	} else if (has_reply(&e.half, seg)) {
		sp_reply_end(p, seg);
	} else {
		sp_datapath_del(p->node.dp, &seg->tuple);
		sp_dispatch_untrapped(p, seg);
	}
}

/* A later segment of a head, a segment before its head, or a segment of an ended connection. */
void sp_dispatch_later(struct sp_proxy *p, const struct sp_segment *seg, int is_home)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c)
		sp_dispatch_segment(p, c, seg);
	else if (sp_datapath_get(p->node.dp, &seg->tuple, &e))
		dispatch_unknown(p, seg, NULL, is_home);
	else if (e.state.flags & SP_STATE_REUSED || is_of_closed(p, &e))
		dispatch_unknown(p, seg, &e, is_home);
	else if (e.half.flags & SP_HALF_F_TO_DAEMON)
		sp_dispatch_trapped(p, seg);
	else
		sp_dispatch_known(p, &e, seg);
}

/* ---- a backend's packet ---- */

/* A SYN-ACK is only for the proxy that has sent the SYN. */
static void dispatch_back_unknown(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed)
{
	int is_mine = sp_home_owns(p, &seg->tuple.daddr);
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) &&
	    !(e.half.flags & SP_HALF_F_TO_DAEMON) && !is_of_closed(p, &e))
		sp_dispatch_known(p, &e, seg);
	else if (is_mine || !(seg->flags & SP_TCP_SYN))
		sp_home_keep(p, seg,
			     SP_STRAY_F_BACK | (is_mine || is_relayed ? SP_STRAY_F_MINE : 0));
	else if (!is_relayed)
		sp_home_send_opener(p, seg);
}

void sp_dispatch_back(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed)
{
	struct sp_tuple back = sp_tuple_reverse(&seg->tuple);
	struct sp_conn *c = sp_conn_by_back(p->conns, &back);

	if (is_relayed && sp_home_owns(p, &seg->tuple.daddr))
		p->elsewhere_ns = sp_now_ns();
	if (c)
		sp_machine_go(p, c, sp_back_segment(p, c, seg));
	else if (!sp_parked_segment(p, seg))
		dispatch_back_unknown(p, seg, is_relayed);
}
