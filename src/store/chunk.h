/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* chunk.h - a head on its way to other proxies: sealed chunks, gathered from several servers */
#ifndef SP_STORE_CHUNK_H
#define SP_STORE_CHUNK_H

#include "abi/stash.h"
#include "splice/record.h"
#include "store/store.h"

/*
 * A chunk, big endian, sealed under the key of its head and its index:
 *
 *	 4  client's ISN	 8  ours	12  begun_ms	20  TSvals, ours and theirs
 *	28  window scales, ours and theirs	30  flags	32  MSS
 *	34  up to SP_STASH_CHUNK bytes
 *
 * All chunks of a head but the last are full.
 */
#define SP_CHUNK_DATA_AT	34
#define SP_CHUNK_FULL		(SP_CHUNK_DATA_AT + SP_STASH_CHUNK + SP_SEAL_TAIL_BYTES)
#define SP_CHUNKS_MAX		((SP_STASH_HEAD_MAX + SP_STASH_CHUNK - 1) / SP_STASH_CHUNK)
_Static_assert(SP_CHUNK_FULL <= SP_SEAL_BYTES_MAX, "a chunk can be sealed");

/* The chunk @index of the first @len bytes of a head. Return: its length in bytes. */
size_t sp_chunk_make(const struct sp_seal *seal, const struct sp_tuple *front,
		     const struct sp_stash_offer *offer, const char *bytes, __u32 len,
		     unsigned int index, __u8 ret_chunk[SP_CHUNK_FULL]);

/**
 * struct sp_gather - a head, as far as its chunks have come
 * @offer:	of the latest connection among the chunks, with its latest TSval; begun_ms 0: no
 *		chunk
 * @len:	bytes of each chunk
 */
struct sp_gather {
	struct sp_stash_offer	offer;
	__u16			len[SP_CHUNKS_MAX];
	char			bytes[SP_CHUNKS_MAX * SP_STASH_CHUNK];
};
void sp_gather_start(struct sp_gather *g);
/* @data: a server's bytes of a chunk; of several, the longest counts. */
void sp_gather_add(struct sp_gather *g, const struct sp_stash_offer *offer, unsigned int index,
		   const char *data, __u32 len);
/* A chunk as a server has it. */
enum sp_seal_refusal sp_gather_read(struct sp_gather *g, const struct sp_seal *seal,
				    const struct sp_tuple *front, unsigned int index,
				    const void *chunk, size_t len);
/* Bytes from the beginning to the first gap. */
__u32 sp_gather_bytes(const struct sp_gather *g);

#endif
