// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* holders.c - a count-min sketch of clients */
#include "node/holders.h"

#include <string.h>

#include "abi/siphash.h"

static __u64 hash_client(const __u64 key[2], const struct sp_addr *client)
{
	__u64 words[2] = { (__u64)client->w[0] << 32 | client->w[1], 0 };

	if (sp_addr_is_v4(client))
		words[1] = (__u64)client->w[2] << 32 | client->w[3];
	return sp_siphash_words(key, words, 2);
}

/* Each row uses its own bits of the hash. */
static __u32 find_column(__u64 hash, int row)
{
	return hash >> (row * SP_HOLDERS_COLUMNS_BITS) & ((1 << SP_HOLDERS_COLUMNS_BITS) - 1);
}

void sp_holders_add(struct sp_holders *h, const __u64 key[2], const struct sp_addr *client)
{
	__u64 at = hash_client(key, client);

	if (h->added < SP_HOLDERS_FEW)
		h->first[h->added] = at;
	h->added++;
	for (int row = 0; row < SP_HOLDERS_ROWS; row++)
		h->counts[row][find_column(at, row)]++;
}

/* Clear the counts, each second or so: with few splices only few writes. */
void sp_holders_clear(struct sp_holders *h)
{
	if (h->added > SP_HOLDERS_FEW)
		memset(h->counts, 0, sizeof(h->counts));
	else
		for (__u32 i = 0; i < h->added; i++)
			for (int row = 0; row < SP_HOLDERS_ROWS; row++)
				h->counts[row][find_column(h->first[i], row)] = 0;
	h->added = 0;
}

__u32 sp_holders_count(const struct sp_holders *h, const __u64 key[2], const struct sp_addr *client)
{
	__u64 at = hash_client(key, client);
	__u32 least = ~0U;

	for (int row = 0; row < SP_HOLDERS_ROWS; row++)
		if (h->counts[row][find_column(at, row)] < least)
			least = h->counts[row][find_column(at, row)];
	return least;
}
