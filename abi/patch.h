/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* note.h - what the daemon writes into a splice that is in use. Layout is ABI between the two. */
#ifndef SP_ABI_NOTE_H
#define SP_ABI_NOTE_H

#include "half.h"

/**
 * struct sp_patch - the packet that program sp_patch is run on
 * @ether:	zero: where the kernel looks for an Ethernet header
 * @front:	client -> service
 * @client_isn:	of the splice that is meant; another one's is left alone
 * @refreshed_s:	for both halves' tags; 0: as it is
 * @flags:	SP_STATE_* of the half up, to be added; the half down gets them as it sees them
 *
 * The program returns 1 when the splice is there, else 0. A splice is changed
 * where it lies, since a whole entry that is read and written back would undo
 * what packets have changed in between.
 */
struct sp_patch {
	__u8		ether[16];
	struct sp_tuple	front;
	__u32		client_isn;
	__u32		refreshed_s;
	__u8		flags;
	__u8		pad[3];
};
_Static_assert(sizeof(struct sp_patch) == 64, "struct sp_patch is ABI");

#endif
