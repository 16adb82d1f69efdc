// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/leg.h"

#include <errno.h>

#include "proxy/forward.h"
#include "proxy/partial.h"
#include "tcp/relay.h"

#define RETRANSMIT_NS	250000000ULL	/* an earlier segment, if it was lost, has come again */

static struct sp_tuple down_key(const struct sp_conn *c)
{
	return sp_tuple_reverse(&c->leg.out);
}

/* The half up holds the client's last acknowledgement, as the backend counts. */
static int is_acked(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_entry up;

	if ((__s32)(c->heard_ack - leg->end) >= 0)
		return 1;
	return !sp_datapath_get(p->node.dp, &c->front, &up) &&
	       up.state.last_ack - leg->down.meta.boundary.until == 0;
}

static enum sp_leg_state state_of(const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;
	int is_seen = down->state.next_seq || !(down->half.flags & SP_HALF_F_FETCHED);
	int is_reached = is_seen && (__s32)(down->state.next_seq - b->until) >= 0 && !b->laps;

	if (down->state.flags & SP_STATE_FIN)
		return SP_LEG_LAST;	/* the client has it */
	switch (b->bound) {
	case SP_BOUND_NONE: return SP_LEG_LAST;
	case SP_BOUND_UNKNOWN: return SP_LEG_UNKNOWN;
	case SP_BOUND_GONE: return SP_LEG_ENDED;
	case SP_BOUND_STOP:
		if (b->reading & SP_READING_ENDED)
			return SP_LEG_ENDED;
		return is_reached ? SP_LEG_DONE : SP_LEG_BUSY;
	}
	return SP_LEG_BUSY;
}

/* By the client, as the backend counts. */
static __u32 acked_by(struct sp_proxy *p, const struct sp_conn *c, const struct sp_entry *down)
{
	__u32 heard = c->heard_ack - down->half.seq_delta;
	struct sp_entry up;

	if (!sp_datapath_get(p->node.dp, &c->front, &up) && up.state.last_ack &&
	    (__s32)(up.state.last_ack - heard) > 0)
		return up.state.last_ack;
	return heard;
}

/* The client has acknowledged bytes that did not pass here: more proxies carry the leg. */
static int has_more(const struct sp_conn *c, const struct sp_entry *down)
{
	__u32 here = down->state.next_seq + down->half.seq_delta;

	return down->state.next_seq && (__s32)(c->heard_ack - here) > 0;
}

/*
 * A response of the store's is the last one only if the request begins where the store says. Other
 * proxies may have carried the end: then the acknowledgement of just that tells.
 */
static enum sp_leg_state state_fetched(struct sp_proxy *p, const struct sp_conn *c,
				       const struct sp_entry *down, enum sp_leg_state state)
{
	const struct sp_boundary *b = &down->meta.boundary;

	if (c->is_guess && (state == SP_LEG_BUSY || state == SP_LEG_DONE))
		return SP_LEG_UNKNOWN;
	if (state == SP_LEG_BUSY && b->bound == SP_BOUND_STOP && !b->laps &&
	    acked_by(p, c, down) == b->until)
		return SP_LEG_DONE;
	return state;
}

struct sp_leg sp_leg_look(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_leg leg = { .state = SP_LEG_LOST };
	struct sp_tuple key = down_key(c);

	if (sp_datapath_get(p->node.dp, &key, &leg.down) ||
	    leg.down.half.flags & SP_HALF_F_TO_DAEMON ||
	    leg.down.meta.client_isn != c->client_isn)
		return leg;
	leg.state = state_of(&leg.down);
	if (leg.down.half.flags & SP_HALF_F_FETCHED)
		leg.state = state_fetched(p, c, &leg.down, leg.state);
	if (leg.state == SP_LEG_BUSY && leg.down.meta.boundary.bound != SP_BOUND_STOP &&
	    sp_partial_is_lost(p, &key, &leg.down, acked_by(p, c, &leg.down)))
		leg.state = SP_LEG_UNKNOWN;
	if ((__s32)(leg.down.meta.tsval - c->client.tsval_ours) > 0)
		leg.tsval = leg.down.meta.tsval;
	else
		leg.tsval = c->client.tsval_ours;
	if (leg.state != SP_LEG_LAST && leg.state != SP_LEG_ENDED && has_more(c, &leg.down))
		leg.state = SP_LEG_UNKNOWN;
	leg.end = leg.down.meta.boundary.until + leg.down.half.seq_delta;
	if (leg.state == SP_LEG_DONE || leg.state == SP_LEG_ENDED)
		leg.is_acked = is_acked(p, c, &leg);
	return leg;
}

int sp_leg_is_elsewhere(const struct sp_leg *leg)
{
	return leg->down.half.flags & SP_HALF_F_FETCHED || leg->down.state.is_elsewhere;
}

int sp_leg_wake(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN,
		.version = c->version, .becomes = c->version,
		.down = leg->down.meta.boundary, .was_down = leg->down.meta.boundary,
	};

	if (patch.down.reading & SP_READING_WAKE)
		return 0;
	patch.down.reading |= SP_READING_WAKE;
	return sp_datapath_patch(p->node.dp, &patch);
}

static void reset_leg(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_segment rst = {
		.tuple = c->leg.out, .flags = SP_TCP_RST | SP_TCP_ACK, .wscale = -1,
		.seq = c->client.isn_theirs + 1 + c->leg.seq_delta,
		.ack = c->client.isn_ours + 1 + c->leg.ack_delta,
	};

	sp_wire_send(p->node.wire, &rst);
}

int sp_leg_end(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_DOWN, .version = c->version, .becomes = c->version,
		.up = { .until = c->client.isn_theirs + 1, .bound = SP_BOUND_GONE },
		.down = { .until = c->heard_ack - leg->down.half.seq_delta,
			  .bound = SP_BOUND_GONE, .reading = SP_READING_ENDED },
	};

	c->client.isn_ours = c->heard_ack - 1;
	reset_leg(p, c);
	return sp_datapath_patch(p->node.dp, &patch);
}

void sp_leg_leave(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_tuple key = down_key(c);

	sp_datapath_del(p->node.dp, &key);	/* gone, if the store knew of the next version */
	p->node.counters.legs_left++;
	reset_leg(p, c);
	sp_port_free_back(p->node.ports, &c->leg.out);
}

static void reset_client(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_segment rst = sp_conn_segment(c, SP_TCP_RST | SP_TCP_ACK, c->acked);

	rst.seq = c->heard_ack;
	sp_wire_send(p->node.wire, &rst);
}

void sp_leg_reset_both(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_patch ended = { .front = c->front, .client_isn = c->client_isn,
				  .flags = SP_STATE_RST };

	reset_client(p, c);
	reset_leg(p, c);
	sp_datapath_patch(p->node.dp, &ended);
	sp_cluster_tell_ends(p->node.cluster, &c->front, c->client_isn, ended.flags);
}

void sp_leg_break(struct sp_proxy *p, struct sp_conn *c)
{
	reset_client(p, c);
	sp_leg_leave(p, c);
	sp_datapath_del(p->node.dp, &c->front);
}

void sp_leg_hear(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_entry up;
	__u32 ack;

	c->client.tsval_ours = leg->tsval ?: c->client.tsval_ours;
	if (sp_datapath_get(p->node.dp, &c->front, &up) || !up.state.last_ack)
		return;
	ack = up.state.last_ack - up.half.ack_delta;
	if ((__s32)(ack - c->heard_ack) > 0)
		c->heard_ack = ack;
	c->client.isn_ours = c->heard_ack - 1;
}

/* A client retransmits the first unacknowledged byte. */
static int is_first_unacked(const struct sp_conn *c)
{
	return c->guess_seen > 1 && sp_now_ns() - c->begun_ns >= RETRANSMIT_NS;
}

int sp_leg_has_all(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);

	return leg.state == SP_LEG_LOST || is_first_unacked(c) ||
	       (__s32)(leg.down.state.last_ack - (c->client.isn_theirs + 1)) >= 0;
}

int sp_leg_resume(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg;
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &c->front, &up) ||
	    !(up.half.flags & SP_HALF_F_REQUESTS))
		return -ENOENT;
	c->client_isn = up.meta.client_isn;
	c->version = up.meta.version;
	c->leg = up.half;
	c->up = up.half;
	if (up.meta.boundary.until == c->client.isn_theirs + 1)
		c->begins = sp_boundary_stored(&up.meta.boundary).bound;
	leg = sp_leg_look(p, c);
	sp_leg_hear(p, c, &leg);
	c->begun_ack = c->heard_ack;
	c->begun_ns = sp_now_ns();
	return 0;
}

void sp_leg_open(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_entry *up)
{
	struct sp_patch patch = {
		.front = *front, .client_isn = up->meta.client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_DOWN,
		.version = up->meta.version, .becomes = up->meta.version,
	};

	if (sp_datapath_patch(p->node.dp, &patch))
		return;
	p->node.counters.tunnels++;
	sp_ager_refresh(&p->node.ager, front);
}

void sp_leg_acknowledge(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *seg)
{
	struct sp_segment ack = *seg;

	ack.flags = SP_TCP_ACK;
	ack.seq = c->client.isn_theirs + 1;
	ack.payload_len = 0;
	sp_forward(p, &c->leg, c->client_isn, &ack, SP_RELAY_MSS);
}
