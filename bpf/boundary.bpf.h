/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * boundary.bpf.h - a half of a connection whose requests are read: data beyond its boundary goes to
 * the daemon. See enum sp_bound.
 */
#ifndef SP_BPF_BOUNDARY_H
#define SP_BPF_BOUNDARY_H

#include "access.bpf.h"
#include "decision.bpf.h"
#include "response.bpf.h"
#include "upcall.bpf.h"
#include "word.bpf.h"

/* The reverse half; NULL: gone, or replaced by a half of a newer splice on the client's port. */
static __always_inline struct sp_entry *peer_of(const struct sp_entry *e)
{
	struct sp_tuple key = sp_tuple_reverse(&e->half.out);
	struct sp_entry *peer = bpf_map_lookup_elem(&sp_halves, &key);

	return peer && peer->meta.client_isn == e->meta.client_isn ? peer : NULL;
}

/* Most packets of a half that go to the daemon in a tick of the coarse clock. */
#define BEYOND_PER_TICK 63

/* If the swap fails, another CPU has made the same step, or the daemon is ahead. */
static __always_inline int is_beyond(struct sp_boundary *at, __u32 end)
{
	struct sp_boundary was = boundary_read(at), is = was;

	if ((__s32)(end - was.until) <= 0)
		return 0;
	if (!sp_boundary_laps(was))
		return 1;
	is.until += SP_BOUNDARY_LAP;
	is.laps--;
	boundary_swap(at, was, is);
	return 0;
}

/* The ring is shared: a single connection must not fill it. */
static __always_inline int beyond_is_allowed(struct sp_half *h, __u64 now_ns)
{
	__u8 tick = (now_ns >> 22 & 3) << 6;

	if ((h->beyond & 3 << 6) != tick)
		h->beyond = tick;
	if ((h->beyond & 63) == BEYOND_PER_TICK)
		return 0;
	h->beyond++;
	return 1;
}

static __always_inline int to_reader(const struct sp_pkt *pkt, struct sp_entry *e, __u32 kind,
				  __u64 now_ns)
{
	int err;

	if (!beyond_is_allowed(&e->half, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, kind, upcall_whole(pkt), 0, 0);
	return err ? err : -SP_DROP_BEYOND;
}

/* An acknowledgement, or a FIN right at the boundary, is of no request. */
static __always_inline int bounded_up(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	struct sp_boundary b = boundary_read(&e->meta.boundary);
	__u32 end = pkt->seq + pkt->payload_bytes;
	int decided = 0;

	if (b.bound == SP_BOUND_NONE || pkt->flags & TH_RST)
		return 0;
	if (b.bound != SP_BOUND_GONE &&
	    ((!pkt->payload_bytes && !(pkt->flags & TH_FIN)) ||
	     !is_beyond(&e->meta.boundary, end)))
		return 0;
	if (pkt->payload_bytes && is_at_request(pkt, b))
		decided = decide_request(pkt, e, peer_of(e));
	if (decided)
		return decided;
	boundary_mark(&e->meta.boundary, SP_ASKING_HELD);
	return to_reader(pkt, e, SP_EVENT_REQUEST, now_ns);
}

/* A copy for the daemon. */
static __always_inline int copy_up(const struct sp_pkt *pkt)
{
	if (!upcall_is_allowed(UPCALL_RESPONSE, bpf_ktime_get_coarse_ns()))
		return -SP_DROP_RATE_LIMITED;
	return send_up(pkt, SP_EVENT_RESPONSE, upcall_whole(pkt), 1, 0);
}

static __always_inline int is_awaited(const struct sp_boundary *b, __u32 end)
{
	return b->bound == SP_BOUND_STOP && b->reading & SP_READING_WAKE && end == b->until;
}

/*
 * The packet reaches beyond a boundary that the daemon has to move. No byte goes by unread: the
 * daemon sends it on. Behind a gap, the client can't use the bytes yet.
 */
static __always_inline int unread_down(const struct sp_pkt *pkt, struct sp_entry *e,
				       struct sp_boundary b, __u64 now_ns)
{
	if (!(b.reading & SP_READING_HELD) && (__s32)(pkt->seq - b.until) > 0)
		return copy_up(pkt);
	boundary_mark(&e->meta.boundary, SP_READING_HELD);
	return to_reader(pkt, e, SP_EVENT_RESPONSE, now_ns);
}

/* Later bytes went on before: the daemon has a copy, and the boundary may lie there. */
static __always_inline int is_overtaken(const struct sp_half_state *u, __u32 end)
{
	return u->next_seq && (__s32)(u->next_seq - end) > 0;
}

/*
 * For the access log; and the daemon may have to compare a head with another's. A separate
 * function: carry_bounded() keeps its stack. @before, @behind: the boundary,
 * before the packet and behind
 */
static __noinline int tell_down(const struct sp_pkt *pkt, const struct sp_entry *e, __u64 before,
				__u64 behind)
{
	struct sp_boundary was = boundary_of(before), b = boundary_of(behind);
	__u32 flags = 0;

	if (!pkt || !e)
		return 0;
	if (was.bound == SP_BOUND_HEAD && b.bound != SP_BOUND_HEAD && reaches_boundary(pkt, was))
		flags = SP_ACCESS_F_HEAD;
	if (b.bound == SP_BOUND_STOP && !b.laps && pkt->seq + pkt->payload_bytes == b.until)
		flags |= SP_ACCESS_F_COMPLETE;
	if (flags && e->state.is_logged)
		log_response(pkt, e, flags, was.until - pkt->seq);
	if (flags & SP_ACCESS_F_HEAD && e->state.is_kept)
		copy_up(pkt);
	return 0;
}

static __always_inline int bounded_down(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	struct sp_boundary *at = &e->meta.boundary, b = boundary_read(at), is, was;
	__u32 end = pkt->seq + pkt->payload_bytes;

	if (b.bound == SP_BOUND_NONE)
		return 0;
	if (pkt->flags & (TH_FIN | TH_RST))
		return to_reader(pkt, e, SP_EVENT_RESPONSE, now_ns);
	if (!pkt->payload_bytes || b.bound == SP_BOUND_UNKNOWN)
		return 0;
	was = b;
	if (!is_overtaken(&e->state, end) && settle_response(pkt, at, b, &is))
		b = is;
	if (e->state.is_logged || e->state.is_kept)
		tell_down(pkt, e, sp_boundary_word(was), sp_boundary_word(b));
	if (b.bound == SP_BOUND_NONE)
		return 0;
	if (!is_beyond(at, end)) {
		if (is_awaited(&b, end))
			copy_up(pkt);	/* else the daemon looks later */
		return 0;
	}
	if (b.bound == SP_BOUND_STOP || b.bound == SP_BOUND_GONE)
		return to_reader(pkt, e, SP_EVENT_RESPONSE, now_ns);
	return unread_down(pkt, e, b, now_ns);
}

/* Long behind a changed stretch, its numbers would seem to come again. */
static __always_inline void forget_change(struct sp_entry *e)
{
	__u32 at = e->half.flags & SP_HALF_F_FROM_BACKEND ? e->state.last_ack : e->state.next_seq;

	if (at && sp_change_is_past(&e->meta.change, at))
		e->meta.change.bytes = 0;
}

static __always_inline int is_changed(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	return pkt->payload_bytes && !(pkt->flags & TH_RST) &&
	       !(e->half.flags & SP_HALF_F_FROM_BACKEND) &&
	       sp_change_is_before(&e->meta.change, pkt->seq);
}

/* Return: 0: the packet is carried; DECIDED: likewise, and move_on() before; else a reason. */
static __noinline int carry_bounded(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	if (!e)
		return 0;
	if (e->meta.change.bytes) {
		forget_change(e);
		if (is_changed(pkt, e))
			return to_reader(pkt, e, SP_EVENT_REQUEST, now_ns);
	}
	return e->half.flags & SP_HALF_F_FROM_BACKEND ? bounded_down(pkt, e, now_ns) :
	       bounded_up(pkt, e, now_ns);
}

#endif
