// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * turn.c - a further request waits until the response before is complete; then it stays with its
 * backend, moves to another, or is answered here
 */
#include "proxy/turn.h"

#include <errno.h>

#include "proxy/home.h"
#include "proxy/progress.h"
#include "proxy/stay.h"
#include "tcp/relay.h"

#define WAIT_NS		10000000000ULL	/* the client retransmits a forgotten request */
#define LOST_NS		1000000000ULL	/* an acknowledgement has come by then */
#define DRAIN_NS	100000000ULL	/* packets under way by other proxies are with the client */
#define QUIET_NS	200000000ULL
#define ECHO_NS		1000000000ULL	/* a TSval is echoed by then */
#define NS_PER_TSVAL	1000000		/* of the fastest clock (RFC 7323, 5.4) */

struct sp_next sp_turn_begin(struct sp_proxy *p, struct sp_conn *c, struct sp_next next)
{
	c->wanted = next.arg;
	c->is_reply = next.kind == SP_NEXT_REPLY || next.arg < 0;
	c->status = next.kind == SP_NEXT_REPLY ? next.arg : 404;
	c->deadline_ns = sp_now_ns() + WAIT_NS;
	sp_stay_note(p, c);
	sp_conn_enter(c, SP_CONN_WAITING, next.why);
	return sp_turn_go(p, c);
}

/*
 * No proxy carries the splice any more. The store has it for a while: a proxy that was away must
 * not go on with an earlier version.
 */
static void forget_splice(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_splice splice = {
		.front = c->front, .client_isn = c->client_isn, .version = c->version,
		.up = c->leg, .down = leg->down.half,
	};

	sp_store_forget_later(p->node.store, &splice, p->node.config->limits.closed_ns);
	sp_cluster_tell_ends(p->node.cluster, &c->front, c->client_isn, SP_STATE_REUSED);
}

/* A reply of our own ends the connection. */
struct sp_next sp_turn_move(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	c->is_turn = 1;
	c->client.isn_ours = leg->end - 1;
	c->client.tsval_ours = leg->tsval;
	if (!leg->down.meta.tsval)	/* the last packets of the leg went another way */
		c->client.tsval_ours += (sp_now_ns() - c->heard_ns + ECHO_NS) / NS_PER_TSVAL;
	if (c->is_reply)
		sp_leg_leave(p, c);
	if (c->is_reply) {
		forget_splice(p, c, leg);
		return sp_next_reply(c->status, "the response before is complete");
	}
	p->node.counters.requests_moved++;
	return (struct sp_next){ SP_NEXT_CONNECT, c->wanted, "moves to another backend" };
}

/* By another proxy, behind the end of the response. */
static int has_sent_more(const struct sp_leg *leg)
{
	const struct sp_entry *down = &leg->down;

	return down->state.next_seq &&
	       (__s32)(down->state.next_seq - down->meta.boundary.until) > 0;
}

/*
 * In any case, no byte of ours or of a new backend goes where the client has a byte. The
 * acknowledgement is beyond the end if other proxies have served the client meanwhile.
 */
static struct sp_next move_at(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	sp_leg_hear(p, c, leg);
	if (c->heard_ack == leg->end && !(c->left_ns && has_sent_more(leg)))
		return sp_turn_move(p, c, leg);
	p->node.counters.requests_stale++;
	return sp_next(SP_NEXT_END, "its client has more than this leg has sent");
}

static struct sp_next wait_for_response(struct sp_proxy *p, struct sp_conn *c,
					const struct sp_leg *leg)
{
	sp_progress_ask(p, c, leg);
	/* if a boundary has moved meanwhile, the next tick looks again */
	if (sp_leg_wake(p, c, leg) == -ENOENT)
		return sp_next(SP_NEXT_END, "its splice is gone");
	return sp_next_wait();
}

static struct sp_next wait_for_ack(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	sp_progress_ask(p, c, leg);
	return sp_next_wait();
}

/* The client has acknowledged the FIN behind the last response. */
static int has_end(const struct sp_conn *c, const struct sp_leg *leg)
{
	__s32 behind = c->heard_ack - (leg->down.state.next_seq + leg->down.half.seq_delta);
	int is_counted = leg->down.meta.boundary.bound == SP_BOUND_NONE;

	return leg->down.state.flags & SP_STATE_FIN && behind >= !is_counted;
}

/* The response ends with the connection; or a tunnel has just begun. */
static struct sp_next go_last(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &c->front, &up) ||
	    up.meta.boundary.bound != SP_BOUND_NONE) {
		if (has_end(c, leg))
			sp_leg_reset_both(p, c);
		return sp_next(SP_NEXT_END, "the connection ends with the response before");
	}
	c->request = (struct sp_request){ .bytes = SP_CONN_BUF, .bound = SP_BOUND_NONE };
	return sp_stay_forward(c, "the connection is a tunnel now");
}

/* Where the end of a response is not known, the beginning at least has gone by. */
static int is_answered(const struct sp_conn *c, const struct sp_leg *leg)
{
	__u32 asked = leg->down.meta.boundary.until;

	return leg->state != SP_LEG_UNKNOWN || !leg->down.state.pkts ||
	       leg->down.state.next_seq != asked ||
	       (__s32)(c->heard_ack - (asked + leg->down.half.seq_delta)) > 0;
}

/*
 * The backend's acknowledgement shows that all before the first byte was read. A client's earlier
 * segment, if it was lost with another proxy, comes again before this one does.
 */
static int is_sure(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_segment probe = {
		.tuple = c->front, .seq = c->client.isn_theirs, .ack = c->heard_ack,
		.flags = SP_TCP_ACK, .window = c->window, .wscale = -1,
		.has_ts = c->client.has_ts && (c->leg.tsval_delta || c->leg.tsecr_delta),
		.tsval = c->heard_tsval, .tsecr = c->client.tsval_ours,
	};
	__u64 now_ns = sp_now_ns();

	if (!c->is_guess || leg->down.state.last_ack == c->client.isn_theirs + 1)
		return 1;
	if (c->guess_ns)
		return c->guess_seen > 1;
	c->guess_ns = now_ns;
	sp_relay(p->node.wire, &c->leg, &probe, SP_RELAY_MSS);
	return 0;
}

/* The client has not acknowledged all that has passed here. */
static int has_unacked(const struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_half_state *u = &leg->down.state;

	return u->next_seq && (__s32)(c->heard_ack - (u->next_seq + leg->down.half.seq_delta)) < 0;
}

/*
 * The reader of the leg's responses is dead. A client that does not send ahead has the whole
 * response: the acknowledgement stays the same. A client that does is known by requests that came
 * together, or by acknowledgements that go on, and waits until the backend closes. The leg is
 * reset first: other proxies may carry late packets of the leg. See THREATS.md.
 */
static struct sp_next leave_unknown(struct sp_proxy *p, struct sp_conn *c, struct sp_leg *leg)
{
	__u64 now_ns = sp_now_ns();

	sp_leg_hear(p, c, leg);
	if ((c->is_behind || c->heard_ack != c->begun_ack) && !c->is_ahead) {
		c->is_ahead = 1;
		p->node.counters.requests_ahead++;
	}
	if (c->is_ahead || now_ns - c->begun_ns < QUIET_NS || has_unacked(c, leg))
		return sp_next_wait();
	if (sp_leg_end(p, c, leg))
		return sp_next(SP_NEXT_END, "its splice is gone");
	c->left_ns = now_ns;
	return sp_next_wait();
}

/* The client lacks the end of the response, and the backend has forgotten the connection. */
static int is_lost(const struct sp_conn *c, const struct sp_leg *leg)
{
	return leg->down.meta.boundary.reading & SP_READING_RESET && !leg->is_acked &&
	       sp_now_ns() - c->begun_ns >= LOST_NS;
}

/*
 * Another proxy has opened the leg, and may have died since: packets of the leg may pass elsewhere.
 * So the leg is reset first.
 */
static int is_elsewhere(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg)
{
	return !c->left_ns && leg->is_acked && sp_node_is_shared(&p->node) &&
	       (leg->down.half.flags & SP_HALF_F_FETCHED ||
		!sp_home_owns(p, &c->leg.out.saddr));
}

static struct sp_next reset_leg(struct sp_proxy *p, struct sp_conn *c, struct sp_leg *leg)
{
	sp_leg_hear(p, c, leg);
	if (has_sent_more(leg) || c->heard_ack != leg->end) {
		p->node.counters.requests_stale++;
		return sp_next(SP_NEXT_END, "more than the response was sent");
	}
	if (sp_leg_end(p, c, leg))
		return sp_next(SP_NEXT_END, "its splice is gone");
	c->left_ns = sp_now_ns();
	sp_progress_ask(p, c, leg);
	return sp_next_wait();
}

struct sp_next sp_turn_go(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);

	if (c->left_ns && sp_now_ns() - c->left_ns < DRAIN_NS)
		return sp_next_wait();
	if (leg.state != SP_LEG_UNKNOWN)
		c->unknown_ns = 0;
	switch (leg.state) {
	case SP_LEG_LOST:
		return sp_next(SP_NEXT_END, "its splice is gone");
	case SP_LEG_LAST:
		return go_last(p, c, &leg);
	case SP_LEG_BUSY:
		return wait_for_response(p, c, &leg);
	case SP_LEG_DONE:
	case SP_LEG_UNKNOWN:
		if (leg.state == SP_LEG_UNKNOWN && sp_progress_is_awaited(p, c, &leg))
			return sp_next_wait();
		if (!is_sure(p, c, &leg) || !is_answered(c, &leg))
			return sp_next_wait();
		if (sp_stay_is_own_backend(p, c))
			return sp_stay_begin(p, c, &leg);
		if (leg.state == SP_LEG_UNKNOWN)
			return leave_unknown(p, c, &leg);
		break;
	case SP_LEG_ENDED:
		if (is_lost(c, &leg)) {
			sp_leg_reset_both(p, c);
			return sp_next(SP_NEXT_END, "its backend has reset what it lacks");
		}
		break;
	}
	if (is_elsewhere(p, c, &leg))
		return reset_leg(p, c, &leg);
	return leg.is_acked ? move_at(p, c, &leg) : wait_for_ack(p, c, &leg);
}
