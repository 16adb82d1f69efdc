// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * align.c - a response of which the client has a part begins again at another backend
 *
 * Theory of operation
 *
 * The splice to the new backend begins as if both responses began at the same number. Both halves
 * skip (bpf/skip.bpf.h), and no byte goes to the client. The head of the new response is compared
 * with the client's:
 *
 *	the same representation	both deltas are shifted by the difference between the heads, in a
 *				single patch. From then on each byte of the body has the client's
 *				number. The datapath drops bytes that the client has, and
 *				acknowledges them to the backend
 *	another, or not known	both ends get an RST
 *
 * The client must have acknowledged the old head by then. Bytes of the new head lie before the
 * body: a client drops such numbers as old. Else the new backend waits for an acknowledgement.
 */
#include "proxy/align.h"

#include "proxy/access.h"
#include "proxy/begun.h"
#include "proxy/continue.h"
#include "proxy/forward.h"
#include "proxy/kept.h"
#include "proxy/partial.h"
#include "proxy/reading.h"
#include "tcp/relay.h"

int sp_align_is_for(const struct sp_entry *down)
{
	return down->state.is_skipping && down->meta.boundary.bound == SP_BOUND_HEAD;
}

int sp_align_is_whole(const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return b->bound == SP_BOUND_STOP && !b->laps &&
	       (__s32)(seg->seq + seg->payload_len - b->until) >= 0;
}

/* From a leg that is GONE the same end may come again, while the next backend is connected. */
int sp_align_is_over(const struct sp_entry *down, const struct sp_segment *seg)
{
	return down->state.is_skipping && down->meta.boundary.bound != SP_BOUND_GONE &&
	       sp_continue_is_end(down, seg) && !sp_align_is_whole(down, seg);
}

/* ---- the end ---- */

static void reset_client(struct sp_proxy *p, const struct sp_tuple *front, __u32 seq, __u32 ack)
{
	struct sp_segment rst = {
		.tuple = sp_tuple_reverse(front), .flags = SP_TCP_RST | SP_TCP_ACK, .wscale = -1,
		.seq = seq, .ack = ack,
	};

	sp_wire_send(p->node.wire, &rst);
}

static void reset_backend(struct sp_proxy *p, const struct sp_entry *up)
{
	struct sp_segment rst = {
		.tuple = up->half.out, .flags = SP_TCP_RST, .wscale = -1,
		.seq = up->meta.boundary.until + up->half.seq_delta,
	};

	sp_wire_send(p->node.wire, &rst);
}

static void remove_splice(struct sp_proxy *p, const struct sp_tuple *front,
			  const struct sp_entry *up)
{
	struct sp_tuple key = sp_tuple_reverse(&up->half.out);

	sp_datapath_del(p->node.dp, &key);
	sp_datapath_del(p->node.dp, front);
	sp_port_free_back(p->node.ports, &up->half.out);
}

/* The client takes an RST with the next number alone: the last bytes may be on their way. */
void sp_align_close(struct sp_proxy *p, const struct sp_tuple *front, __u32 acked)
{
	struct sp_entry up;
	struct sp_kept *kept;

	if (sp_datapath_get(p->node.dp, front, &up))
		return;
	kept = sp_kept_find(p, front, up.meta.client_isn);
	reset_client(p, front, acked, up.meta.boundary.until);
	if (kept && kept->sent_to != acked)
		reset_client(p, front, kept->sent_to, up.meta.boundary.until);
	reset_backend(p, &up);
	remove_splice(p, front, &up);
}

void sp_align_end(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_entry up;

	if (!sp_datapath_get(p->node.dp, front, &up))
		sp_align_close(p, front, up.state.last_ack - up.half.ack_delta);
}

static void refuse_response(struct sp_proxy *p, const struct sp_tuple *front,
			    enum sp_continue_verdict why)
{
	sp_continue_count(p, why);
	sp_align_end(p, front);
}

/* ---- the same representation ---- */

/* Return: 0: the deltas are right, and @ret_up, @ret_down are as the patch has made them. */
static int shift_numbers(struct sp_proxy *p, const struct sp_kept *kept,
			 const struct sp_entry *down, const struct sp_begun *head, __u32 end,
			 __u32 ack, struct sp_entry *ret_up, struct sp_entry *ret_down)
{
	struct sp_boundary was = down->meta.boundary;
	struct sp_tuple key = sp_tuple_reverse(&ret_up->half.out);
	struct sp_patch patch = {
		.front = kept->front, .client_isn = kept->client_isn,
		.version = down->meta.version, .becomes = down->meta.version,
		.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN | SP_PATCH_SHIFT, .was_down = was,
		.down = sp_boundary_make(was.until + head->head_len, head->length, SP_BOUND_STOP,
					 was.reading & ~SP_READING_HELD),
		.shift = kept->begun.head_len - head->head_len, .down_end = end,
		.down_ack = ack + down->half.ack_delta,
	};
	int err = sp_datapath_patch(p->node.dp, &patch);

	err = err ?: sp_datapath_get(p->node.dp, &kept->front, ret_up);
	return err ?: sp_datapath_get(p->node.dp, &key, ret_down);
}

/* Of the head, and of the body as far as the client has the bytes. */
static void acknowledge_skipped(struct sp_proxy *p, const struct sp_entry *up,
				const struct sp_segment *seg, __u32 ack)
{
	struct sp_segment own = {
		.tuple = up->half.out, .flags = SP_TCP_ACK, .wscale = -1, .seq = seg->ack,
		.ack = ack, .window = sp_skip_window(up, ack), .has_ts = seg->has_ts,
		.tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	sp_wire_send(p->node.wire, &own);
}

static __u32 earlier_of(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0 ? a : b;
}

/* A connection that still delivers the request has the half as it was. */
static void note_shift(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_half *up)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, front);

	if (c && c->state == SP_CONN_DELIVERING)
		c->up = *up;
}

/* @s: from the first byte of the response on */
static void go_on(struct sp_proxy *p, const struct sp_partial *s, const struct sp_entry *up,
		  const struct sp_entry *down, const struct sp_segment *seg)
{
	__u32 end = s->base + s->reasm.len, has = earlier_of(up->state.last_ack, end);
	const struct sp_reading now = { .boundary = down->meta.boundary };
	struct sp_segment rest = *seg;

	acknowledge_skipped(p, up, seg, has);
	if (has == end)
		return;
	rest.seq = has;
	rest.payload = s->buf + (has - s->base);
	rest.payload_len = end - has;
	rest.flags = SP_TCP_ACK;
	sp_forward(p, &down->half, down->meta.client_isn, &rest, SP_RELAY_MSS);
	sp_access_response(p, down, &down->meta.boundary, &now, &rest);
}

/* The client has acknowledged the old head. */
static int has_head(const struct sp_kept *kept, const struct sp_entry *up)
{
	__u32 acked = up->state.last_ack - up->half.ack_delta;

	return (__s32)(acked - (kept->begun_at + kept->begun.head_len)) >= 0;
}

static void compare_heads(struct sp_proxy *p, struct sp_kept *kept, struct sp_partial *s,
			  const struct sp_entry *up, const struct sp_entry *down,
			  const struct sp_segment *seg)
{
	struct sp_begun head;
	enum sp_parse_verdict v = sp_begun_read(s->buf, s->reasm.len, &head);
	struct sp_entry now_up = *up, now_down;

	if (v == SP_PARSE_INCOMPLETE)
		return;
	if (v != SP_PARSE_OK || !sp_begun_is_same(&kept->begun, &head)) {
		sp_partial_drop(s);
		refuse_response(p, &kept->front, SP_CONTINUE_DIFFERS);
		return;
	}
	if (!has_head(kept, up))
		return;		/* the backend sends again */
	if (!shift_numbers(p, kept, down, &head, s->base + s->reasm.len, seg->ack, &now_up,
			   &now_down)) {
		note_shift(p, &kept->front, &now_up.half);
		go_on(p, s, &now_up, &now_down, seg);
	}
	sp_partial_drop(s);
}

void sp_align_segment(struct sp_proxy *p, const struct sp_entry *down,
		      const struct sp_segment *seg)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_kept *kept = sp_kept_find(p, &front, down->meta.client_isn);
	__u32 base = down->meta.boundary.until;
	struct sp_partial *s = sp_partial_find(p, &seg->tuple);
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &front, &up) || seg->flags & SP_TCP_RST)
		return;
	if (!kept || !kept->begun.same_len) {
		refuse_response(p, &front, SP_CONTINUE_UNKEPT);
		return;
	}
	if (s && s->base != base)
		sp_partial_drop(s);
	if (!s || !s->buf)
		s = sp_partial_take(p, &seg->tuple, base);
	if (!s)
		return;
	s->used_ns = sp_now_ns();
	sp_reasm_add(&s->reasm, s->buf, SP_PARTIAL_ROOM, (__s32)(seg->seq - base), seg->payload,
		     seg->payload_len);
	compare_heads(p, kept, s, &up, down, seg);
}
