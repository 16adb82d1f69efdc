// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/holders.h"

#include <string.h>

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

	if (h->added < SP_HOLDERS_FEW)
		h->first[h->added] = at;
	h->added++;
	for (int row = 0; row < SP_HOLDERS_ROWS; row++)
		h->counts[row][column(at, row)]++;
}

/* Each second or so: a proxy with few splices writes little. */
void sp_holders_clear(struct sp_holders *h)
{
	if (h->added > SP_HOLDERS_FEW)
		memset(h->counts, 0, sizeof(h->counts));
	else
		for (__u32 i = 0; i < h->added; i++)
			for (int row = 0; row < SP_HOLDERS_ROWS; row++)
				h->counts[row][column(h->first[i], row)] = 0;
	h->added = 0;
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
