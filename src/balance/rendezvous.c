// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rendezvous.c - the backend of a key: the highest lot wins. See balance.h. */
#include "balance/balance.h"

#include <errno.h>
#include <math.h>

#include "base/hash.h"

/* A lot is uniform over 64 bits (the finalizer of SplitMix64; Steele, Lea, Flood 2014). */
static __u64 draw_lot(__u64 seed, __u64 key)
{
	__u64 lot = seed ^ key;

	lot = (lot ^ lot >> 30) * 0xbf58476d1ce4e5b9ULL;
	lot = (lot ^ lot >> 27) * 0x94d049bb133111ebULL;
	return lot ^ lot >> 31;
}

/*
 * Lots of a backend of weight w: as if the highest of w lots (the logarithmic method of
 * Schindelhauer and Schomaker, 2005). Among equal weights the higher lot wins in either way, and
 * costs no logarithm.
 */
static int is_higher(__u64 lot, unsigned int share, __u64 than, unsigned int than_share)
{
	if (share == than_share)
		return lot > than;
	return log2(((double)lot + 1) * 0x1p-64) * than_share >
	       log2(((double)than + 1) * 0x1p-64) * share;
}

int sp_balance_rendezvous(const struct sp_field *field, __u64 key)
{
	unsigned int best_share = 0;
	__u64 highest = 0;
	int ret = -ENOENT;

	for (size_t i = 0; i < field->count; i++) {
		unsigned int share = field->share(field->ctx, i);
		__u64 lot = share ? draw_lot(field->load(field->ctx, i)->seed, key) : 0;

		if (!share || (ret >= 0 && !is_higher(lot, share, highest, best_share)))
			continue;
		highest = lot;
		best_share = share;
		ret = i;
	}
	return ret;
}

__u64 sp_balance_hash(const void *bytes, size_t len)
{
	__u64 key[2] = { 0x62616c616e636531ULL, 0 };
	const char *at = bytes;

	for (; len > SP_HASH_BYTES_MAX; at += SP_HASH_BYTES_MAX, len -= SP_HASH_BYTES_MAX)
		key[1] = sp_siphash_bytes(key, at, SP_HASH_BYTES_MAX);
	return sp_siphash_bytes(key, at, len);
}
