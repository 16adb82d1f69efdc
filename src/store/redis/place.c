// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * place.c - the servers of a connection
 *
 * Rendezvous hashing selects K of N servers by the front tuple, for every proxy the same. A server
 * that is down is not replaced: two proxies that disagree about its state would ask different
 * servers.
 */
#include "store/redis/redis.h"

#include <string.h>

#include "base/hash.h"

/* A constant: the place of a splice must not change with the cluster's key. */
static const __u64 place_key[2] = { 0x73706c6963656420, 0x706c616365732031 };

__u64 sp_store_redis_place(const char *text)
{
	__u64 hash = 0;

	for (size_t len = strlen(text), n; len; text += n, len -= n) {
		n = len < 48 ? len : 48;
		hash = sp_rotl64(hash, 1) ^ sp_siphash_bytes(place_key, text, n);
	}
	return hash;
}

static __u64 score_of(__u64 tuple_hash, __u64 server_hash)
{
	__u64 words[2] = { tuple_hash, server_hash };

	return sp_siphash_words(place_key, words, 2);
}

void sp_store_redis_servers(const struct sp_store_redis *l, const struct sp_tuple *front,
			    __u8 ret_servers[SP_COPIES_MAX])
{
	__u64 hash = sp_siphash_bytes(place_key, front, sizeof(*front)), scores[SP_COPIES_MAX];
	unsigned int n = 0;

	memset(ret_servers, 0, SP_COPIES_MAX);
	for (unsigned int i = 0; i < l->server_count; i++) {
		__u64 s = score_of(hash, l->server_hash[i]);
		unsigned int at = n;

		for (; at && scores[at - 1] < s; at--) {
			if (at == l->copies)
				continue;
			scores[at] = scores[at - 1];
			ret_servers[at] = ret_servers[at - 1];
		}
		if (at == l->copies)
			continue;
		scores[at] = s;
		ret_servers[at] = i;
		n += n < l->copies;
	}
}
