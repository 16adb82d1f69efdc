// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dispatch_conn.c - a client's segment, handed to the phase of its connection
 */
#include "proxy/dispatch_conn.h"

#include <errno.h>

#include "proxy/change.h"
#include "proxy/forward.h"
#include "proxy/head.h"
#include "proxy/home.h"
#include "proxy/leg.h"
#include "proxy/machine.h"
#include "proxy/reply.h"
#include "proxy/turn.h"
#include "tcp/relay.h"

static void dispatch_rst(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	struct sp_next next = sp_head_rst(p, c, seg);

	if (next.kind == SP_NEXT_END && c->state == SP_CONN_CONNECTING)
		sp_conn_reset_back(p, c);
	sp_machine_go(p, c, next);
	if (sp_node_is_shared(&p->node))
		/* a stray, perhaps of a peer's splice */
		sp_home_keep(p, seg, SP_STRAY_F_MINE);
}

/* An ACK of more than our ISN: a peer has made the splice. */
static void dispatch_foreign(struct sp_proxy *p, const struct sp_segment *seg)
{
	p->node.counters.segment_foreign++;
	if (sp_node_is_shared(&p->node))
		sp_home_keep(p, seg, SP_STRAY_F_MINE);
}

/* An earlier segment shows that bytes before the held ones are not acknowledged. */
static int is_wrong_guess(const struct sp_conn *c, const struct sp_segment *seg)
{
	return c->is_guess && (c->state == SP_CONN_HEAD || c->state == SP_CONN_WAITING) &&
	       seg->payload_len > 1 && (__s32)(c->client.isn_theirs + 1 - seg->seq) > 0;
}

/* Bytes before the first one held are of the request before, whose half carries them. */
void sp_dispatch_next(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	__s32 before = c->client.isn_theirs + 1 - seg->seq;
	struct sp_segment tail = *seg;
	__u64 ref = sp_conn_ref(p->conns, c);

	c->guess_seen += !before && seg->payload_len && c->guess_seen < 2;
	if (before > 0 && (__u32)before <= seg->payload_len) {
		tail.payload_len = before;
		tail.flags &= ~SP_TCP_FIN;
		sp_forward(p, &c->leg, c->client_isn, &tail, SP_RELAY_MSS);
	}
	sp_machine_go(p, c, sp_head_segment(p, c, seg));
	if (sp_conn_by_ref(p->conns, ref) == c && c->state == SP_CONN_WAITING)
		sp_machine_go(p, c, sp_turn_go(p, c));
	if (sp_conn_by_ref(p->conns, ref) == c && c->is_next && !c->left_ns &&
	    (c->state == SP_CONN_HEAD || c->state == SP_CONN_WAITING))
		sp_leg_acknowledge(p, c, seg);
}

/* The half is there: bytes of the request need no place in the buffer. */
static void forward_own(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *seg)
{
	__s64 own = (__s64)c->request.bytes + (__s32)(c->client.isn_theirs + 1 - seg->seq);
	struct sp_segment part = *seg;

	if (c->request.bound == SP_BOUND_NONE || own > (__s64)seg->payload_len)
		own = seg->payload_len;
	else
		part.flags &= ~SP_TCP_FIN;
	if (own <= 0)
		return;
	part.payload_len = own;
	sp_forward(p, &c->up, c->client_isn, &part, SP_RELAY_MSS);
}

/* Changed bytes go on from here. */
static void forward_behind(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	struct sp_segment behind = sp_change_behind(&c->change, seg);

	sp_forward(p, &c->up, c->client.isn_theirs, &behind, SP_RELAY_MSS);
}

static void dispatch_delivering(struct sp_proxy *p, struct sp_conn *c,
				const struct sp_segment *seg)
{
	if (sp_conn_reads(c)) {
		forward_own(p, c, seg);
		sp_machine_go(p, c, sp_head_segment(p, c, seg));
	} else if (c->is_next) {
		sp_dispatch_next(p, c, seg);
	} else if (seg->ack != c->client.isn_ours + 1) {
		dispatch_foreign(p, seg);
	} else {
		forward_behind(p, c, seg);	/* the splice is newer than the segment */
	}
}

static int end_guess(struct sp_proxy *p, struct sp_conn *c)
{
	sp_conn_end(p, c, "an earlier segment has come");
	return -EAGAIN;
}

int sp_dispatch_conn(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (seg->flags & SP_TCP_RST && sp_conn_is_undecided(c))
		dispatch_rst(p, c, seg);
	else if (c->state == SP_CONN_REPLIED)
		sp_machine_go(p, c, sp_reply_segment(p, c, seg));
	else if (c->state == SP_CONN_ASKING)
		return 0;
	else if (c->is_next && is_wrong_guess(c, seg))
		return end_guess(p, c);
	else if (c->state == SP_CONN_DELIVERING)
		dispatch_delivering(p, c, seg);
	else if (c->is_next)
		sp_dispatch_next(p, c, seg);
	else if (seg->ack != c->client.isn_ours + 1)
		dispatch_foreign(p, seg);
	else
		sp_machine_go(p, c, sp_head_segment(p, c, seg));
	return 0;
}
