// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* chunk.c - chunks of heads, sealed and gathered */
#include "store/chunk.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#define F_TS	1
#define F_SACK	2
#define F_ECN	4
#define F_NEXT	8
#define WHERE_MAX (SP_KEY_MAX + 1)

static void put_u32(__u8 *to, __u32 value)
{
	value = htonl(value);
	memcpy(to, &value, 4);
}

static __u32 get_u32(const __u8 *from)
{
	__u32 value;

	memcpy(&value, from, 4);
	return ntohl(value);
}

static size_t where_of(const struct sp_tuple *front, unsigned int index, __u8 ret_where[WHERE_MAX])
{
	struct sp_key key = sp_key_make(SP_KEY_HEAD, front);

	memcpy(ret_where, key.bytes, key.len);
	ret_where[key.len] = index;
	return key.len + 1;
}

size_t sp_chunk_make(const struct sp_seal *seal, const struct sp_tuple *front,
		     const struct sp_stash_offer *offer, const char *bytes, __u32 len,
		     unsigned int index, __u8 ret_chunk[SP_CHUNK_FULL])
{
	__u32 from = index * SP_STASH_CHUNK;
	__u32 n = len - from < SP_STASH_CHUNK ? len - from : SP_STASH_CHUNK;
	__u64 begun_ms = htobe64(offer->begun_ms);
	const struct sp_side *c = &offer->client;
	__u8 at[WHERE_MAX], *b = ret_chunk;
	__u16 mss = htons(offer->mss);

	put_u32(b + 4, c->isn_theirs);
	put_u32(b + 8, c->isn_ours);
	memcpy(b + 12, &begun_ms, 8);
	put_u32(b + 20, c->tsval_ours);
	put_u32(b + 24, c->tsval_theirs);
	b[28] = c->wscale_ours;
	b[29] = c->wscale_theirs;
	b[30] = (c->has_ts ? F_TS : 0) | (offer->is_sack ? F_SACK : 0);
	b[30] |= (offer->is_ecn ? F_ECN : 0) | (offer->is_next ? F_NEXT : 0);
	b[31] = 0;
	memcpy(b + 32, &mss, 2);
	memcpy(b + SP_CHUNK_DATA_AT, bytes + from, n);
	n += SP_CHUNK_DATA_AT + SP_SEAL_TAIL_BYTES;
	sp_seal_close(seal, at, where_of(front, index, at), b, n);
	return n;
}

static struct sp_stash_offer read_offer(const __u8 *b)
{
	struct sp_stash_offer o = {
		.client = {
			.isn_theirs = get_u32(b + 4), .isn_ours = get_u32(b + 8),
			.tsval_ours = get_u32(b + 20), .tsval_theirs = get_u32(b + 24),
			.wscale_ours = b[28], .wscale_theirs = b[29],
			.has_ts = !!(b[30] & F_TS),
		},
		.begun_ms = (__u64)get_u32(b + 12) << 32 | get_u32(b + 16),
		.mss = b[32] << 8 | b[33],
		.is_sack = !!(b[30] & F_SACK), .is_ecn = !!(b[30] & F_ECN),
		.is_next = !!(b[30] & F_NEXT),
	};

	return o;
}

void sp_gather_start(struct sp_gather *g)
{
	memset(&g->offer, 0, sizeof(g->offer));
	memset(g->len, 0, sizeof(g->len));
}

static int is_same_connection(const struct sp_stash_offer *a, const struct sp_stash_offer *b)
{
	return a->client.isn_theirs == b->client.isn_theirs &&
	       a->client.isn_ours == b->client.isn_ours;
}

/* Of two owners of one connection, the earlier beginning counts. */
static void merge_offer(struct sp_stash_offer *into, const struct sp_stash_offer *offer)
{
	if (offer->begun_ms < into->begun_ms)
		into->begun_ms = offer->begun_ms;
	if ((__s32)(offer->client.tsval_theirs - into->client.tsval_theirs) > 0)
		into->client.tsval_theirs = offer->client.tsval_theirs;
}

void sp_gather_add(struct sp_gather *g, const struct sp_stash_offer *offer, unsigned int index,
		   const char *data, __u32 len)
{
	if (index >= SP_CHUNKS_MAX || len > SP_STASH_CHUNK)
		return;
	if (!g->offer.begun_ms || !is_same_connection(&g->offer, offer)) {
		if (offer->begun_ms <= g->offer.begun_ms)
			return;
		sp_gather_start(g);
		g->offer = *offer;
	}
	merge_offer(&g->offer, offer);
	if (len <= g->len[index])
		return;
	memcpy(g->bytes + index * SP_STASH_CHUNK, data, len);
	g->len[index] = len;
}

enum sp_seal_refusal sp_gather_read(struct sp_gather *g, const struct sp_seal *seal,
				    const struct sp_tuple *front, unsigned int index,
				    const void *chunk, size_t len)
{
	const __u8 *b = chunk;
	struct sp_stash_offer offer;
	enum sp_seal_refusal refusal;
	__u8 at[WHERE_MAX];

	if (index >= SP_CHUNKS_MAX || len <= SP_CHUNK_DATA_AT + SP_SEAL_TAIL_BYTES ||
	    len > SP_CHUNK_FULL)
		return SP_SEAL_LENGTH;
	refusal = sp_seal_open(seal, at, where_of(front, index, at), chunk, len);
	if (refusal != SP_SEAL_OK)
		return refusal;
	offer = read_offer(b);
	sp_gather_add(g, &offer, index, (const char *)b + SP_CHUNK_DATA_AT,
		      len - SP_CHUNK_DATA_AT - SP_SEAL_TAIL_BYTES);
	return SP_SEAL_OK;
}

__u32 sp_gather_bytes(const struct sp_gather *g)
{
	__u32 len = 0;

	for (unsigned int i = 0; i < SP_CHUNKS_MAX; i++) {
		len += g->len[i];
		if (g->len[i] < SP_STASH_CHUNK)
			break;
	}
	return len < SP_STASH_HEAD_MAX ? len : SP_STASH_HEAD_MAX;
}
