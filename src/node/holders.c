// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/holders.h"

#include "abi/siphash.h"

static __u64 hash(const __u64 key[2], const struct sp_addr *client)
{
	__u64 words[2] = { (__u64)client->w[0] << 32 | client->w[1], 0 };

	if (sp_addr_is_v4(client))
		words[1] = (__u64)client->w[2] << 32 | client->w[3];
	return sp_siphash_words(key, words, 2);
}

/* A row has bits of the hash of its own. */
static __u32 column(__u64 hash, int row)
{
	return hash >> (row * SP_HOLDERS_COLUMNS_BITS) & ((1 << SP_HOLDERS_COLUMNS_BITS) - 1);
}

void sp_holders_add(struct sp_holders *h, const __u64 key[2], const struct sp_addr *client)
{
	__u64 at = hash(key, client);

	for (int row = 0; row < SP_HOLDERS_ROWS; row++)
		h->counts[row][column(at, row)]++;
}

__u32 sp_holders_count(const struct sp_holders *h, const __u64 key[2], const struct sp_addr *client)
{
	__u64 at = hash(key, client);
	__u32 least = ~0U;

	for (int row = 0; row < SP_HOLDERS_ROWS; row++)
		if (h->counts[row][column(at, row)] < least)
			least = h->counts[row][column(at, row)];
	return least;
}
