// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * local.c - the engine of a single machine: splices are where the datapath has them, heads in a
 * pinned map beside
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/stash.h"
#include "datapath/datapath.h"
#include "store/engine.h"

/* @head: whole chunks */
struct local {
	struct sp_store		store;
	struct sp_datapath	*dp;
	char			head[SP_STASH_HEAD_MAX + SP_STASH_CHUNK];
};

/* The only daemon has looked for a live splice before; no proxy can have been first. */
static int local_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	return 0;
}

/* The caller has looked into the datapath, and all splices are there. */
static int local_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	return -ENOENT;
}

static int local_scan(struct sp_store *store, int is_paced)
{
	return 0;
}

static int put_chunk(struct local *l, const struct sp_tuple *front,
		     const struct sp_stash_offer *offer, const char *bytes, __u32 index, __u32 to)
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

static int local_stash(struct sp_store *store, const struct sp_tuple *front,
		       const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		       __u64 ref)
{
	int err = 0;

	for (__u32 i = from / SP_STASH_CHUNK; !err && i * SP_STASH_CHUNK < to; i++)
		err = put_chunk((struct local *)store, front, offer, bytes, i, to);
	return err;
}

static void local_unstash(struct sp_store *store, const struct sp_tuple *front,
			  const struct sp_stash_offer *offer, __u32 len)
{
	struct sp_stash_key key = { .front = *front };

	for (; key.index * SP_STASH_CHUNK < len; key.index++)
		sp_datapath_stash_del(((struct local *)store)->dp, &key);
}

/* Joins the chunks of a head in l->head. A missing or short chunk is the end. Return: bytes. */
static __u32 join_chunks(struct local *l, const struct sp_tuple *front,
			 struct sp_stash_offer *offer)
{
	struct sp_stash_key key = { .front = *front };
	static struct sp_stash_chunk chunk;
	__u32 len = 0;

	while (len + SP_STASH_CHUNK <= sizeof(l->head) &&
	       !sp_datapath_stash_get(l->dp, &key, &chunk) &&
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

static void local_each_head(struct sp_store *store, sp_stash_fn fn, void *ctx)
{
	struct local *l = (struct local *)store;
	struct sp_tuple *fronts;
	struct sp_stash_offer offer;
	__u32 n = sp_datapath_stash_fronts(l->dp, &fronts);

	for (__u32 i = 0; i < n; i++) {
		__u32 len = join_chunks(l, &fronts[i], &offer);

		if (len)
			fn(ctx, &fronts[i], &offer, l->head, len);
	}
	free(fronts);
}

static int local_read_head(struct sp_store *store, const struct sp_tuple *front,
			   struct sp_store_head *ret_head)
{
	struct local *l = (struct local *)store;

	ret_head->len = join_chunks(l, front, &ret_head->offer);
	ret_head->bytes = l->head;
	return ret_head->len ? 0 : -ENOENT;
}

static void local_close(struct sp_store *store)
{
	free(store);
}

static const struct sp_store_engine engine = {
	.name = "local", .commit = local_commit, .fetch = local_fetch, .scan = local_scan,
	.stash = local_stash, .unstash = local_unstash, .each_local_head = local_each_head,
	.read_head = local_read_head, .close = local_close,
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
