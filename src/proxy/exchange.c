// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * exchange.c - requests behind the first of a connection
 *
 * Theory of operation
 *
 * The half up of a leg carries a request's bytes up to its boundary. Data beyond comes here, and is
 * held unacknowledged like the head of a new connection. A struct sp_conn holds the bytes, whose
 * two ISNs are not those of the handshake: they are the numbers before the request's first byte,
 * and before the first byte of its response. With these numbers a request that moves to another
 * backend is like a first request: all phases serve it.
 *
 * One request at a time is under way: a further one waits until the response before is complete
 * (leg.h). Then
 *
 *	stay	the leg's own pool: the boundary moves behind the request, and the request goes
 *		through the same half
 *	move	another pool, or the backend has closed: a new leg is connected and committed as the
 *		next version of the splice; the old leg gets an RST. The client must have
 *		acknowledged the whole response before: nobody else could retransmit it
 *
 * A chunked body is followed from size line to size line, in the same way.
 */
#include "proxy/exchange.h"

#include <errno.h>

#include "base/log.h"
#include "l7/http1_chunk.h"
#include "proxy/commit.h"
#include "proxy/leg.h"
#include "proxy/room.h"
#include "tcp/relay.h"

#define WAIT_NS		10000000000ULL	/* the client retransmits what is forgotten */
#define WINDOW_UNKNOWN	65535
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

static void begin_at(struct sp_conn *c, const struct sp_segment *seg, const struct sp_entry *up)
{
	take_handshake(c, &up->meta.handshake);
	c->client_isn = up->meta.client_isn;
	c->version = up->meta.version;
	c->leg = up->half;
	c->up = up->half;
	c->is_next = 1;
	c->begins = up->meta.boundary.bound;
	c->client.isn_theirs = up->meta.boundary.until - 1;
	c->client.isn_ours = seg->ack - 1;
	c->client.tsval_ours = seg->tsecr;
	c->client.tsval_theirs = seg->tsval;
	c->heard_tsval = seg->tsval;
	c->heard_ack = seg->ack;
	c->deadline_ns = sp_now_ns() + c->config->limits.head_ns;
}

/* From now on the datapath leaves the boundary of @up alone: its packets come here. */
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
	struct sp_conn *c;

	if (hold_boundary(p, seg, up))
		return NULL;
	c = sp_conn_begin(p, &seg->tuple, why);
	if (!c && sp_room_for_one(p))
		c = sp_conn_begin(p, &seg->tuple, why);
	if (!c) {
		p->node.counters.pending_full++;
		return NULL;
	}
	begin_at(c, seg, up);
	return c;
}

/* ---- a turn ---- */

struct sp_next sp_exchange_turn(struct sp_proxy *p, struct sp_conn *c, struct sp_next next)
{
	c->wanted = next.arg;
	c->status = next.kind == SP_NEXT_REPLY ? next.arg : 0;
	c->is_reply = next.kind == SP_NEXT_REPLY;
	c->deadline_ns = sp_now_ns() + WAIT_NS;
	sp_conn_enter(c, SP_CONN_WAITING, next.why);
	return sp_exchange_go(p, c);
}

/* A pool is the same if its name is, whatever a reload has changed in it. */
static int is_own_pool(const struct sp_conn *c)
{
	int same = 0;

	if (c->is_reply || c->wanted < 0)
		return 0;
	for (size_t i = 0; i < c->config->pool_count; i++)
		same += (__u16)c->config->pools[i].id == c->leg.pool_id;
	return same == 1 && (__u16)c->config->pools[c->wanted].id == c->leg.pool_id;
}

static struct sp_next forward(struct sp_conn *c, const char *why)
{
	c->is_turn = 1;
	c->up = c->leg;
	c->client.isn_ours = c->heard_ack - 1;
	c->backend.has_ts = c->client.has_ts && (c->leg.tsval_delta || c->leg.tsecr_delta);
	c->forward_mss = c->mss < SP_RELAY_MSS ? c->mss : SP_RELAY_MSS;
	c->window_bytes = WINDOW_UNKNOWN;
	return sp_next(SP_NEXT_DELIVER, why);
}

static struct sp_next stay(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_IF_UP | SP_PATCH_IF_DOWN,
		.version = c->version, .becomes = c->version,
		.up = sp_conn_boundary(c), .was_up = { .until = c->client.isn_theirs + 1 },
		.down = leg->down.meta.boundary, .was_down = leg->down.meta.boundary,
	};

	patch.down.bound = leg->state == SP_LEG_UNKNOWN ? SP_BOUND_UNKNOWN : SP_BOUND_HEAD;
	patch.down.reading = c->request.reading;
	if (sp_datapath_patch(p->node.dp, &patch))
		return sp_next(SP_NEXT_END, "its splice is gone");
	p->node.counters.requests_stayed++;
	return forward(c, "stays with its backend");
}

/* A reply of our own ends the connection. */
static struct sp_next move(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	__u64 quiet_ns = sp_now_ns() - leg->down.state.seen_ns;

	c->is_turn = 1;
	c->client.isn_ours = leg->end - 1;
	/* the old leg may have sent a later TSval than the client has echoed */
	c->client.tsval_ours += quiet_ns / NS_PER_TSVAL + 1;
	if (c->is_reply || leg->state == SP_LEG_ENDED)
		sp_leg_leave(p, c);
	if (c->is_reply)
		return sp_next_reply(c->status, "the response before is complete");
	p->node.counters.requests_moved++;
	return (struct sp_next){ SP_NEXT_CONNECT, c->wanted, "moves to another backend" };
}

static struct sp_next wait_for_response(struct sp_proxy *p, struct sp_conn *c,
					const struct sp_leg *leg)
{
	/* a boundary that has moved meanwhile: the next tick looks again */
	if (sp_leg_wake(p, c, leg) == -ENOENT)
		return sp_next(SP_NEXT_END, "its splice is gone");
	return sp_next_wait();
}

/* The response ends with the connection; or a tunnel has just begun. */
static struct sp_next go_last(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &c->front, &up) ||
	    up.meta.boundary.bound != SP_BOUND_NONE)
		return sp_next(SP_NEXT_END, "the connection ends with the response before");
	c->request = (struct sp_request){ .bytes = SP_CONN_BUF, .bound = SP_BOUND_NONE };
	return forward(c, "the connection is a tunnel now");
}

struct sp_next sp_exchange_go(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);

	switch (leg.state) {
	case SP_LEG_LOST:
		return sp_next(SP_NEXT_END, "its splice is gone");
	case SP_LEG_LAST:
		return go_last(p, c);
	case SP_LEG_BUSY:
		return wait_for_response(p, c, &leg);
	case SP_LEG_DONE:
	case SP_LEG_UNKNOWN:
		if (is_own_pool(c))
			return stay(p, c, &leg);
		break;
	case SP_LEG_ENDED:
		break;
	}
	return leg.is_acked ? move(p, c, &leg) : sp_next_wait();
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

/* @ret: the bytes of whole chunks, and of the data of the last one as far as it reaches */
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
		return move(p, c, &leg);
	}
	rst.seq = c->heard_ack;
	sp_wire_send(p->node.wire, &rst);
	sp_leg_leave(p, c);
	sp_datapath_del(p->node.dp, &c->front);
	return sp_next(SP_NEXT_END, "a chunk of its body is malformed");
}

struct sp_next sp_exchange_body(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_IF_UP, .version = c->version, .becomes = c->version,
		.was_up = { .until = c->client.isn_theirs + 1 },
	};
	enum sp_parse_verdict v = take_chunks(p, c, &c->request);

	if (v == SP_PARSE_BAD)
		return refuse_body(p, c);
	if (!c->request.bytes)
		return sp_next_wait();
	patch.up = sp_conn_boundary(c);
	if (sp_datapath_patch(p->node.dp, &patch))
		return sp_next(SP_NEXT_END, "its splice is gone");
	return forward(c, "more of the body");
}
