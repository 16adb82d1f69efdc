/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* note.bpf.h - program sp_note: the daemon writes into a splice that is in use. Attached to nothing. */
#ifndef SP_BPF_NOTE_H
#define SP_BPF_NOTE_H

#include "abi/note.h"
#include "carry.bpf.h"

/*
 * As in track_end(), two CPUs that write the state at once may undo each other: what is lost then is one end of a
 * splice that moves packets in this very moment, and it is told again when the splice is removed elsewhere.
 */
static __always_inline void note_half(struct sp_entry *e, __u32 kept_s, __u8 state)
{
	if (kept_s)
		e->tag.kept_s = kept_s;
	if (state)
		e->use.state |= state;
}

static __always_inline int is_meant(const struct sp_entry *e, const struct sp_note *n)
{
	return !(e->half.flags & SP_HALF_F_TO_DAEMON) && e->tag.client_isn == n->client_isn;
}

static __always_inline int note(const struct sp_note *n)
{
	struct sp_entry *up = bpf_map_lookup_elem(&sp_halves, &n->front), *down;

	if (!up || !is_meant(up, n))
		return 0;
	down = peer_of(up);
	if (!down || !is_meant(down, n))
		return 0;
	note_half(up, n->kept_s, n->state & SP_USE_S_TOLD);
	note_half(down, n->kept_s, sp_ends_mirrored(n->state));
	return 1;
}

/*
 * Not of type "syscall", which may sleep, and so may not use a hash without
 * preallocation before Linux 6.1.
 */
SEC("tc")
int sp_note(struct __sk_buff *skb)
{
	const struct sp_note *n = (const void *)(long)skb->data;

	if ((const void *)(n + 1) > (const void *)(long)skb->data_end)
		return 0;
	return note(n);
}

#endif
