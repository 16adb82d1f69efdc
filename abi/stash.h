/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stash.h - map sp_stash: bytes of a head that were acknowledged before the splice. For the daemon
 * alone; pinned, so ABI.
 */
#ifndef SP_ABI_STASH_H
#define SP_ABI_STASH_H

#include "tuple.h"

/* An element of the map, with its key and the kernel's own fields, fills a page. */
#define SP_STASH_CHUNK		3840
#define SP_STASH_HEAD_MAX	(128 * 1024)

/* struct sp_stash_key - key: client -> service, and which chunk of the head */
struct sp_stash_key {
	struct sp_tuple	front;
	__u32		index;
};

/**
 * struct sp_stash_chunk - value
 * @offer:	struct sp_stash_offer of the daemon
 * @len:	bytes in @data; all chunks but the last are full
 * @data:	of the head
 */
struct sp_stash_chunk {
	__u8	offer[60];
	__u32	len;
	__u8	data[SP_STASH_CHUNK];
};
_Static_assert(sizeof(struct sp_stash_key) == 40, "struct sp_stash_key is ABI");
_Static_assert(sizeof(struct sp_stash_chunk) == 3904, "struct sp_stash_chunk is ABI");

#endif
