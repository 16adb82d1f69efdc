// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * response_end.c - behind a response: excess, FIN and RST of its backend; the boundary of the half
 */
#include "proxy/response_end.h"

#include <errno.h>

#include "proxy/forward.h"
#include "proxy/home.h"
#include "proxy/parked.h"
#include "proxy/reader.h"
#include "tcp/relay.h"

#define QUIET_NS	1000000000ULL

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
int sp_response_set(struct sp_proxy *p, const struct sp_entry *down, const struct sp_reading *r,
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

void sp_response_forward(struct sp_proxy *p, const struct sp_entry *down,
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
	sp_response_forward(p, down, &fin);
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
int sp_response_rst(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	int is_gone = down->meta.boundary.bound == SP_BOUND_GONE;
	int err = take_back(p, down, seg);

	if (err != -ENOENT)
		return err;
	if (!is_gone && !is_complete(down, down->state.next_seq))
		sp_response_forward(p, down, seg);
	else if (down->state.flags & SP_STATE_PEER_FIN)
		close_client(p, down);
	else if (seg->seq == down->state.next_seq || is_gone)
		return note_end(p, down, has_client_acked(p, down), SP_READING_RESET);
	return 0;
}

int sp_response_is_excess(const struct sp_entry *down, const struct sp_segment *seg)
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
	if (sp_response_is_excess(down, seg)) {
		p->node.counters.responses_excess++;
		data.payload_len = own > 0 ? own : 0;
		if (own < 0)
			data.seq = down->meta.boundary.until;
	}
	if (data.payload_len || flags & SP_TCP_FIN)
		sp_response_forward(p, down, &data);
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
int sp_response_fin(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	int is_acked, err = take_back(p, down, seg);

	if (err != -ENOENT)
		return err;
	if (has_overtaken(down, seg))
		return 0;	/* it comes again behind what it has overtaken */
	if (!is_complete(down, seg->seq + seg->payload_len)) {
		sp_response_forward(p, down, seg);
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

int sp_response_data(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	forward_own(p, down, seg, seg->flags);
	return sp_response_is_excess(down, seg) ? note_end(p, down, 0, 0) : 0;
}

/* No response may follow. */
void sp_response_spoiled(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_reading none = { .boundary = { .bound = SP_BOUND_NONE } };
	struct sp_segment fin = *seg;

	p->node.counters.responses_spoiled++;
	sp_response_set(p, down, &none, NULL);
	fin.seq += seg->payload_len;
	fin.payload_len = 0;
	fin.flags = SP_TCP_FIN | SP_TCP_ACK;
	sp_response_forward(p, down, &fin);
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
	err = sp_response_set(p, down, &unknown, is_copy ? NULL : seg);
	if (!err && !is_copy)
		sp_response_forward(p, down, seg);
	return err;
}

/* As where the end is not known. */
int sp_response_fetched(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
			int is_copy)
{
	if (sp_response_is_excess(down, seg))
		return pass_excess(p, down, seg, is_copy);
	if (!is_copy)
		sp_response_forward(p, down, seg);
	return 0;
}
