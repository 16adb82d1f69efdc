/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hash.h - SipHash of bytes: for results that all proxies share, whatever their keys. */
#ifndef SP_BASE_HASH_H
#define SP_BASE_HASH_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "abi/siphash.h"

#define SP_HASH_BYTES_MAX 64

/**
 * sp_siphash_bytes() - SipHash-2-4 of @len, and of the bytes
 * @key:	128 bits; a constant of the caller, so that results of different meaning differ
 * @len:	at most SP_HASH_BYTES_MAX
 * In the byte order of the machine. Results never change: the place of a splice and the home of a
 * head follow from them.
 */
static inline __u64 sp_siphash_bytes(const __u64 key[2], const void *bytes, size_t len)
{
	__u64 words[1 + SP_HASH_BYTES_MAX / 8] = { len };

	assert(len <= SP_HASH_BYTES_MAX);
	memcpy(words + 1, bytes, len);
	return sp_siphash_words(key, words, 1 + (len + 7) / 8);
}

#endif
