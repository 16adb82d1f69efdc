// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dispatch_event.c - events of the datapath: packets for the daemon
 */
#include "proxy/dispatch_event.h"

#include "proxy/back.h"
#include "proxy/dispatch.h"
#include "proxy/forward.h"
#include "proxy/machine.h"
#include "proxy/miss.h"
#include "proxy/synack.h"
#include "proxy/tracing.h"

#define EVENT_OLD_MS	2000
#define IP_MTU_LEAST	68	/* RFC 791, 3.2 */
#define IP_TCP_BYTES	40

/*
 * The entry is a trap: for a backend's answer (source: client), or for a client whose head or reply
 * is here.
 */
static void on_held(struct sp_proxy *p, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_front(p->conns, &ev->tuple);

	if (sp_conn_by_back(p->conns, &back))
		sp_dispatch_back(p, seg, 0);
	else if (c)
		sp_dispatch_segment(p, c, seg);
	else
		sp_dispatch_trapped(p, seg);
}

/*
 * An event from the time of a suspension. Soon after, the event saves the client a retransmission.
 * Later, another proxy may have served the request, and all proxies may have forgotten it: the
 * request must not run again.
 */
static int is_old(const struct sp_proxy *p, const struct sp_event *ev)
{
	__u64 closed_ms = p->node.config->limits.closed_ns / 1000000;
	__u32 age_ms = (__u32)(sp_now_ns() / 1000000) - ev->came_ms;

	return age_ms >= (closed_ms < EVENT_OLD_MS ? closed_ms : EVENT_OLD_MS) && age_ms < 1U << 31;
}

/* All proxies with the closed splice leave it behind. */
static void on_reused(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, front, &e) && e.state.flags & SP_STATE_REUSED)
		sp_cluster_tell_ends(p->node.cluster, front, e.meta.client_isn, e.state.flags);
}

/* An IPv4 packet, too large for its path, whose sender lets routers fragment. */
static void on_pieces(struct sp_proxy *p, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &ev->tuple, &e) || e.half.flags & SP_HALF_F_TO_DAEMON ||
	    ev->mtu < IP_MTU_LEAST)
		return;
	sp_forward(p, &e.half, e.meta.client_isn, seg, ev->mtu - IP_TCP_BYTES);
}

/* An ICMP error, perhaps about a splice of another proxy. */
static void on_quote(struct sp_proxy *p, const struct sp_event *ev)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_back(p->conns, &back);
	struct sp_quote quote;

	if (sp_segment_parse_quote(ev, &quote))
		p->node.counters.segment_bad++;
	else if (c)
		sp_machine_go(p, c, sp_back_quoted(p, c, &quote));
	else
		sp_miss_quoted(p, &ev->tuple);
}

static void on_synack(struct sp_proxy *p, const struct sp_event *ev, struct sp_segment *seg)
{
	seg->tuple = sp_tuple_reverse(&ev->tuple);
	sp_synack_add(p->synacks, seg, sp_now_ns());
}

static void on_bounded(struct sp_proxy *p, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &ev->tuple, &e))
		sp_dispatch_untrapped(p, seg);
	else if (e.half.flags & SP_HALF_F_TO_DAEMON)
		on_held(p, ev, seg);
	else if (ev->kind == SP_EVENT_RESPONSE && e.half.flags & SP_HALF_F_FROM_BACKEND)
		sp_dispatch_response(p, &e, seg, ev->cookie);
	else
		sp_dispatch_known(p, &e, seg);
}

/*
 * A client with only a handshake sends no more after this RST, if its backend never sends a packet.
 * So all proxies are told: a proxy may be connecting. The cookie proves a handshake, and each
 * handshake costs the cluster a single message.
 */
static void tell_rst(struct sp_proxy *p, const struct sp_segment *seg)
{
	sp_synack_forget(p->synacks, &seg->tuple, seg->seq - 1);
	if (!sp_conn_by_front(p->conns, &seg->tuple) && sp_node_is_shared(&p->node) &&
	    sp_datapath_cookie(p->node.dp, seg))
		sp_cluster_tell_all(p->node.cluster, SP_EVENT_MISS, seg);
}

static void on_segment(struct sp_proxy *p, const struct sp_event *ev, struct sp_segment *seg)
{
	int is_home = sp_cluster_is_home(p->node.cluster, &seg->tuple);

	switch (ev->kind) {
	case SP_EVENT_SYNACK: on_synack(p, ev, seg); break;
	case SP_EVENT_FRONT: sp_dispatch_first(p, seg, ev->cookie, is_home); break;
	case SP_EVENT_BACK: sp_dispatch_back(p, seg, 0); break;
	case SP_EVENT_PIECES: on_pieces(p, ev, seg); break;
	case SP_EVENT_HELD: on_held(p, ev, seg); break;
	case SP_EVENT_REQUEST:
	case SP_EVENT_RESPONSE: on_bounded(p, ev, seg); break;
	case SP_EVENT_REUSED: on_reused(p, &seg->tuple); break;
	case SP_EVENT_MISS:
		if (seg->flags & SP_TCP_RST)
			tell_rst(p, seg);
		sp_dispatch_later(p, seg, is_home);
		break;
	case SP_EVENT_UNTAKEN: break;	/* an agent's */
	}
}

void sp_dispatch_event(struct sp_proxy *p, const struct sp_event *ev)
{
	struct sp_segment seg;

	sp_machine_awake(p);
	if (ev->kind == SP_EVENT_TRACE)
		sp_tracing_packet(p, ev);
	else if (is_old(p, ev))
		p->node.counters.event_old++;
	else if (ev->kind == SP_EVENT_TOO_BIG)
		sp_wire_send_too_big(p->node.wire, ev);
	else if (ev->kind == SP_EVENT_QUOTE)
		on_quote(p, ev);
	else if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev))
		p->node.counters.segment_bad++;
	else
		on_segment(p, ev, &seg);
}
