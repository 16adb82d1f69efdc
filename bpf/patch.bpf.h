/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* patch.bpf.h - program sp_patch: the daemon changes a splice in use. Attached nowhere. */
#ifndef SP_BPF_NOTE_H
#define SP_BPF_NOTE_H

#include "abi/patch.h"
#include "carry.bpf.h"

/*
 * Two CPUs that write the state at once may undo each other, as in track_end(). The loss is an end
 * of a splice that moves packets at the same moment. The end is reported again when peers remove
 * the splice.
 */
static __always_inline void note_half(struct sp_entry *e, __u32 refreshed_s, __u8 state)
{
	if (refreshed_s)
		e->meta.refreshed_s = refreshed_s;
	if (state)
		e->state.flags |= state;
}

static __always_inline void note_later(__u32 *was, __u32 is)
{
	if (is && (!*was || (__s32)(is - *was) > 0))
		*was = is;
}

static __always_inline int is_meant(const struct sp_entry *e, const struct sp_patch *n)
{
	return !(e->half.flags & SP_HALF_F_TO_DAEMON) && e->meta.client_isn == n->client_isn;
}

/*
 * No CPU moves a half up that is MOVING: a packet beyond sets HELD at most. So the boundary can go
 * back if the half down has changed.
 */
static __always_inline int move_up(struct sp_boundary *at, const struct sp_patch *n,
				   struct sp_boundary *ret_was)
{
	struct sp_boundary was = boundary_read(at), is = n->up;

	*ret_was = was;
	if (n->sets & SP_PATCH_IF_UP && was.until != n->was_up.until)
		return 0;
	if (was.reading & SP_ASKING_MOVING)
		return 0;
	is.reading |= SP_ASKING_MOVING;
	return boundary_swap(at, was, is);
}

static __always_inline void move_back(struct sp_boundary *at, const struct sp_patch *n,
				      struct sp_boundary was)
{
	struct sp_boundary is = boundary_read(at);

	was.reading |= is.reading & SP_ASKING_HELD;
	if (!boundary_swap(at, is, was)) {
		is.reading |= SP_ASKING_HELD;	/* set by a packet in between */
		was.reading |= SP_ASKING_HELD;
		boundary_swap(at, is, was);
	}
}

static __always_inline int move_down(struct sp_boundary *at, const struct sp_patch *n)
{
	struct sp_boundary was = n->sets & SP_PATCH_IF_DOWN ? n->was_down : boundary_read(at);

	return boundary_swap(at, was, n->down);
}

/* Deltas that count the change, once; the last acknowledgement is as the new delta translates. */
static __always_inline void count_change(struct sp_entry *up, struct sp_entry *down,
					 const struct sp_change *change)
{
	__u32 grows = sp_change_grows(change);

	down->meta.change = *change;
	down->half.ack_delta -= grows;
	if (down->state.last_ack)
		down->state.last_ack -= grows;
	up->half.seq_delta += grows;
}

/* The half up still drops acknowledgements: both of its numbers are ahead of the backend. */
static __always_inline void shift_response(struct sp_entry *up, struct sp_entry *down, __u32 shift)
{
	down->half.seq_delta += shift;
	up->half.ack_delta -= shift;
	up->state.last_ack -= shift;
}

/* The backend has sent all that the client has. */
static __always_inline void end_skip(struct sp_entry *up, struct sp_entry *down)
{
	if ((__s32)(up->state.last_ack - down->state.next_seq) > 0)
		return;
	up->state.is_skipping = 0;
	down->state.is_skipping = 0;
}

static __always_inline int move_boundaries(struct sp_entry *up, struct sp_entry *down,
					   const struct sp_patch *n)
{
	struct sp_boundary was = {};

	if (n->sets & SP_PATCH_UP && !move_up(&up->meta.boundary, n, &was))
		return SP_PATCH_MOVED;
	if (n->sets & SP_PATCH_DOWN && !move_down(&down->meta.boundary, n)) {
		if (n->sets & SP_PATCH_UP)
			move_back(&up->meta.boundary, n, was);
		return SP_PATCH_MOVED;
	}
	return SP_PATCH_DONE;
}

/* The change comes first: from then on the half up does not carry the bytes. */
static __always_inline int set_boundaries(struct sp_entry *up, struct sp_entry *down,
					  const struct sp_patch *n)
{
	struct sp_change was = up->meta.change;
	int is_new = n->sets & SP_PATCH_CHANGE && !(was.bytes && was.from == n->change.from), err;

	if (is_new)
		up->meta.change = n->change;
	if (n->sets & SP_PATCH_SHIFT)
		shift_response(up, down, n->shift);
	err = move_boundaries(up, down, n);
	if (err != SP_PATCH_DONE) {
		up->meta.change = was;
		if (n->sets & SP_PATCH_SHIFT)
			shift_response(up, down, -n->shift);
		return err;
	}
	if (is_new)
		count_change(up, down, &n->change);
	if (n->sets & SP_PATCH_UP)
		boundary_unmark(&up->meta.boundary, SP_ASKING_MOVING);
	if (n->sets & SP_PATCH_FETCHED)
		down->half.flags |= SP_HALF_F_FETCHED;
	else if (n->becomes != n->version)
		down->half.flags &= ~SP_HALF_F_FETCHED;
	up->meta.version = n->becomes;
	down->meta.version = n->becomes;
	return SP_PATCH_DONE;
}

static __always_inline int note_patch(const struct sp_patch *n)
{
	struct sp_entry *up = bpf_map_lookup_elem(&sp_halves, &n->front), *down;
	int ret = SP_PATCH_DONE;

	if (!up || !is_meant(up, n))
		return SP_PATCH_GONE;
	down = peer_of(up);
	if (!down || !is_meant(down, n))
		return SP_PATCH_GONE;
	if (n->sets && n->version != up->meta.version)
		return SP_PATCH_GONE;
	if (n->sets)
		ret = set_boundaries(up, down, n);
	if (ret != SP_PATCH_DONE)
		return ret;
	note_later(&down->state.next_seq, n->down_end);
	note_later(&down->meta.tsval, n->down_tsval);
	note_later(&down->state.last_ack, n->down_ack);
	if (n->sets & SP_PATCH_SHIFT)
		end_skip(up, down);
	note_half(up, n->refreshed_s, n->flags & SP_STATE_TOLD);
	note_half(down, n->refreshed_s, sp_ends_mirrored(n->flags));
	if (sp_state_is_closed(&up->state))
		limit_leave(&n->front);
	return ret;
}

/*
 * The program is not of type "syscall": such programs may sleep, and may not use a hash without
 * preallocation before Linux 6.1.
 */
SEC("tc")
int sp_patch(struct __sk_buff *skb)
{
	const struct sp_patch *n = (const void *)(long)skb->data;

	if ((const void *)(n + 1) > (const void *)(long)skb->data_end)
		return 0;
	return note_patch(n);
}

#endif
