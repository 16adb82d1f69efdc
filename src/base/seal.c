// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/seal.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "abi/siphash.h"

#define WHERE_MAX 64
#define MAGIC	  'S'

/* Fixed for good: other texts under the cluster's key (cookies) have other lengths. */
static const __u64 labels[3] = { 0x73706c6963656431, 0x73706c6963656432, 0x73706c6963656433 };

static __u64 derive_key(const __u64 key[2], __u64 label)
{
	return sp_siphash_words(key, &label, 1);
}

void sp_seal_init(struct sp_seal *seal, const __u64 cluster[][2], unsigned int count)
{
	memset(seal, 0, sizeof(*seal));
	seal->count = count < SP_SEAL_KEYS_MAX ? count : SP_SEAL_KEYS_MAX;
	for (unsigned int i = 0; i < seal->count; i++) {
		seal->key[i][0] = derive_key(cluster[i], labels[0]);
		seal->key[i][1] = derive_key(cluster[i], labels[1]);
		seal->id[i] = derive_key(cluster[i], labels[2]);
	}
}

static __u64 compute_mac(const __u64 key[2], const void *where, size_t where_len, const void *text,
			 size_t len)
{
	__u64 words[(WHERE_MAX + SP_SEAL_BYTES_MAX) / 8 + 1];
	int where_words = (where_len + 7) / 8, text_words = (len + 7) / 8,
		n = 1 + where_words + text_words;

	assert(where_len <= WHERE_MAX && len <= SP_SEAL_BYTES_MAX);
	memset(words, 0, n * sizeof(words[0]));
	words[0] = htole64((__u64)where_len << 32 | len);
	memcpy(words + 1, where, where_len);
	memcpy(words + 1 + where_words, text, len);
	for (int i = 0; i < n; i++)
		words[i] = le64toh(words[i]);
	return sp_siphash_words(key, words, n);
}

void sp_seal_close(const struct sp_seal *seal, const void *where, size_t where_len, void *text,
		   size_t len)
{
	__u8 *bytes = text;
	__u64 sum;

	assert(seal->count && len >= SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES);
	bytes[0] = MAGIC;
	bytes[1] = SP_SEAL_FORMAT;
	bytes[2] = seal->id[0] >> 8;
	bytes[3] = seal->id[0];
	sum = htobe64(compute_mac(seal->key[0], where, where_len, bytes, len - SP_SEAL_TAIL_BYTES));
	memcpy(bytes + len - SP_SEAL_TAIL_BYTES, &sum, sizeof(sum));
}

enum sp_seal_refusal sp_seal_open(const struct sp_seal *seal, const void *where, size_t where_len,
				  const void *text, size_t len)
{
	enum sp_seal_refusal refusal = SP_SEAL_FOREIGN;
	const __u8 *bytes = text;
	__u64 sum;

	if (len < SP_SEAL_HEAD_BYTES + SP_SEAL_TAIL_BYTES || len > SP_SEAL_BYTES_MAX ||
	    where_len > WHERE_MAX)
		return SP_SEAL_LENGTH;
	if (bytes[0] != MAGIC)
		return SP_SEAL_MAGIC;
	if (bytes[1] != SP_SEAL_FORMAT)
		return SP_SEAL_VERSION;
	memcpy(&sum, bytes + len - SP_SEAL_TAIL_BYTES, sizeof(sum));
	for (unsigned int i = 0; i < seal->count; i++) {
		if ((bytes[2] << 8 | bytes[3]) != seal->id[i])
			continue;
		if (be64toh(sum) == compute_mac(seal->key[i], where, where_len, bytes,
						len - SP_SEAL_TAIL_BYTES))
			return SP_SEAL_OK;
		refusal = SP_SEAL_FORGED;
	}
	return refusal;
}
