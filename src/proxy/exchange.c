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

#include "base/log.h"
#include "proxy/change.h"
#include "proxy/leg.h"
#include "proxy/room.h"

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
int sp_exchange_is_guess(const struct sp_segment *seg, const struct sp_entry *up,
			 const struct sp_entry *down)
{
	const struct sp_boundary *b = &up->meta.boundary;

	return b->bound == SP_BOUND_STOP && (__s32)(seg->seq - b->until) > 0 &&
	       (down->meta.boundary.bound == SP_BOUND_UNKNOWN ||
		down->half.flags & SP_HALF_F_FETCHED || is_stale(seg, down));
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
	c->begins = sp_boundary_stored(&up->meta.boundary).bound;	/* GONE: a head */
	c->is_guess = sp_exchange_is_guess(seg, up, down);
	c->client.isn_theirs = (c->is_guess ? seg->seq : up->meta.boundary.until) - 1;
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
				  const struct sp_entry *up, const struct sp_entry *down)
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
	begin_at(c, seg, up, down);
	if (is_stale(seg, down))
		forget_end(p, seg, up);
	c->before_ns = sp_now_ns();
	return c;
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

/*
 * While the request was delivered, its response may have passed elsewhere: then the client sends
 * the next one with an acknowledgement of that.
 */
static int is_sent_ahead(const struct sp_conn *c)
{
	return c->has_more || c->heard_ack == c->client.isn_ours + 1;
}

static void begin_again(struct sp_conn *c)
{
	c->is_behind = is_sent_ahead(c);
	c->leg = c->up;
	c->begins = c->request.bound;
	c->is_next = 1;
	c->is_turn = 0;
	c->acked = 0;
	c->parsed = 0;
	c->tries = 0;
	c->tried = 0;
	c->queued_ns = 0;
	c->is_queued = 0;
	c->is_queue_over = 0;
	c->is_unparked = 0;
	c->is_overtaken = 0;
	c->stash_age_ms = 0;
	c->is_ce = 0;
	c->pieces = 0;
	c->ack_ns = 0;
	c->begun_ms = 0;
	c->stash = SP_STASH_UNKNOWN;
	c->begun_ack = c->heard_ack;
	c->begun_ns = sp_now_ns();
	c->is_ahead = 0;
	c->has_more = 0;
	c->is_guess = 0;
	c->guess_seen = 0;
	c->left_ns = 0;
	c->asked_ns = 0;
	c->unknown_ns = 0;
	c->generation++;	/* answers of the store were of the bytes before */
	c->skip = 0;
	c->is_again = 0;
	c->is_part = 0;
	c->awaits_body = 0;
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
