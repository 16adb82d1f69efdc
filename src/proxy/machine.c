// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A connection is here from the first data segment (with a valid cookie) until the splice, usually
 * for one round trip to a backend. conn.h has the table of states. A packet (dispatch.c), an answer
 * of the store (events.c) or a tick goes to the phase of the current state. The phase returns the
 * next step, which sp_machine_go() performs:
 *
 *	head.c		HEAD				the head is held and parsed
 *	turn.c		WAITING				a further request: stay, or move
 *	back.c		CONNECTING			a backend is connected
 *	commit.c	COMMITTING, LATE		the splice is claimed in the store
 *	deliver.c	DELIVERING			held bytes are forwarded
 *	reply.c		ASKING, REPLIED			400, 404, 408, 414, 431, 503
 *	stash.c		HEAD, DELIVERING, ...		early acknowledged bytes are stored
 *
 * Bytes that only this machine holds are not acknowledged (law 1): if they are lost here, the
 * client retransmits them. No byte is forwarded before the halves are committed (law 3).
 */
#include "proxy/machine.h"

#include "base/log.h"
#include "proxy/access.h"
#include "proxy/align.h"
#include "proxy/back.h"
#include "proxy/chunks.h"
#include "proxy/continue.h"
#include "proxy/deliver.h"
#include "proxy/exchange.h"
#include "proxy/head.h"
#include "proxy/home.h"
#include "proxy/miss.h"
#include "proxy/offer.h"
#include "proxy/parked.h"
#include "proxy/reply.h"
#include "proxy/stash.h"
#include "proxy/stay.h"
#include "proxy/sync.h"
#include "proxy/takeover.h"
#include "proxy/turn.h"

#define PARSE_PER_TICK	(1024 * 1024)	/* see head.c */
#define QUOTES_PER_TICK	64
#define SUSPENDED_NS	1000000000ULL	/* afterwards other proxies may have done our work */

/* ---- the next step ---- */

static struct sp_next retry_head(struct sp_proxy *p, struct sp_conn *c)
{
	if (!c->acked || c->is_reset)
		return sp_next(SP_NEXT_END, "no splice came of it");
	if (sp_deliver_through_known(p, c))
		sp_head_retry(p, c);
	return sp_next_wait();
}

static struct sp_next do_next(struct sp_proxy *p, struct sp_conn *c, struct sp_next next)
{
	int is_early = c->is_next && !c->is_turn;

	if (is_early && c->is_guess && next.kind == SP_NEXT_REPLY) {
		p->node.counters.guesses_wrong++;
		next = sp_next(SP_NEXT_END, "no head begins here");
	}
	if (is_early && (next.kind == SP_NEXT_CONNECT || next.kind == SP_NEXT_REPLY))
		return sp_turn_begin(p, c, next);
	if (c->is_part && c->state != SP_CONN_DELIVERING &&
	    (next.kind == SP_NEXT_REPLY || next.kind == SP_NEXT_END)) {
		sp_align_close(p, &c->front, c->heard_ack);
		next.kind = SP_NEXT_END;
	}
	if (c->is_again && next.kind == SP_NEXT_REPLY)
		next.kind = SP_NEXT_END;
	switch (next.kind) {
	case SP_NEXT_TURN:
		return sp_turn_go(p, c);
	case SP_NEXT_STAY:
		return sp_stay_done(p, c);
	case SP_NEXT_PARSE:
		return sp_head_parse(p, c);
	case SP_NEXT_BODY:
		return sp_chunks_go(p, c);
	case SP_NEXT_REST:
		return sp_exchange_rest(p, c);
	case SP_NEXT_CONNECT:
		return sp_back_start(p, c, next.arg);
	case SP_NEXT_REPLY:
		return sp_reply_begin(p, c, next.arg, next.why);
	case SP_NEXT_DELIVER:
		sp_access_forward(p, c);
		return sp_deliver_begin(p, c);
	case SP_NEXT_JOIN:
		if (c->is_next)
			return sp_deliver_overtaken(p, c);
		return sp_deliver_join(p, c);
	case SP_NEXT_RETRY:
		return retry_head(p, c);
	case SP_NEXT_STASH:
		sp_stash_grown(p, c);
		break;
	case SP_NEXT_END:
		sp_conn_end(p, c, next.why);
		break;
	case SP_NEXT_WAIT:
		break;
	}
	return sp_next_wait();
}

void sp_machine_go(struct sp_proxy *p, struct sp_conn *c, struct sp_next next)
{
	while (next.kind != SP_NEXT_WAIT)
		next = do_next(p, c, next);
}

/* ---- the daemon was suspended ---- */

/* Acknowledged bytes stay with the store: takeover.c resumes them, here or elsewhere. */
static void leave_conn(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;

	if (sp_conn_is_committing(c)) {
		sp_conn_enter(c, SP_CONN_LATE, "the daemon was suspended");
		return;
	}
	if (!sp_conn_is_undecided(c))
		return;
	sp_conn_leave_stash(c);
	if (c->state == SP_CONN_CONNECTING)
		sp_conn_release_back(p, c);
	sp_conn_end(p, c, "the daemon was suspended");
}

/*
 * Other proxies served retransmitted requests during the suspension. The store forgets a finished
 * request. If such a request is still held here, it might win the claim and run again. So all
 * begins as if this daemon had just been started. A commit under way was sent in time, or is late
 * for the servers.
 *
 * A lone proxy forgets the strays, too. They have aged, while the segment that explains them lies
 * in the ring. The next stray would be taken for the second of an unknown connection, and the
 * client would be reset.
 */
void sp_machine_awake(struct sp_proxy *p)
{
	__u64 now_ns = sp_now_ns(), suspended_ns = now_ns - p->awake_ns;

	p->awake_ns = now_ns;
	if (suspended_ns < SUSPENDED_NS)
		return;
	sp_strays_clear(p->node.strays);
	if (!sp_node_is_shared(&p->node))
		return;
	p->node.counters.stopped++;
	log_warn("this daemon was stopped for %llu ms: connections before their splice are left "
		 "to other proxies", suspended_ns / 1000000);
	sp_conns_each(p->conns, leave_conn, p);
	sp_strays_clear(p->sent_home);
	sp_takeover_start(p);
}

/* ---- ticks ---- */

static void tick_head(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	sp_machine_go(p, c, sp_head_tick(p, c, now_ns));
	if (c->state != SP_CONN_HEAD)
		return;
	sp_stash_tick(p, c, now_ns);
	if (c->state == SP_CONN_HEAD && c->is_next)
		sp_home_ask_next(p, c);
	else if (c->state == SP_CONN_HEAD)
		sp_home_ask(p, c);
}

/*
 * If the backend sees clients' own addresses, it may have this connection from another proxy, which
 * got the client's handshake. In mode split the backend's answer to the SYN doesn't come here. So
 * the store is queried.
 */
static void tick_connecting(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (c->pool->source == SP_SOURCE_CLIENT && !c->is_next)
		sp_home_ask(p, c);
	if (c->state == SP_CONN_CONNECTING)
		sp_machine_go(p, c, sp_back_tick(p, c, now_ns));
}

/* What is not acknowledged, the client has. */
static void tick_waiting(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (now_ns >= c->deadline_ns && !c->acked && !c->is_ahead)
		sp_conn_end(p, c, "the response before is not complete");
	else
		sp_machine_go(p, c, sp_turn_go(p, c));
}

static void tick_conn(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;
	__u64 now_ns = sp_now_ns();

	switch (c->state) {
	case SP_CONN_HEAD: tick_head(p, c, now_ns); break;
	case SP_CONN_WAITING: tick_waiting(p, c, now_ns); break;
	case SP_CONN_CONNECTING: tick_connecting(p, c, now_ns); break;
	case SP_CONN_DELIVERING:
		sp_stash_tick(p, c, now_ns);
		sp_machine_go(p, c, sp_deliver_tick(p, c, now_ns));
		break;
	case SP_CONN_ASKING:
	case SP_CONN_REPLIED:
		if (now_ns >= c->deadline_ns)
			sp_conn_end(p, c, "its time is over");
		break;
	case SP_CONN_FREE:
	case SP_CONN_COMMITTING:
	case SP_CONN_LATE:
		break;
	}
}

static int tick_queued(void *ctx, __u64 ref)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c = sp_conn_by_ref(p->conns, ref);

	if (c && sp_back_is_queued(c)) {
		sp_machine_go(p, c, sp_back_queued(p, c, sp_now_ns()));
		c = sp_conn_by_ref(p->conns, ref);
	}
	if (!c)
		return 0;
	c->is_queued = sp_back_is_queued(c);
	return c->is_queued;
}

/* A splice of another proxy is here when the store has answered. */
static int is_here(void *ctx, const struct sp_tuple *front)
{
	struct sp_proxy *p = ctx;
	struct sp_entry e;

	if (sp_conn_by_front(p->conns, front) || !sp_datapath_get(p->node.dp, front, &e))
		return 1;
	if (sp_node_is_shared(&p->node))
		sp_store_fetch(p->node.store, front);
	return 0;
}

static void tick_kept(struct sp_proxy *p, struct sp_kept *k, const struct sp_entry *up,
		      const struct sp_entry *down)
{
	struct sp_next next = sp_next_wait();
	struct sp_conn *c = sp_continue_silent(p, k, up, down, &next);

	if (c)
		sp_machine_go(p, c, next);
}

void sp_machine_tick(struct sp_proxy *p)
{
	sp_machine_awake(p);
	sp_access_tick(p);
	p->parse_budget = PARSE_PER_TICK;
	p->quote_budget = QUOTES_PER_TICK;
	sp_sync_tick(p, sp_now_ns());
	sp_queue_each(p->queue, tick_queued, p);
	sp_parked_tick(p, sp_now_ns());
	sp_kept_tick(p, tick_kept);
	sp_conns_each(p->conns, tick_conn, p);
	sp_takeover_tick(p, sp_now_ns());
	sp_offer_tick(p, sp_now_ns());
	sp_degraded_tick(&p->degraded, p->node.cluster, sp_now_ns());
	if (sp_node_is_shared(&p->node))
		sp_miss_tick(p);
	p->node.counters.introduced_again +=
		sp_reintroduce_tick(p->reintroductions, p->node.dp, p->node.cluster, p->node.wire,
				    sp_now_ns());
	sp_synack_tick(p->synacks, p->node.wire, sp_now_ns(), is_here, p);
}
