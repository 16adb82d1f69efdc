// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* events_cluster.c - events of other members, each for its connection */
#include "proxy/events.h"

#include "base/addr.h"
#include "base/warnings.h"
#include "proxy/dispatch.h"
#include "proxy/forward.h"
#include "proxy/head.h"
#include "proxy/home.h"
#include "proxy/known.h"
#include "proxy/machine.h"
#include "proxy/progress.h"
#include "proxy/reader.h"
#include "proxy/takeover.h"
#include "proxy/turn.h"

/* of the segments sent to a dead home: more mean that the home had a flood of small segments */
#define SEND_AGAIN_MAX	4096

/*
 * A client's RST from a peer, which queries the store. Here the RST waits for a late first segment
 * of the connection.
 */
static void on_rst(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c)
		sp_dispatch_segment(p, c, seg);
	else if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) && sp_entry_is_live(&e))
		sp_forward_overtaken(p, &e, seg);
	else
		sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, 0,
			     sp_now_ns());
}

static void use_segment(struct sp_proxy *p, enum sp_event_kind kind, const struct sp_segment *seg)
{
	enum sp_cookie cookie = SP_COOKIE_INVALID;

	if (kind == SP_EVENT_BACK) {
		sp_dispatch_back(p, seg, 1);
		return;
	}
	if (kind == SP_EVENT_FRONT || seg->flags & SP_TCP_RST)
		cookie = sp_datapath_cookie(p->node.dp, seg);
	if (kind == SP_EVENT_FRONT && cookie) {
		sp_dispatch_first(p, seg, cookie, 1);
	} else if (seg->flags & SP_TCP_RST && cookie) {
		on_rst(p, seg);
	} else {
		p->node.counters.cookie_expired += kind == SP_EVENT_FRONT;
		sp_dispatch_later(p, seg, 1);
	}
}

/*
 * A segment from another proxy, never forwarded again, even if this proxy knows a different home:
 * so segments don't go in circles.
 */
static void on_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_proxy *p = ctx;

	sp_machine_awake(p);
	p->is_sent_here = 1;
	use_segment(p, kind, seg);
	p->is_sent_here = 0;
}

/*
 * A connection stays here until acknowledged bytes, or bytes that may be acknowledged, are
 * delivered: the new home would find them in the store.
 */
static void hand_over(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;
	struct sp_segment seg;

	if (c->state != SP_CONN_HEAD || c->is_next || c->acked || c->stashing ||
	    sp_cluster_is_home(p->node.cluster, &c->front))
		return;
	seg = sp_head_as_segment(p, c);
	sp_home_send(p, SP_EVENT_FRONT, &seg);
	sp_conn_end(p, c, "its home is another proxy now");
}

static void on_homes(void *ctx)
{
	struct sp_proxy *p = ctx;

	sp_machine_awake(p);
	sp_degraded_changed(&p->degraded, sp_now_ns());
	sp_conns_each(p->conns, hand_over, p);
}

/* The reader of a further request is dead. */
static void send_to_heir(struct sp_proxy *p, const struct sp_entry *up,
			 const struct sp_segment *seg)
{
	if (sp_cluster_has_owner(p->node.cluster, &up->half.out.saddr))
		return;
	p->node.counters.told_again++;
	if (sp_reader_is_here(p, &seg->tuple, &up->half))
		sp_dispatch_known(p, up, seg);
	else
		sp_reader_send(p, &seg->tuple, &up->half, SP_EVENT_MISS, seg);
}

static int is_read(struct sp_proxy *p, const struct sp_tuple *front, struct sp_entry *ret_up)
{
	return !sp_datapath_get(p->node.dp, front, ret_up) &&
	       ret_up->half.flags & SP_HALF_F_REQUESTS &&
	       !(ret_up->half.flags & SP_HALF_F_TO_DAEMON);
}

static void send_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	enum sp_event_kind kind = flags & SP_STRAY_F_FIRST ? SP_EVENT_FRONT : SP_EVENT_MISS;
	struct sp_proxy *p = ctx;
	struct sp_entry up;

	if (flags & SP_STRAY_F_CUT)
		return;
	if (is_read(p, &seg->tuple, &up)) {
		send_to_heir(p, &up, seg);
		return;
	}
	p->node.counters.told_again++;
	if (!sp_cluster_is_home(p->node.cluster, &seg->tuple))
		sp_cluster_tell_home(p->node.cluster, kind, seg);
	else if (kind == SP_EVENT_FRONT)
		sp_dispatch_first(p, seg, SP_COOKIE_INVALID, 1);
	else
		sp_dispatch_later(p, seg, 1);
}

/* A home that lives gets segments twice, harmless while the splice is known. */
static void on_died(void *ctx, const char *name)
{
	struct sp_proxy *p = ctx;

	p->died_ns = sp_now_ns();
	sp_takeover_died(p, name);
	if (p->node.config->limits.closed_ns >= 2 * SP_STRAY_EARLY_NS)
		sp_stray_young(p->sent_home, sp_now_ns(), SEND_AGAIN_MAX, send_again, p);
}

/*
 * The host of a backend has not taken over a handshake: the splice never began. The client
 * retransmits, and the connection begins anew. If the server was to speak first, the client never
 * retransmits: its acknowledgement is stored here.
 */
static void on_untaken(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn)
{
	char at[SP_ENDPOINT_STRLEN];
	struct sp_segment ack;
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, front, &up) ||
	    sp_ager_remove(&p->node.ager, front, client_isn))
		return;
	p->node.counters.adopted_in_vain++;
	sp_endpoint_format(&up.half.out.daddr, up.half.out.dport, at);
	sp_warn(SP_WARNING_ADOPT_FILTERED, sp_now_ns(), at,
		"backend %s: its agent reports that a firewall or connection tracking of the host "
		"drops adopted connections: they go split, and adoption is tried now and then",
		at);
	if (!sp_reintroduce_take(p->reintroductions, front, client_isn, &ack))
		sp_dispatch_first(p, &ack, SP_COOKIE_INVALID,
				  sp_cluster_is_home(p->node.cluster, front));
}

static void on_moved(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 version)
{
	sp_machine_awake(ctx);
	sp_known_moved(ctx, front, client_isn, version);
}

static void on_ends(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_proxy *p = ctx;

	if ((state & SP_STATE_UNTAKEN) == SP_STATE_UNTAKEN) {
		on_untaken(p, front, client_isn);
		return;
	}
	if (state & SP_STATE_REUSED)
		sp_reused_add(&p->reused, sp_conns_hash(p->conns, front), front, client_isn,
			      sp_now_ns());
	if (state == SP_STATE_REUSED)
		sp_known_over(p, front, client_isn);
	sp_node_ends(ctx, front, client_isn, state);
}

/* All members hear the answer, not only the asking member. */
static void on_fin(void *ctx, const struct sp_tuple *tuple, __u32 client_isn,
		   const struct sp_fin *fin)
{
	struct sp_proxy *p = ctx;
	struct sp_patch patch = { .front = *tuple, .client_isn = client_isn,
				  .flags = SP_STATE_FIN };
	struct sp_entry e;

	if (sp_splice_judge(p->node.dp, tuple, client_isn, fin) != SP_FIN_FITS ||
	    sp_datapath_get(p->node.dp, tuple, &e))
		return;
	if (e.half.flags & SP_HALF_F_FROM_BACKEND) {
		patch.front = sp_tuple_reverse(&e.half.out);
		patch.flags = SP_STATE_PEER_FIN;
	}
	if (!sp_datapath_patch(p->node.dp, &patch))
		sp_cluster_tell_ends(p->node.cluster, &patch.front, client_isn, patch.flags);
}

static void on_progress(void *ctx, __u64 from, const struct sp_progress *said)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;

	sp_machine_awake(p);
	c = sp_progress_heard(p, from, said);
	if (c)
		sp_machine_go(p, c, sp_turn_go(p, c));
}

const struct sp_cluster_events sp_events_of_cluster = {
	.progress = on_progress,
	.segment = on_segment, .ends = on_ends, .moved = on_moved, .fin = on_fin, .died = on_died,
	.homes = on_homes,
	.splices = sp_node_splices,
};
