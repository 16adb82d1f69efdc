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

static __always_inline int is_meant(const struct sp_entry *e, const struct sp_patch *n)
{
	return !(e->half.flags & SP_HALF_F_TO_DAEMON) && e->meta.client_isn == n->client_isn;
}

static __always_inline void set_boundaries(struct sp_entry *up, struct sp_entry *down,
					   const struct sp_patch *n)
{
	if (n->sets & SP_PATCH_UP)
		up->meta.boundary = n->up;
	if (n->sets & SP_PATCH_DOWN)
		down->meta.boundary = n->down;
	up->meta.version = n->becomes;
	down->meta.version = n->becomes;
}

static __always_inline int note(const struct sp_patch *n)
{
	struct sp_entry *up = bpf_map_lookup_elem(&sp_halves, &n->front), *down;

	if (!up || !is_meant(up, n))
		return 0;
	down = peer_of(up);
	if (!down || !is_meant(down, n))
		return 0;
	if (n->sets && n->version != up->meta.version)
		return 0;
	if (n->sets)
		set_boundaries(up, down, n);
	note_half(up, n->refreshed_s, n->flags & SP_STATE_TOLD);
	note_half(down, n->refreshed_s, sp_ends_mirrored(n->flags));
	return 1;
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
	return note(n);
}

#endif
