// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * response.c - how the end of a response is known
 *
 * Theory of operation
 *
 * The boundary of the half from the backend has a kind (enum sp_bound). Where a head or a size line
 * begins, the datapath reads, and moves the boundary: to the next size line, or to the end of the
 * response, where the datapath stops. What the datapath can't read comes here, and is sent on from
 * here when it was read. So no byte goes by unread, and the state of a response lies in the half,
 * and outlives the daemon.
 *
 * Most heads and size lines are whole in a packet. The beginning of a line, and packets behind a
 * gap, are kept in a small table (partial.h). If the table is full, or the daemon dies with a part
 * of a line, the end of the response is not known: requests of the same pool go on, a move waits
 * (leave_unknown() in turn.c).
 */
#include "proxy/response.h"

#include <errno.h>
#include <string.h>

#include "proxy/access.h"
#include "proxy/forward.h"
#include "proxy/home.h"
#include "proxy/parked.h"
#include "proxy/partial.h"
#include "proxy/reader.h"
#include "proxy/reading.h"
#include "tcp/relay.h"

#define QUIET_NS	1000000000ULL

/* ---- packets ---- */

static void note_sent(const struct sp_entry *down, const struct sp_reading *r,
		      const struct sp_segment *sent, struct sp_patch *patch)
{
	__u32 end = sent->seq + sent->payload_len;

	if (sp_reading_is_stop(&r->boundary) && (__s32)(end - r->boundary.until) > 0)
		end = r->boundary.until;
	if (sp_stream_goes_on(sent->seq, end, &down->state))
		patch->down_end = end;
	if (sent->has_ts)
		patch->down_tsval = sent->tsval + down->half.tsval_delta;
}

/* @sent: goes on to the client afterwards; NULL: nothing */
static int set_boundary(struct sp_proxy *p, const struct sp_entry *down, const struct sp_reading *r,
			const struct sp_segment *sent)
{
	struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN, .version = down->meta.version,
		.becomes = down->meta.version, .down = r->boundary,
		.was_down = down->meta.boundary,
	};
	int err;

	if (sent)
		note_sent(down, r, sent, &patch);

	if (r->is_tunnel) {
		patch.sets |= SP_PATCH_UP;
		patch.up.bound = SP_BOUND_NONE;
		p->node.counters.tunnels++;
	}
	err = sp_datapath_patch(p->node.dp, &patch);
	if (!err && r->is_tunnel)
		sp_ager_refresh(&p->node.ager, &patch.front);
	return err;
}

/*
 * Remove bytes before the boundary from the slot. Return: whether more bytes have become readable:
 * the boundary was in a hole, or behind.
 */
static int shrink_slot(struct sp_partial *s, const struct sp_boundary *b)
{
	__u32 read = b->until - s->base;

	if (!sp_reading_is_open(b) || sp_boundary_laps(*b) || read >= s->reasm.top) {
		sp_partial_drop(s);
		return 0;
	}
	sp_reasm_skip(&s->reasm, s->buf, read);
	s->base = b->until;
	return read && s->reasm.len;
}

static enum sp_parse_verdict read_slot(struct sp_proxy *p, struct sp_partial *s,
				       struct sp_reading *r, const struct sp_segment *seg)
{
	enum sp_parse_verdict v;

	s->used_ns = sp_now_ns();
	sp_reasm_add(&s->reasm, s->buf, SP_PARTIAL_ROOM, (__s32)(seg->seq - s->base), seg->payload,
		     seg->payload_len);
	do {
		v = sp_reading_go(r, s->buf, s->base, s->reasm.len);
		if (v == SP_PARSE_INCOMPLETE && s->reasm.len == SP_PARTIAL_ROOM)
			return SP_PARSE_BAD;
	} while (shrink_slot(s, &r->boundary) && v == SP_PARSE_OK);
	return v;
}

/* Bytes at the boundary are with the client, and the daemon that has read these is gone. */
static int is_lost(struct sp_proxy *p, const struct sp_entry *down)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_entry up;

	return !sp_datapath_get(p->node.dp, &front, &up) && up.state.last_ack &&
	       (__s32)(up.state.last_ack - down->meta.boundary.until) > 0;
}

static enum sp_parse_verdict keep_rest(struct sp_proxy *p, struct sp_reading *r,
				       const struct sp_segment *seg)
{
	struct sp_partial *s = sp_partial_take(p, &seg->tuple, r->boundary.until);

	return s ? read_slot(p, s, r, seg) : SP_PARSE_BAD;
}

/*
 * The opener of the leg may have carried requests that were not committed. From a leg that was left
 * here no packet reaches the client.
 */
static int is_fetched(const struct sp_entry *down)
{
	return down->half.flags & SP_HALF_F_FETCHED && down->meta.boundary.bound != SP_BOUND_GONE;
}

/* The beginning of a response, as the store knows it, has passed elsewhere. */
static int is_passed(struct sp_proxy *p, const struct sp_entry *down, const struct sp_partial *s,
		     const struct sp_segment *seg)
{
	__s32 behind = seg->seq - down->meta.boundary.until;

	return is_fetched(down) && behind > 0 && !(s && s->reasm.len) &&
	       (behind >= SP_PARTIAL_ROOM || is_lost(p, down));
}

/* @r: begins at the boundary of @down */
static enum sp_parse_verdict read_segment(struct sp_proxy *p, const struct sp_entry *down,
					  struct sp_reading *r, const struct sp_segment *seg)
{
	struct sp_partial *s = sp_partial_find(p, &seg->tuple);
	__s32 ahead = r->boundary.until - seg->seq;
	enum sp_parse_verdict v;

	if (s && (s->base != r->boundary.until || is_passed(p, down, s, seg)))
		sp_partial_drop(s);	/* of a response before */
	else if (s)
		return read_slot(p, s, r, seg);
	if (ahead < 0)
		return is_lost(p, down) || is_passed(p, down, NULL, seg) ?
		       SP_PARSE_BAD : keep_rest(p, r, seg);
	v = sp_reading_go(r, seg->payload, seg->seq, seg->payload_len);
	return v == SP_PARSE_INCOMPLETE ? keep_rest(p, r, seg) : v;
}

/* The datapath reads again, unless a part of a line is here. */
static void settle_hold(struct sp_proxy *p, struct sp_reading *r, const struct sp_segment *seg,
			enum sp_parse_verdict v)
{
	if (v == SP_PARSE_BAD) {
		r->boundary.bound = SP_BOUND_UNKNOWN;
		p->node.counters.responses_unknown++;
	}
	if (!sp_reading_is_open(&r->boundary) || !sp_partial_find(p, &seg->tuple))
		r->boundary.reading &= ~SP_READING_HELD;
}

/*
 * The boundary moves before the bytes go on: after the death of the daemon in between, the backend
 * repeats the bytes.
 */
static int read_payload(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
			int is_copy)
{
	struct sp_reading r = { .boundary = down->meta.boundary };
	int err;

	if (!seg->payload_len || (is_copy && !sp_reading_is_open(&r.boundary)))
		return 0;
	if (sp_reading_is_open(&r.boundary))
		settle_hold(p, &r, seg, read_segment(p, down, &r, seg));
	err = set_boundary(p, down, &r, is_copy ? NULL : seg);
	if (err)
		return err;
	sp_access_response(p, down, &down->meta.boundary, &r, seg);
	down->meta.boundary = r.boundary;
	return 0;
}

/* ---- the backend ends ---- */

static int is_complete(const struct sp_entry *down, __u32 end)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return sp_reading_is_stop(b) && (__s32)(end - b->until) >= 0;
}

/*
 * Between two responses the client need not hear of an end. Return: 0; -EAGAIN: a boundary has
 * moved, perhaps for a request just carried by the datapath.
 */
static int note_end(struct sp_proxy *p, struct sp_entry *down, int is_acked, __u8 reading)
{
	struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN, .version = down->meta.version,
		.becomes = down->meta.version, .down = down->meta.boundary,
		.was_down = down->meta.boundary,
	};
	struct sp_entry up;

	patch.down.reading |= SP_READING_ENDED | reading;
	if (is_acked && !sp_datapath_get(p->node.dp, &patch.front, &up)) {
		patch.down.bound = SP_BOUND_GONE;
		patch.up = patch.was_up = up.meta.boundary;
		patch.up.bound = SP_BOUND_GONE;
		patch.sets |= SP_PATCH_UP | SP_PATCH_IF_UP;
	}
	return sp_datapath_patch(p->node.dp, &patch);
}

/*
 * With several proxies the acknowledgement may have passed elsewhere. Without the acknowledgement,
 * a backend retransmits.
 */
static int has_client_acked(struct sp_proxy *p, const struct sp_entry *down)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	const struct sp_conn *c = sp_conn_by_front(p->conns, &front);
	__u32 end = down->meta.boundary.until + down->half.seq_delta;
	struct sp_entry up;

	/* the last acknowledgement may be with the next request, and held */
	if (c && c->is_next && (__s32)(c->heard_ack - end) >= 0)
		return 1;
	if (sp_node_is_shared(&p->node) && sp_now_ns() - down->state.seen_ns >= QUIET_NS)
		return 1;
	return !sp_datapath_get(p->node.dp, &front, &up) &&
	       (__s32)(up.state.last_ack - down->meta.boundary.until) >= 0;
}

static void forward_end(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_segment *seg)
{
	p->node.counters.relayed++;
	sp_forward(p, &down->half, down->meta.client_isn, seg, SP_RELAY_MSS);
}

/* The client's FIN met a backend without a connection: our FIN takes the place of the backend's. */
static void close_client(struct sp_proxy *p, const struct sp_entry *down)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_segment fin = {
		.tuple = sp_tuple_reverse(&front), .flags = SP_TCP_FIN | SP_TCP_ACK,
		.seq = down->meta.boundary.until, .window = 65535, .wscale = -1,
	};
	struct sp_patch ended = { .front = front, .client_isn = down->meta.client_isn,
				  .flags = SP_STATE_PEER_FIN };
	struct sp_entry up;

	if (down->state.flags & SP_STATE_FIN || sp_datapath_get(p->node.dp, &front, &up))
		return;
	fin.tuple = sp_tuple_reverse(&up.half.out);
	fin.ack = up.meta.boundary.until + 1 + up.half.seq_delta;
	forward_end(p, down, &fin);
	sp_datapath_patch(p->node.dp, &ended);
}

/*
 * The backend has closed the leg before the request came. The client has no acknowledgement, and
 * sends the request again, which then moves. Return: 0: so it is; -ENOENT: not so; -EAGAIN.
 */
static int take_back(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;
	struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_IF_DOWN,
		.version = down->meta.version, .becomes = down->meta.version, .was_down = *b,
		.up.bound = SP_BOUND_GONE,
		.down = { .until = b->until, .bound = SP_BOUND_GONE, .reading = SP_READING_ENDED },
	};
	int err;

	if (b->bound != SP_BOUND_HEAD || seg->payload_len || seg->seq != b->until ||
	    !sp_parked_closed_before(p, seg, &patch.up.until) ||
	    sp_conn_by_front(p->conns, &patch.front))
		return -ENOENT;
	err = sp_datapath_patch(p->node.dp, &patch);
	p->node.counters.requests_taken_back += !err;
	if (!err)
		sp_forward_reset(p, seg);
	return err;
}

/* A leg that was left may answer a last acknowledgement. Last bytes may have gone another way. */
static int on_rst(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	int is_gone = down->meta.boundary.bound == SP_BOUND_GONE;
	int err = take_back(p, down, seg);

	if (err != -ENOENT)
		return err;
	if (!is_gone && !is_complete(down, down->state.next_seq))
		forward_end(p, down, seg);
	else if (down->state.flags & SP_STATE_PEER_FIN)
		close_client(p, down);
	else if (seg->seq == down->state.next_seq || is_gone)
		return note_end(p, down, has_client_acked(p, down), SP_READING_RESET);
	return 0;
}

static int is_excess(const struct sp_entry *down, const struct sp_segment *seg)
{
	return sp_reading_is_stop(&down->meta.boundary) &&
	       (__s32)(seg->seq + seg->payload_len - down->meta.boundary.until) > 0;
}

/*
 * A server's bytes without a request, as a 408 of an idle connection, must not reach the client.
 * Bytes of the response do. @flags: the rest of the segment's flags
 */
static void forward_own(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
			__u8 flags)
{
	__s32 own = down->meta.boundary.until - seg->seq;
	struct sp_segment data = *seg;

	data.flags = flags;
	if (is_excess(down, seg)) {
		p->node.counters.responses_excess++;
		data.payload_len = own > 0 ? own : 0;
		if (own < 0)
			data.seq = down->meta.boundary.until;
	}
	if (data.payload_len || flags & SP_TCP_FIN)
		forward_end(p, down, &data);
}

/* The client's FIN may have passed elsewhere: then the backend acknowledges the FIN. */
static int has_client_closed(struct sp_proxy *p, const struct sp_entry *down,
			     const struct sp_segment *seg)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_entry up;

	if (down->state.flags & SP_STATE_PEER_FIN)
		return 1;
	return !sp_datapath_get(p->node.dp, &front, &up) &&
	       seg->ack == up.meta.boundary.until + up.half.seq_delta + 1;
}

static int has_overtaken(const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_half_state *u = &down->state;

	return u->pkts && u->next_seq && down->meta.boundary.bound != SP_BOUND_UNKNOWN &&
	       (__s32)(seg->seq - u->next_seq) > 0 && !is_complete(down, u->next_seq);
}

/* The client hears of a FIN if the client has closed, or the response is not complete. */
static int on_fin(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	int is_acked, err = take_back(p, down, seg);

	if (err != -ENOENT)
		return err;
	if (has_overtaken(down, seg))
		return 0;	/* it comes again behind what it has overtaken */
	if (!is_complete(down, seg->seq + seg->payload_len)) {
		forward_end(p, down, seg);
		return 0;
	}
	if (has_client_closed(p, down, seg)) {
		forward_own(p, down, seg, seg->flags);
		if (seg->seq + seg->payload_len != down->meta.boundary.until)
			sp_forward_reset(p, seg);	/* its excess is never acknowledged */
		return 0;
	}
	forward_own(p, down, seg, seg->flags & ~SP_TCP_FIN);
	is_acked = has_client_acked(p, down);
	err = note_end(p, down, is_acked, 0);
	if (!err && is_acked)
		sp_forward_reset(p, seg);
	return err;
}

static int on_data(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	forward_own(p, down, seg, seg->flags);
	return is_excess(down, seg) ? note_end(p, down, 0, 0) : 0;
}

/* No response may follow. */
static void end_spoiled(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_reading none = { .boundary = { .bound = SP_BOUND_NONE } };
	struct sp_segment fin = *seg;

	p->node.counters.responses_spoiled++;
	set_boundary(p, down, &none, NULL);
	fin.seq += seg->payload_len;
	fin.payload_len = 0;
	fin.flags = SP_TCP_FIN | SP_TCP_ACK;
	forward_end(p, down, &fin);
}

/* The next request is here, and no proxy has carried it, for all that is known. */
static int has_next(struct sp_proxy *p, const struct sp_tuple *front)
{
	const struct sp_conn *c = sp_conn_by_front(p->conns, front);

	return c && c->is_next && !c->is_guess && !c->is_again;
}

/*
 * A peer may have committed the next request, and its message is on its way. The store knows: the
 * segment waits for the answer.
 */
static int is_queried(struct sp_proxy *p, const struct sp_segment *seg)
{
	if (!sp_node_is_shared(&p->node) || p->is_fetched)
		return 0;
	sp_home_keep(p, seg, SP_STRAY_F_BACK | SP_STRAY_F_MINE);
	return 1;
}

/*
 * Behind a response of the store's: a server's bytes without a request; or the response to a
 * request that was not committed. Only in the first case can the client's next request be here
 * without having been at the backend before; if the backend has it, it sends these bytes again. A
 * living opener of the leg knows.
 */
static int pass_excess(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
		       int is_copy)
{
	const struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	const struct sp_reading unknown = { .boundary = { .bound = SP_BOUND_UNKNOWN } };
	const struct sp_half up = { .out = sp_tuple_reverse(&seg->tuple) };
	int err;

	if (!is_copy && has_next(p, &front)) {
		forward_own(p, down, seg, seg->flags & ~SP_TCP_FIN);
		return 0;
	}
	if (!is_copy && sp_cluster_has_owner(p->node.cluster, &seg->tuple.daddr)) {
		sp_reader_send(p, &front, &up, SP_EVENT_BACK, seg);
		return 0;
	}
	if (!is_copy && is_queried(p, seg))
		return 0;
	p->node.counters.responses_unknown++;
	err = set_boundary(p, down, &unknown, is_copy ? NULL : seg);
	if (!err && !is_copy)
		forward_end(p, down, seg);
	return err;
}

/* As where the end is not known. */
static int take_fetched(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
			int is_copy)
{
	if (is_excess(down, seg))
		return pass_excess(p, down, seg, is_copy);
	if (!is_copy)
		forward_end(p, down, seg);
	return 0;
}

static int take_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy)
{
	struct sp_entry down;
	int err;

	if (sp_datapath_get(p->node.dp, &seg->tuple, &down) ||
	    !(down.half.flags & SP_HALF_F_REQUESTS))
		return 0;
	if (seg->flags & SP_TCP_RST && is_fetched(&down))
		return take_fetched(p, &down, seg, 0);
	if (seg->flags & SP_TCP_RST)
		return on_rst(p, &down, seg);
	err = read_payload(p, &down, seg, is_copy);
	if (err == -EAGAIN)
		return err;
	if (is_fetched(&down))
		return take_fetched(p, &down, seg, is_copy);
	if (is_copy && is_excess(&down, seg))
		end_spoiled(p, &down, seg);	/* the bytes are with the client already */
	if (is_copy)
		return 0;
	return seg->flags & SP_TCP_FIN ? on_fin(p, &down, seg) : on_data(p, &down, seg);
}

/* The datapath moves boundaries meanwhile, but hardly twice. */
#define TRIES	3

void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy)
{
	int err = -EAGAIN;

	for (int i = 0; i < TRIES && err == -EAGAIN; i++)
		err = take_segment(p, seg, is_copy);
}
