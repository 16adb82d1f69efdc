/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* piece.h - a head on its way to other proxies: sealed pieces, put together out of what several servers have. */
#ifndef SP_STORE_PIECE_H
#define SP_STORE_PIECE_H

#include "abi/stash.h"
#include "splice/record.h"
#include "store/store.h"

/*
 * A piece, big endian, sealed under the key of its head and its index:
 *
 *	 4  client's ISN	 8  ours	12  begun_ms	20  TSvals, ours and theirs
 *	28  window scales, ours and theirs	30  flags	32  MSS		34  up to SP_STASH_CHUNK bytes
 *
 * All pieces of a head but the last are full.
 */
#define SP_CHUNK_DATA_AT	34
#define SP_CHUNK_FULL		(SP_CHUNK_DATA_AT + SP_STASH_CHUNK + SP_SEAL_TAIL_BYTES)
#define SP_CHUNKS_MAX		((SP_STASH_HEAD_MAX + SP_STASH_CHUNK - 1) / SP_STASH_CHUNK)
_Static_assert(SP_CHUNK_FULL <= SP_SEAL_BYTES_MAX, "a piece can be sealed");

/* The piece @index of the first @len bytes of a head. Return: its length. */
size_t sp_chunk_make(const struct sp_seal *seal, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		     const char *bytes, __u32 len, unsigned int index, __u8 ret_piece[SP_CHUNK_FULL]);

/**
 * struct sp_gather - a head, as far as its pieces have come
 * @offer:	of the latest connection of which there is a piece; its TSval is the latest one. Nothing: begun_ms is 0
 * @len:	of each piece
 */
struct sp_gather {
	struct sp_stash_offer	offer;
	__u16			len[SP_CHUNKS_MAX];
	char			bytes[SP_CHUNKS_MAX * SP_STASH_CHUNK];
};
void sp_gather_start(struct sp_gather *g);
/* @data: what one server has of a piece; the longest one counts. */
void sp_gather_add(struct sp_gather *g, const struct sp_stash_offer *offer, unsigned int index, const char *data,
		   __u32 len);
/* A piece as it lay in the store. */
enum sp_seal_refusal sp_gather_read(struct sp_gather *g, const struct sp_seal *seal, const struct sp_tuple *front,
				    unsigned int index, const void *piece, size_t len);
/* Bytes from the first one on without a hole. */
__u32 sp_gather_bytes(const struct sp_gather *g);

#endif
