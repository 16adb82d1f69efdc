// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * continue.c - a backend dies before the end of its response: the request goes to a further backend
 *
 * Theory of operation
 *
 * The datapath sends FIN and RST of a backend up (bounded_down()). Where a response is awaited and
 * the request may be repeated, and the daemon has kept the request:
 *
 *	the boundaries of both halves become GONE, if the response has not begun meanwhile: from
 *		then on no packet of the dead leg reaches the client, and the client's packets come
 *		here
 *	the kept request becomes a further request of the connection, whose turn it is
 *	all else is the way of a move: the next version of the splice continues the client's
 *		numbers. The client may have an acknowledgement of the request, so the daemon is the
 *		sender (deliver.c)
 *
 * If the client has a part of the response, the new response has to be the same representation:
 * align.c.
 */
#include "proxy/continue.h"

#include <errno.h>

#include "node/backends.h"
#include "proxy/exchange.h"
#include "proxy/head.h"

#define SILENT_NS	100000000ULL

void sp_continue_count(struct sp_proxy *p, enum sp_continue_verdict v)
{
	struct sp_node_counters *n = &p->node.counters;

	n->requests_continued += v == SP_CONTINUE_YES;
	n->not_continued_method += v == SP_CONTINUE_METHOD;
	n->not_continued_body_not_kept += v == SP_CONTINUE_BODY;
	n->not_continued_not_kept += v == SP_CONTINUE_UNKEPT;
	n->not_continued_delivered += v == SP_CONTINUE_DELIVERED;
	n->not_continued_tries += v == SP_CONTINUE_TRIES;
	n->not_continued_ahead += v == SP_CONTINUE_AHEAD;
	n->not_continued_no_validator += v == SP_CONTINUE_NO_VALIDATOR;
	n->not_continued_differs += v == SP_CONTINUE_DIFFERS;
	n->not_continued_far += v == SP_CONTINUE_FAR;
}

/* Return: whether the client's bytes behind the request are unacknowledged: it sends them again. */
static int end_present(struct sp_proxy *p, const struct sp_kept *kept)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &kept->front);

	if (!c)
		return 1;
	if (sp_conn_is_committing(c) || (c->acked && c->client.isn_theirs + 1 != kept->start))
		return 0;
	if (c->state == SP_CONN_CONNECTING)
		sp_conn_reset_back(p, c);
	sp_conn_end(p, c, "the backend of the request before is dead");
	return 1;
}

/*
 * A packet of the response may be on its way through the datapath, beside a gap: the boundary is as
 * before, but the stream has gone on. That does no harm to a response that has begun.
 */
static int close_leg(struct sp_proxy *p, const struct sp_kept *kept, const struct sp_entry *up,
		     const struct sp_entry *down)
{
	struct sp_tuple key = sp_tuple_reverse(&up->half.out);
	struct sp_patch patch = {
		.front = kept->front, .client_isn = kept->client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_IF_UP | SP_PATCH_DOWN | SP_PATCH_IF_DOWN,
		.version = up->meta.version, .becomes = up->meta.version,
		.up = { .until = kept->start, .bound = SP_BOUND_GONE },
		.was_up = up->meta.boundary,
		.down = { .until = down->state.next_seq, .bound = SP_BOUND_GONE,
			  .reading = SP_READING_ENDED },
		.was_down = down->meta.boundary,
	};
	struct sp_entry now;

	return !sp_datapath_patch(p->node.dp, &patch) &&
	       !sp_datapath_get(p->node.dp, &key, &now) &&
	       (sp_continue_is_part(down) || now.state.next_seq == down->state.next_seq);
}

/* The client's segment with the request, as if it came now. */
static struct sp_segment segment_of(const struct sp_kept *kept, const struct sp_entry *up,
				    const struct sp_entry *down)
{
	__u32 sent = down->meta.tsval;
	int is_part = sp_continue_is_part(down);

	return (struct sp_segment){
		.tuple = kept->front, .seq = kept->start, .wscale = -1,
		.ack = is_part ? kept->begun_at : down->meta.boundary.until + down->half.seq_delta,
		.flags = SP_TCP_ACK | SP_TCP_PSH,
		.window = is_part && up->state.pkts ? up->state.window : kept->window,
		.has_ts = !!(up->meta.handshake.flags & SP_HANDSHAKE_TS), .tsval = kept->tsval,
		.tsecr = sent && (__s32)(sent - kept->tsecr) > 0 ? sent : kept->tsecr,
		.payload = kept->buf, .payload_len = kept->len,
	};
}

/* The dead backend is the last choice. */
static void avoid_backend(struct sp_conn *c)
{
	const struct sp_pool_conf *pool = sp_config_pool_of(c->config, c->leg.pool_id);
	const struct sp_endpoint dead = { c->leg.out.daddr, c->leg.out.dport };

	for (size_t i = 0; pool && i < pool->backend_count; i++)
		if (!sp_endpoint_compare(&pool->backends[i].at, &dead))
			c->tried |= sp_backends_tried(i);
}

/* The client's acknowledgement: the new response goes on there. */
static void note_part(struct sp_conn *c, const struct sp_entry *up)
{
	__u32 ack = up->state.last_ack - up->half.ack_delta;

	c->is_part = 1;
	if (up->state.last_ack && (__s32)(ack - c->heard_ack) > 0)
		c->heard_ack = ack;
}

static struct sp_conn *hold_request(struct sp_proxy *p, const struct sp_kept *kept,
				    const struct sp_entry *down, struct sp_next *ret_next)
{
	struct sp_segment seg;
	struct sp_entry up;
	struct sp_conn *c;

	if (sp_datapath_get(p->node.dp, &kept->front, &up))
		return NULL;
	seg = segment_of(kept, &up, down);
	c = sp_exchange_begin(p, &seg, &up, down);
	if (!c)
		return NULL;
	c->is_turn = 1;
	c->is_continued = 1;
	if (sp_continue_is_part(down))
		note_part(c, &up);
	avoid_backend(c);
	*ret_next = sp_head_segment(p, c, &seg);
	c->acked = c->reasm.len;	/* the client may not send them again */
	c->stashed_tsval = c->heard_tsval;
	return c;
}

/* Return: SP_CONTINUE_YES: *@ret_c has the request, or is NULL if there was no room. */
static enum sp_continue_verdict go_on(struct sp_proxy *p, struct sp_kept *kept,
				      const struct sp_entry *up, const struct sp_entry *down,
				      struct sp_conn **ret_c, struct sp_next *ret_next)
{
	if (!end_present(p, kept))
		return SP_CONTINUE_AHEAD;
	if (!close_leg(p, kept, up, down))
		return SP_CONTINUE_DELIVERED;
	kept->deaths++;
	if (!down->state.is_skipping)
		kept->sent_to = down->state.next_seq + down->half.seq_delta;
	*ret_c = hold_request(p, kept, down, ret_next);
	return SP_CONTINUE_YES;
}

struct sp_conn *sp_continue_begin(struct sp_proxy *p, const struct sp_entry *down,
				  const struct sp_segment *seg, struct sp_next *ret_next)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	enum sp_continue_verdict v;
	struct sp_conn *c = NULL;
	struct sp_kept *kept;
	struct sp_entry up;

	if (!sp_kept_pool(p, down->half.pool_id) || sp_datapath_get(p->node.dp, &front, &up) ||
	    up.meta.client_isn != down->meta.client_isn)
		return NULL;
	kept = sp_kept_find(p, &front, up.meta.client_isn);
	v = sp_continue_judge(kept, &up, down, seg, p->node.config->limits.tries);
	if (v == SP_CONTINUE_YES)
		v = go_on(p, kept, &up, down, &c, ret_next);
	sp_continue_count(p, v);
	return c;
}

/* ---- a silent backend ---- */

static int is_down(const struct sp_backend *b)
{
	return b && (b->order == SP_BACKEND_ORDER_DOWN ||
		     (b->health.is_down && b->order != SP_BACKEND_ORDER_UP));
}

/* The backend of @up is down by checks or by an order. Return: its index, or -ENOENT. */
static int find_down(struct sp_proxy *p, const struct sp_pool_conf *pool, const struct sp_half *up)
{
	int idx = sp_pool_find(pool, &up->out);

	return idx >= 0 && is_down(sp_backends_at(p->backends, pool, idx)) ? idx : -ENOENT;
}

/* Whether a further backend of the same family may get the request. */
static int has_other(struct sp_proxy *p, const struct sp_pool_conf *pool, int idx)
{
	int is_v4 = sp_addr_is_v4(&pool->backends[idx].at.addr);

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct sp_backend *b = sp_backends_at(p->backends, pool, i);

		if ((int)i != idx && sp_addr_is_v4(&pool->backends[i].at.addr) == is_v4 && b &&
		    !sp_backend_is_out(b) && !b->is_down &&
		    sp_backend_weight(b, &pool->backends[i]))
			return 1;
	}
	return 0;
}

/* A response that goes on is left to the backend. */
static int is_silent(const struct sp_entry *down)
{
	return !sp_continue_is_part(down) || sp_now_ns() - down->state.seen_ns >= SILENT_NS;
}

/* As if the backend had sent an RST. A connection that is not continued lives on: `on_down`. */
struct sp_conn *sp_continue_silent(struct sp_proxy *p, struct sp_kept *kept,
				   const struct sp_entry *up, const struct sp_entry *down,
				   struct sp_next *ret_next)
{
	const struct sp_pool_conf *pool = sp_kept_pool(p, up->half.pool_id);
	const struct sp_segment rst = { .flags = SP_TCP_RST, .seq = down->state.next_seq };
	int idx = pool ? find_down(p, pool, &up->half) : -ENOENT;
	struct sp_conn *c = NULL;

	if (idx < 0 || !has_other(p, pool, idx) || !is_silent(down) ||
	    sp_continue_judge(kept, up, down, &rst, p->node.config->limits.tries) !=
	    SP_CONTINUE_YES)
		return NULL;
	if (go_on(p, kept, up, down, &c, ret_next) == SP_CONTINUE_YES)
		sp_continue_count(p, SP_CONTINUE_YES);
	return c;
}
