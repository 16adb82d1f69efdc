/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* patch.h - changes that the daemon makes to a splice in use. Layout is ABI between the two. */
#ifndef SP_ABI_PATCH_H
#define SP_ABI_PATCH_H

#include "half.h"

enum {
	SP_PATCH_UP	= 1 << 0, /* the boundary of the half up */
	SP_PATCH_DOWN	= 1 << 1,
};

/**
 * struct sp_patch - the packet that program sp_patch is run on
 * @ether:	zero: where the kernel looks for an Ethernet header
 * @front:	client -> service
 * @client_isn:	of the splice; another splice on @front stays as is
 * @refreshed_s:	for the meta of both halves; 0: no change
 * @flags:	SP_STATE_* to add to the half up; the half down gets the same ends from its own view
 * @sets:	SP_PATCH_*
 * @up, @down:	boundaries, as @sets says
 * @version:	with SP_PATCH_UP or SP_PATCH_DOWN: only if the splice has this one, which then
 *		becomes @becomes
 *
 * The program returns 1 when the splice is there, else 0. The program changes the splice in
 * place: a whole entry read and written back would undo changes by packets in between.
 */
struct sp_patch {
	__u8		ether[16];
	struct sp_tuple	front;
	__u32		client_isn;
	__u32		refreshed_s;
	__u8		flags;
	__u8		sets;
	__u8		pad[2];
	__u32		version, becomes;
	struct sp_boundary up, down;
};
_Static_assert(sizeof(struct sp_patch) == 88, "struct sp_patch is ABI");

#endif
