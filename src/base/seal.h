/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* seal.h - authenticity of texts in a store that others can write to. */
#ifndef SP_BASE_SEAL_H
#define SP_BASE_SEAL_H

#include <stddef.h>

#include "abi/ktypes.h"

#define SP_SEAL_KEYS_MAX	2

/* Keys of the store, derived from the cluster's: the first seals, all open. */
struct sp_seal {
	__u64		key[SP_SEAL_KEYS_MAX][2];
	__u16		id[SP_SEAL_KEYS_MAX];
	unsigned int	count;
};
void sp_seal_init(struct sp_seal *seal, const __u64 cluster[][2], unsigned int count);

/*
 * A sealed text: magic 'S', format version, id of the key (16 bits, big endian), the payload, and
 * a MAC (64 bits) over all fields before and over the store's key, so that no text can move to
 * another key.
 */
#define SP_SEAL_HEAD_BYTES	4
#define SP_SEAL_TAIL_BYTES	8
#define SP_SEAL_BYTES_MAX	4096
#define SP_SEAL_FORMAT		2

/* Why something out of a store is refused: name, in words. */
#define SP_SEAL_REFUSALS(X)							\
	X(LENGTH, length, "too short or too long")				\
	X(MAGIC, magic, "nothing that a proxy has written")			\
	X(VERSION, version, "of another format version")			\
	X(FOREIGN, foreign, "sealed with a key that is not this cluster's")	\
	X(FORGED, forged, "forged, damaged, or moved from another key")		\
	X(POINTER, pointer, "a pointer to a splice of other ends")

enum sp_seal_refusal {
	SP_SEAL_OK,
#define X(up, low, what) SP_SEAL_##up,
	SP_SEAL_REFUSALS(X)
#undef X
	SP_SEAL_COUNT
};

/**
 * sp_seal_close() - write head and tail around a payload
 * @where:	the key under which it will lie
 * @text:	the payload is at SP_SEAL_HEAD_BYTES; room for the tail is behind it
 * @len:	of all three, at most SP_SEAL_BYTES_MAX
 */
void sp_seal_close(const struct sp_seal *seal, const void *where, size_t where_len, void *text,
		   size_t len);
enum sp_seal_refusal sp_seal_open(const struct sp_seal *seal, const void *where, size_t where_len,
				  const void *text, size_t len);

#endif
