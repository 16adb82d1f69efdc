// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * local.c - the engine for one box: halves are kept where the datapath finds them, heads in a
 * pinned map beside.
 */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/stash.h"

struct local {
	struct sp_store		store;
	struct sp_datapath	*dp;
	char			head[SP_STASH_HEAD_MAX + SP_STASH_CHUNK];	/* in whole chunks */
};

/* There is one daemon, and it has looked for a live splice before it began: nobody else can have been first. */
static void local_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	store->events->committed(store->ctx, ref, 0, NULL);
}

/* What the datapath has not, nobody has. */
static void local_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	store->events->fetched(store->ctx, key, -ENOENT, NULL);
}

static int put_chunk(struct local *l, const struct sp_tuple *front, const struct sp_stash_offer *offer,
		     const char *bytes, __u32 index, __u32 to)
{
	struct sp_stash_key key = { .front = *front, .index = index };
	static struct sp_stash_chunk chunk;
	__u32 from = index * SP_STASH_CHUNK;

	_Static_assert(sizeof(*offer) <= sizeof(chunk.offer), "the offer fits");
	memcpy(chunk.offer, offer, sizeof(*offer));
	chunk.len = to - from < SP_STASH_CHUNK ? to - from : SP_STASH_CHUNK;
	memcpy(chunk.data, bytes + from, chunk.len);
	return sp_datapath_stash_put(l->dp, &key, &chunk);
}

static void local_stash(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			const char *bytes, __u32 from, __u32 to, __u64 ref)
{
	int err = 0;

	for (__u32 i = from / SP_STASH_CHUNK; !err && i * SP_STASH_CHUNK < to; i++)
		err = put_chunk((struct local *)store, front, offer, bytes, i, to);
	store->events->stashed(store->ctx, ref, err);
}

static void local_unstash(struct sp_store *store, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			  __u32 len)
{
	struct sp_stash_key key = { .front = *front };

	for (; key.index * SP_STASH_CHUNK < len; key.index++)
		sp_datapath_stash_del(((struct local *)store)->dp, &key);
}

/* All chunks of a head, one behind the other in l->head. A missing one ends it, and so does a short one. */
static __u32 collect(struct local *l, const struct sp_tuple *front, struct sp_stash_offer *offer)
{
	struct sp_stash_key key = { .front = *front };
	static struct sp_stash_chunk chunk;
	__u32 len = 0;

	while (len + SP_STASH_CHUNK <= sizeof(l->head) && !sp_datapath_stash_get(l->dp, &key, &chunk) &&
	       chunk.len <= SP_STASH_CHUNK) {
		memcpy(offer, chunk.offer, sizeof(*offer));
		memcpy(l->head + len, chunk.data, chunk.len);
		len += chunk.len;
		key.index++;
		if (chunk.len < SP_STASH_CHUNK)
			break;
	}
	return len;
}

static void local_stashes(struct sp_store *store, sp_stash_fn fn, void *ctx)
{
	struct local *l = (struct local *)store;
	struct sp_tuple *fronts;
	struct sp_stash_offer offer;
	__u32 n = sp_datapath_stash_fronts(l->dp, &fronts);

	for (__u32 i = 0; i < n; i++) {
		__u32 len = collect(l, &fronts[i], &offer);

		if (len)
			fn(ctx, &fronts[i], &offer, l->head, len);
	}
	free(fronts);
}

static void local_scan(struct sp_store *store, int is_paced)
{
	store->events->scanned(store->ctx, 0);
}

static void local_head(struct sp_store *store, const struct sp_tuple *front)
{
	struct local *l = (struct local *)store;
	struct sp_stash_offer offer;
	__u32 len = collect(l, front, &offer);

	store->events->head(store->ctx, front, len ? 0 : -ENOENT, &offer, l->head, len);
}

static void local_close(struct sp_store *store)
{
	free(store);
}

static const struct sp_store_engine engine = {
	.name = "local", .commit = local_commit, .fetch = local_fetch,
	.stash = local_stash, .unstash = local_unstash, .stashes = local_stashes, .head = local_head,
	.scan = local_scan, .close = local_close,
};

int sp_store_local_open(struct sp_datapath *dp, struct sp_store **ret_store)
{
	struct local *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->store.engine = &engine;
	l->dp = dp;
	*ret_store = &l->store;
	return 0;
}
