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

#include "proxy/access.h"
#include "proxy/partial.h"
#include "proxy/response_end.h"

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
	err = sp_response_set(p, down, &r, is_copy ? NULL : seg);
	if (err)
		return err;
	sp_access_response(p, down, &down->meta.boundary, &r, seg);
	down->meta.boundary = r.boundary;
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
		return sp_response_fetched(p, &down, seg, 0);
	if (seg->flags & SP_TCP_RST)
		return sp_response_rst(p, &down, seg);
	err = read_payload(p, &down, seg, is_copy);
	if (err == -EAGAIN)
		return err;
	if (is_fetched(&down))
		return sp_response_fetched(p, &down, seg, is_copy);
	if (is_copy && sp_response_is_excess(&down, seg))
		sp_response_spoiled(p, &down, seg);	/* the bytes are with the client already */
	if (is_copy)
		return 0;
	return seg->flags & SP_TCP_FIN ? sp_response_fin(p, &down, seg) : sp_response_data(p, &down, seg);
}

/* The datapath moves boundaries meanwhile, but hardly twice. */
#define TRIES	3

void sp_response_segment(struct sp_proxy *p, const struct sp_segment *seg, int is_copy)
{
	int err = -EAGAIN;

	for (int i = 0; i < TRIES && err == -EAGAIN; i++)
		err = take_segment(p, seg, is_copy);
}
