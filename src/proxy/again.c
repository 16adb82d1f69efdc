// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * again.c - a changed head that the client retransmits
 *
 * Theory of operation
 *
 * The half up of a splice does not carry bytes of a changed head. If the client retransmits such
 * bytes, they were lost on the way to the backend or to the proxy, or the daemon died in between. A
 * struct sp_conn holds the bytes, unacknowledged as before, until the head is whole. remake.c makes
 * the same change. A further request that waits is forgotten meanwhile, and comes again from the
 * client, unless the head before is on the way.
 */
#include "proxy/again.h"

#include <errno.h>

#include "proxy/change.h"
#include "proxy/exchange.h"
#include "proxy/forward.h"
#include "proxy/head.h"
#include "proxy/machine.h"
#include "tcp/relay.h"

#define ON_ITS_WAY_NS	150000000ULL	/* less than a client's retransmission takes */

int sp_again_is_for(const struct sp_entry *up, const struct sp_segment *seg)
{
	return up->half.flags & SP_HALF_F_REQUESTS && seg->payload_len &&
	       !(seg->flags & SP_TCP_RST) && sp_change_is_before(&up->meta.change, seg->seq);
}

/* Bytes before the changed head went through the half as it was then. */
static void forward_before(struct sp_proxy *p, const struct sp_entry *up,
			   const struct sp_segment *seg)
{
	__u32 before = sp_change_start(&up->meta.change) - seg->seq;
	struct sp_half half = up->half;
	struct sp_segment part = *seg;

	if ((__s32)before <= 0)
		return;
	half.seq_delta -= sp_change_grows(&up->meta.change);
	part.flags &= ~SP_TCP_FIN;
	if (part.payload_len > before)
		part.payload_len = before;
	sp_forward(p, &half, up->meta.client_isn, &part, SP_RELAY_MSS);
}

static int is_acked(const struct sp_entry *up, const struct sp_entry *down)
{
	return down->state.last_ack &&
	       !sp_change_is_before(&up->meta.change, down->state.last_ack);
}

/* The acknowledgement was lost: a byte that the backend has already brings another. */
static void ask_for_ack(struct sp_proxy *p, const struct sp_entry *up,
			const struct sp_segment *seg)
{
	struct sp_segment probe = *seg;

	probe.seq = up->meta.change.from - 1;
	probe.flags = SP_TCP_ACK;
	probe.payload = "\n";
	probe.payload_len = 1;
	sp_forward(p, &up->half, up->meta.client_isn, &probe, SP_RELAY_MSS);
}

/* A further request is here, and the head before it has just been sent. */
static int is_on_its_way(const struct sp_conn *c)
{
	return c && c->is_next && !c->is_again && sp_now_ns() - c->before_ns < ON_ITS_WAY_NS;
}

static void begin_again(struct sp_conn *c, const struct sp_entry *up)
{
	c->client.isn_theirs = sp_change_start(&up->meta.change) - 1;
	c->begins = SP_BOUND_STOP;
	c->is_again = 1;
	c->is_turn = 1;
	c->is_guess = 0;
	c->is_next = sp_change_start(&up->meta.change) != up->meta.client_isn + 1;
}

/* Return: the connection that holds the head; NULL: no room, or the head is sent from here. */
static struct sp_conn *conn_of(struct sp_proxy *p, struct sp_conn *c, const struct sp_entry *up,
			       const struct sp_entry *down, const struct sp_segment *seg)
{
	if (c && (c->state == SP_CONN_HEAD || c->state == SP_CONN_WAITING) && !c->is_again) {
		sp_conn_end(p, c, "the request before is not at its backend");
		c = NULL;
	}
	if (c)
		return c->is_again && c->state == SP_CONN_HEAD ? c : NULL;
	c = sp_exchange_begin(p, seg, up, down);
	if (c)
		begin_again(c, up);
	return c;
}

int sp_again_segment(struct sp_proxy *p, const struct sp_entry *up, const struct sp_entry *down,
		     const struct sp_segment *seg, struct sp_segment *ret_rest)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);

	if (is_acked(up, down) || is_on_its_way(c)) {
		if (!is_on_its_way(c))
			ask_for_ack(p, up, seg);
		*ret_rest = sp_change_behind(&up->meta.change, seg);
		return 1;
	}
	forward_before(p, up, seg);
	c = conn_of(p, c, up, down, seg);
	if (!c)
		return 0;
	p->node.counters.heads_again++;
	sp_machine_go(p, c, sp_head_segment(p, c, seg));
	return 0;
}
