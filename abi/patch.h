/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* patch.h - changes that the daemon makes to a splice in use. Layout is ABI between the two. */
#ifndef SP_ABI_PATCH_H
#define SP_ABI_PATCH_H

#include "half.h"

enum {
	SP_PATCH_UP	= 1 << 0, /* the boundary of the half up */
	SP_PATCH_DOWN	= 1 << 1,
	SP_PATCH_IF_UP	= 1 << 2, /* only if the half up still has @was_up.until */
	SP_PATCH_IF_DOWN = 1 << 3, /* only if the half down still has @was_down, all of it */
	SP_PATCH_CHANGE	= 1 << 4, /* the change, and the deltas that count it */
	SP_PATCH_SHIFT	= 1 << 6, /* the deltas of the response; its numbers were compared */
	SP_PATCH_FETCHED = 1 << 5, /* the version is from the store; else a later one is our own */
};

/* What the program returns: the splice is gone or another; done; a boundary has moved. */
enum { SP_PATCH_GONE, SP_PATCH_DONE, SP_PATCH_MOVED };

/**
 * struct sp_patch - the packet that program sp_patch is run on
 * @ether:	zero: where the kernel looks for an Ethernet header
 * @front:	client -> service
 * @client_isn:	of the splice; another splice on @front stays as is
 * @refreshed_s:	for the meta of both halves; 0: no change
 * @flags:	SP_STATE_* to add to the half up; the half down gets the same ends from its own view
 * @sets:	SP_PATCH_*
 * @down_end:	of what the daemon sends on of the half down's stream (host order); 0: nothing
 * @down_tsval:	the same: TSval as sent; 0: none
 * @up, @down:	boundaries, as @sets says
 * @was_up, @was_down: what the daemon has looked at, as @sets says
 * @version, @becomes: with SP_PATCH_UP or SP_PATCH_DOWN: of the splice, before and after
 * @shift:	with SP_PATCH_SHIFT: added to the numbers of the response at the client
 * @down_ack:	the backend's acknowledgement, translated; 0: none
 * @change:	with SP_PATCH_CHANGE; nothing changes if the splice has this one
 *
 * The program changes the splice in place: a whole entry read and written back would undo changes
 * by packets in between. The datapath moves boundaries as well, so the daemon names the boundaries
 * seen. If either has moved, both stay.
 */
struct sp_patch {
	__u8		ether[16];
	struct sp_tuple	front;
	__u32		client_isn;
	__u32		refreshed_s;
	__u8		flags;
	__u8		sets;
	__u8		pad[2];
	__u32		down_end, down_tsval;
	__u32		version, becomes;
	struct sp_boundary up, down, was_up, was_down;
	struct sp_change change;
	__u32		shift;
	__u32		down_ack;
};
_Static_assert(sizeof(struct sp_patch) == 128, "struct sp_patch is ABI");

#endif
