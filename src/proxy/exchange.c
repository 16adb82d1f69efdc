// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * exchange.c - requests behind the first of a connection
 *
 * Theory of operation
 *
 * The half up of a leg carries a request's bytes up to its boundary. Data beyond comes here, and is
 * held unacknowledged like the head of a new connection. A struct sp_conn holds the bytes. The two
 * ISNs there are not from the handshake, but the numbers before the request's first byte, and
 * before the first byte of the response. So a request that moves is like a first request: all
 * phases serve both.
 *
 * One request at a time is under way: a further one waits until the response before is complete
 * (leg.h). Then
 *
 *	stay	the leg's own pool: the boundary moves, and the request goes through the same half
 *	move	a new pool, or the backend has closed: a new leg is connected and committed as the
 *		next version of the splice; the old leg gets an RST. The client must have the whole
 *		response before: only the old backend could retransmit a part
 *
 * A chunked body is followed from size line to size line, in the same way.
 */
#include "proxy/exchange.h"

#include <errno.h>

#include "abi/decision.h"
#include "base/log.h"
#include "l7/http1_chunk.h"
#include "proxy/change.h"
#include "proxy/commit.h"
#include "proxy/home.h"
#include "proxy/leg.h"
#include "proxy/room.h"
#include "tcp/relay.h"

#define WAIT_NS		10000000000ULL	/* the client retransmits a forgotten request */
#define LOST_NS		1000000000ULL	/* an acknowledgement has come by then */
#define DRAIN_NS	100000000ULL	/* packets under way by other proxies are with the client */
#define QUIET_NS	200000000ULL
#define WINDOW_UNKNOWN	65535
#define ECHO_NS		1000000000ULL	/* a TSval is echoed by then */
#define NS_PER_TSVAL	1000000		/* of the fastest clock (RFC 7323, 5.4) */

/* ---- the beginning ---- */

static void take_handshake(struct sp_conn *c, const struct sp_handshake *h)
{
	c->mss = h->mss;
	c->is_sack = !!(h->flags & SP_HANDSHAKE_SACK);
	c->is_ecn = !!(h->flags & SP_HANDSHAKE_ECN);
	c->client.has_ts = !!(h->flags & SP_HANDSHAKE_TS);
	c->client.wscale_ours = h->wscale_ours;
	c->client.wscale_theirs = h->wscale_theirs;
}

/* The client has more than the whole response here: a proxy has served requests since. */
static int is_stale(const struct sp_segment *seg, const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return b->bound == SP_BOUND_STOP && !b->laps &&
	       (__s32)(seg->ack - (b->until + down->half.seq_delta)) > 0;
}

static void forget_end(struct sp_proxy *p, const struct sp_segment *seg,
		       const struct sp_entry *up)
{
	struct sp_patch patch = {
		.front = seg->tuple, .client_isn = up->meta.client_isn, .sets = SP_PATCH_DOWN,
		.version = up->meta.version, .becomes = up->meta.version,
		.down = { .bound = SP_BOUND_UNKNOWN },
	};

	sp_datapath_patch(p->node.dp, &patch);
}

/*
 * The boundary is the next head's first byte. But other proxies may have read further requests of a
 * segment: then all before @seg was acknowledged, and a head begins there (law 8).
 */
static __u32 first_of(struct sp_conn *c, const struct sp_segment *seg, const struct sp_entry *up,
		      const struct sp_entry *down)
{
	__u32 until = up->meta.boundary.until;

	if (c->begins != SP_BOUND_STOP || (__s32)(seg->seq - until) <= 0 ||
	    (down->meta.boundary.bound != SP_BOUND_UNKNOWN && !is_stale(seg, down)))
		return until;
	c->is_guess = 1;
	return seg->seq;
}

static void begin_at(struct sp_conn *c, const struct sp_segment *seg, const struct sp_entry *up,
		     const struct sp_entry *down)
{
	take_handshake(c, &up->meta.handshake);
	c->client_isn = up->meta.client_isn;
	c->version = up->meta.version;
	c->leg = up->half;
	c->up = up->half;
	c->is_next = 1;
	c->begins = up->meta.boundary.bound;
	c->client.isn_theirs = first_of(c, seg, up, down) - 1;
	c->client.isn_ours = seg->ack - 1;
	c->client.tsval_ours = seg->tsecr;
	c->client.tsval_theirs = seg->tsval;
	c->heard_tsval = seg->tsval;
	c->heard_ack = seg->ack;
	c->begun_ack = seg->ack;
	c->begun_ns = sp_now_ns();
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
}

/* From now on the datapath leaves the boundary of @up alone: packets come here. */
static int hold_boundary(struct sp_proxy *p, const struct sp_segment *seg,
			 const struct sp_entry *up)
{
	struct sp_patch patch = {
		.front = seg->tuple, .client_isn = up->meta.client_isn,
		.version = up->meta.version, .becomes = up->meta.version,
		.sets = SP_PATCH_UP | SP_PATCH_IF_UP,
		.up = up->meta.boundary, .was_up = up->meta.boundary,
	};

	if (up->meta.boundary.reading & SP_ASKING_MOVING)
		return -EAGAIN;
	if (up->meta.boundary.reading & SP_ASKING_HELD)
		return 0;
	patch.up.reading |= SP_ASKING_HELD;
	return sp_datapath_patch(p->node.dp, &patch);
}

struct sp_conn *sp_exchange_begin(struct sp_proxy *p, const struct sp_segment *seg,
				  const struct sp_entry *up)
{
	static const char why[] = "data behind its request";
	struct sp_tuple down_key = sp_tuple_reverse(&up->half.out);
	struct sp_conn *c;
	struct sp_entry down;

	if (sp_datapath_get(p->node.dp, &down_key, &down) || hold_boundary(p, seg, up))
		return NULL;
	c = sp_conn_begin(p, &seg->tuple, why);
	if (!c && sp_room_for_one(p))
		c = sp_conn_begin(p, &seg->tuple, why);
	if (!c) {
		p->node.counters.pending_full++;
		return NULL;
	}
	begin_at(c, seg, up, &down);
	if (is_stale(seg, &down))
		forget_end(p, seg, up);
	c->before_ns = sp_now_ns();
	return c;
}

/* ---- a turn ---- */

/* Pools are known by parts of hashes of names: two may be equal. */
static int is_pool_unique(const struct sp_config *config, __u16 id)
{
	int same = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		same += (__u16)config->pools[i].id == id;
	return same == 1;
}

/*
 * The head goes on unchanged, and the bytes alone decide about the pool. Next time the datapath may
 * carry these. A connection from before a reload has an old configuration.
 */
static void note_decision(struct sp_proxy *p, const struct sp_conn *c)
{
	const struct sp_request *r = &c->request;
	__u16 id;

	if (c->is_reply || c->wanted < 0 || c->config != p->node.config || !r->is_bare ||
	    c->plan.bytes || r->bytes > SP_DECISION_BYTES_MAX)
		return;
	id = c->config->pools[c->wanted].id;
	if (is_pool_unique(c->config, id))
		sp_datapath_decide(p->node.dp, &c->front, sp_conn_buf(p->conns, c), r->bytes, id,
				   r->reading);
}

struct sp_next sp_exchange_turn(struct sp_proxy *p, struct sp_conn *c, struct sp_next next)
{
	c->wanted = next.arg;
	c->is_reply = next.kind == SP_NEXT_REPLY || next.arg < 0;
	c->status = next.kind == SP_NEXT_REPLY ? next.arg : 404;
	c->deadline_ns = sp_now_ns() + WAIT_NS;
	note_decision(p, c);
	sp_conn_enter(c, SP_CONN_WAITING, next.why);
	return sp_exchange_go(p, c);
}

/* A pool of the same name is the same, also after changes by a reload. */
static int is_own_pool(const struct sp_conn *c)
{
	return !c->is_reply && c->wanted >= 0 &&
	       (__u16)c->config->pools[c->wanted].id == c->leg.pool_id &&
	       is_pool_unique(c->config, c->leg.pool_id);
}

static struct sp_next forward_held(struct sp_conn *c, const char *why)
{
	c->is_turn = 1;
	c->up = c->leg;
	c->up.seq_delta += sp_change_shift(c);
	c->client.isn_ours = c->heard_ack - 1;
	c->backend.has_ts = c->client.has_ts && (c->leg.tsval_delta || c->leg.tsecr_delta);
	c->forward_mss = c->mss < SP_RELAY_MSS ? c->mss : SP_RELAY_MSS;
	c->window_bytes = WINDOW_UNKNOWN;
	return sp_next(SP_NEXT_DELIVER, why);
}

/*
 * A client that does not send ahead has the whole response when the next request comes. If the leg
 * has sent no more, the next response begins there, and the end will be known again.
 */
static int has_all(const struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_half_state *u = &leg->down.state;

	return u->pkts && u->next_seq && c->heard_ack == c->begun_ack &&
	       c->heard_ack == u->next_seq + leg->down.half.seq_delta;
}

static void await_response(const struct sp_conn *c, const struct sp_leg *leg,
			   struct sp_patch *patch)
{
	patch->sets |= SP_PATCH_DOWN | SP_PATCH_IF_DOWN;
	patch->down.bound = SP_BOUND_HEAD;
	patch->down.reading = c->request.reading;
	if (leg->state != SP_LEG_UNKNOWN)
		return;
	patch->down.until = leg->down.state.next_seq;
	if (!has_all(c, leg))
		patch->down.bound = SP_BOUND_UNKNOWN;
}

/* The new version may have come back from the store before the commit was answered. */
static int set_stay(struct sp_proxy *p, const struct sp_conn *c, struct sp_patch *patch)
{
	int err = sp_datapath_patch(p->node.dp, patch);

	if (!err || !c->is_staying)
		return err;
	patch->version = patch->becomes;
	patch->sets &= ~(SP_PATCH_IF_UP | SP_PATCH_IF_DOWN);
	return sp_datapath_patch(p->node.dp, patch);
}

/* The committed half carries the request. Only the first look at a response sets the reading. */
struct sp_next sp_exchange_stayed(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_UP | (c->is_guess ? 0 : SP_PATCH_IF_UP),
		.version = c->version, .becomes = c->version + c->is_staying,
		.up = sp_conn_boundary(c), .was_up = { .until = c->client.isn_theirs + 1 },
		.down = leg.down.meta.boundary, .was_down = leg.down.meta.boundary,
	};

	if (c->begins == SP_BOUND_STOP)
		await_response(c, &leg, &patch);
	sp_change_stay(c);
	sp_change_patch(c, &patch);
	if (leg.state == SP_LEG_LOST || set_stay(p, c, &patch))
		return sp_next(SP_NEXT_END, "its splice is gone");
	if (c->is_staying)
		sp_cluster_tell_moved(p->node.cluster, &c->front, c->client_isn, patch.becomes);
	c->version = patch.becomes;
	c->is_staying = 0;
	return forward_held(c, "stays with its backend");
}

/*
 * Any proxy may forward a single segment without a body again: the backend drops the duplicate (law
 * 8). All else moves the boundary for all proxies. So does a proxy that has not opened the leg, as
 * the opener stops behind the response before.
 */
static struct sp_next commit_or_stay(struct sp_proxy *p, struct sp_conn *c,
				     const struct sp_leg *leg)
{
	int is_bare = sp_home_owns(p, &c->leg.out.saddr) && !c->is_guess &&
		      c->begins == SP_BOUND_STOP && c->request.is_bare && c->pieces == 1 &&
		      !c->plan.bytes;

	if (!sp_node_is_shared(&p->node) || is_bare)
		return sp_exchange_stayed(p, c);
	sp_commit_stay(p, c, &leg->down);
	return sp_next_wait();
}

static struct sp_next stay_here(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	p->node.counters.requests_stayed++;
	return commit_or_stay(p, c, leg);
}

/* No proxy carries the splice any more. */
static void forget_splice(struct sp_proxy *p, const struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_splice splice = {
		.front = c->front, .client_isn = c->client_isn, .version = c->version,
		.up = c->leg, .down = leg->down.half,
	};

	sp_store_forget(p->node.store, &splice);
	sp_cluster_tell_ends(p->node.cluster, &c->front, c->client_isn, SP_STATE_REUSED);
}

/* A reply of our own ends the connection. */
static struct sp_next move_on(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	c->is_turn = 1;
	c->client.isn_ours = leg->end - 1;
	c->client.tsval_ours = leg->tsval;
	if (!leg->down.meta.tsval)	/* the last packets of the leg went another way */
		c->client.tsval_ours += (sp_now_ns() - c->heard_ns + ECHO_NS) / NS_PER_TSVAL;
	if (c->is_reply || leg->state == SP_LEG_ENDED)
		sp_leg_leave(p, c);
	if (c->is_reply) {
		forget_splice(p, c, leg);
		return sp_next_reply(c->status, "the response before is complete");
	}
	p->node.counters.requests_moved++;
	return (struct sp_next){ SP_NEXT_CONNECT, c->wanted, "moves to another backend" };
}

/*
 * In any case, no byte of ours or of a new backend goes where the client has a byte. The
 * acknowledgement is beyond the end if other proxies have served the client meanwhile.
 */
static struct sp_next move_at(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	sp_leg_hear(p, c);
	if (c->heard_ack == leg->end)
		return move_on(p, c, leg);
	p->node.counters.requests_stale++;
	return sp_next(SP_NEXT_END, "its client has more than this leg has sent");
}

static struct sp_next wait_for_response(struct sp_proxy *p, struct sp_conn *c,
					const struct sp_leg *leg)
{
	/* if a boundary has moved meanwhile, the next tick looks again */
	if (sp_leg_wake(p, c, leg) == -ENOENT)
		return sp_next(SP_NEXT_END, "its splice is gone");
	return sp_next_wait();
}

/* The client has acknowledged the FIN behind the last response. */
static int has_end(const struct sp_conn *c, const struct sp_leg *leg)
{
	__s32 behind = c->heard_ack - (leg->down.state.next_seq + leg->down.half.seq_delta);
	int is_counted = leg->down.meta.boundary.bound == SP_BOUND_NONE;

	return leg->down.state.flags & SP_STATE_FIN && behind >= !is_counted;
}

/* The client still sends, and would wait for acknowledgements. */
static void reset_client(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_segment rst = sp_conn_segment(c, SP_TCP_RST | SP_TCP_ACK, 0);

	rst.seq = c->heard_ack;
	sp_wire_send(p->node.wire, &rst);
}

/* The response ends with the connection; or a tunnel has just begun. */
static struct sp_next go_last(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &c->front, &up) ||
	    up.meta.boundary.bound != SP_BOUND_NONE) {
		if (has_end(c, leg))
			reset_client(p, c);
		return sp_next(SP_NEXT_END, "the connection ends with the response before");
	}
	c->request = (struct sp_request){ .bytes = SP_CONN_BUF, .bound = SP_BOUND_NONE };
	return forward_held(c, "the connection is a tunnel now");
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

/*
 * The reader of the leg's responses is dead. A client that does not send ahead has the whole
 * response: the acknowledgement stays the same. A client that does is known by acknowledgements
 * that go on, and waits until the backend closes. The leg is reset first: other proxies may carry
 * late packets of the leg. See THREATS.md.
 */
static struct sp_next leave_unknown(struct sp_proxy *p, struct sp_conn *c, struct sp_leg *leg)
{
	__u64 now_ns = sp_now_ns();

	sp_leg_hear(p, c);
	if (c->heard_ack != c->begun_ack && !c->is_ahead) {
		c->is_ahead = 1;
		p->node.counters.requests_ahead++;
	}
	if (c->is_ahead || now_ns - c->begun_ns < QUIET_NS)
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

struct sp_next sp_exchange_go(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);

	if (c->left_ns && sp_now_ns() - c->left_ns < DRAIN_NS)
		return sp_next_wait();
	switch (leg.state) {
	case SP_LEG_LOST:
		return sp_next(SP_NEXT_END, "its splice is gone");
	case SP_LEG_LAST:
		return go_last(p, c, &leg);
	case SP_LEG_BUSY:
		return wait_for_response(p, c, &leg);
	case SP_LEG_DONE:
	case SP_LEG_UNKNOWN:
		if (!is_sure(p, c, &leg) || !is_answered(c, &leg))
			return sp_next_wait();
		if (is_own_pool(c))
			return stay_here(p, c, &leg);
		if (leg.state == SP_LEG_UNKNOWN)
			return leave_unknown(p, c, &leg);
		break;
	case SP_LEG_ENDED:
		if (is_lost(c, &leg)) {
			reset_client(p, c);
			return sp_next(SP_NEXT_END, "its backend has reset what it lacks");
		}
		break;
	}
	return leg.is_acked ? move_at(p, c, &leg) : sp_next_wait();
}

/* ---- bytes behind the request ---- */

static void skip_bytes(struct sp_proxy *p, struct sp_conn *c, __u32 bytes)
{
	__u32 before = sp_conn_pages(c);

	sp_reasm_skip(&c->reasm, sp_conn_buf(p->conns, c), bytes);
	p->held_bytes -= before - sp_conn_pages(c);
	c->client.isn_theirs += bytes;
	if (c->fin_at != SP_CONN_NO_FIN)
		c->fin_at -= bytes;
}

static void begin_again(struct sp_conn *c)
{
	c->leg = c->up;
	c->begins = c->request.bound;
	c->is_next = 1;
	c->is_turn = 0;
	c->acked = 0;
	c->parsed = 0;
	c->tries = 0;
	c->tried = 0;
	c->is_ce = 0;
	c->pieces = 0;
	c->ack_ns = 0;
	c->stash = SP_STASH_UNKNOWN;
	c->begun_ack = c->heard_ack;
	c->begun_ns = sp_now_ns();
	c->is_ahead = 0;
	c->is_guess = 0;
	c->guess_seen = 0;
	c->left_ns = 0;
	c->generation++;	/* answers of the store were of the bytes before */
	c->skip = 0;
	c->is_again = 0;
	c->before_ns = sp_now_ns();
	c->plan = (struct sp_change){ 0 };
	c->change = (struct sp_change){ 0 };
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
	sp_conn_enter(c, SP_CONN_HEAD, "bytes behind the request");
}

struct sp_next sp_exchange_rest(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->request.bound == SP_BOUND_NONE || c->request.bytes >= c->reasm.top)
		return sp_next(SP_NEXT_END, "forwarded");
	sp_conn_drop_stash(p, c);
	skip_bytes(p, c, c->request.bytes);
	begin_again(c);
	return sp_next(SP_NEXT_PARSE, NULL);
}

/* ---- a chunked body ---- */

/* @ret: the bytes of whole chunks, and the data of a last chunk in part */
static enum sp_parse_verdict take_chunks(struct sp_proxy *p, struct sp_conn *c,
					 struct sp_request *ret)
{
	const char *buf = sp_conn_buf(p->conns, c);
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v = SP_PARSE_OK;

	*ret = (struct sp_request){ .bound = c->begins };
	while (v == SP_PARSE_OK && ret->bound != SP_BOUND_STOP && ret->bytes < c->reasm.len) {
		v = sp_http1_chunk_parse(buf + ret->bytes, c->reasm.len - ret->bytes,
					 ret->bound == SP_BOUND_CHUNK_END, &chunk);
		if (v != SP_PARSE_OK)
			break;
		ret->bytes += chunk.head_len + chunk.data_len;
		ret->bound = chunk.is_last ? SP_BOUND_STOP : SP_BOUND_CHUNK_END;
	}
	return v;
}

/* The backend has got a part of the message, and gets no more. */
static struct sp_next refuse_body(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);
	struct sp_segment rst = sp_conn_segment(c, SP_TCP_RST | SP_TCP_ACK, 0);

	p->node.counters.requests_refused++;
	if (leg.state == SP_LEG_BUSY && leg.down.meta.boundary.bound == SP_BOUND_HEAD &&
	    leg.down.state.next_seq == leg.down.meta.boundary.until) {
		c->is_reply = 1;
		c->status = 400;
		return move_on(p, c, &leg);
	}
	rst.seq = c->heard_ack;
	sp_wire_send(p->node.wire, &rst);
	sp_leg_leave(p, c);
	sp_datapath_del(p->node.dp, &c->front);
	return sp_next(SP_NEXT_END, "a chunk of its body is malformed");
}

struct sp_next sp_exchange_body(struct sp_proxy *p, struct sp_conn *c)
{
	enum sp_parse_verdict v = take_chunks(p, c, &c->request);
	struct sp_leg leg;

	if (v == SP_PARSE_BAD)
		return refuse_body(p, c);
	if (!c->request.bytes)
		return sp_next(SP_NEXT_STASH, "a size line is incomplete");
	leg = sp_leg_look(p, c);
	return commit_or_stay(p, c, &leg);
}
