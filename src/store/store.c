// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* store.c - the calls of a store, for any engine; immediate answers become events */
#include "store/store.h"

#include <errno.h>

#include "store/engine.h"

const char *sp_store_engine_name(const struct sp_store *store)
{
	return store->engine->name;
}

int sp_store_is_shared(const struct sp_store *store)
{
	return store->engine->is_shared;
}

void sp_store_subscribe(struct sp_store *store, const struct sp_store_events *events, void *ctx)
{
	store->events = events;
	store->ctx = ctx;
}

__u64 sp_store_ttl_ns(const struct sp_store *store, const struct sp_splice *splice)
{
	if (!store->events || !store->events->ttl)
		return store->ttl_ns;
	return store->events->ttl(store->ctx, splice);
}

void sp_store_close(struct sp_store *store)
{
	store->engine->close(store);
}

void sp_store_commit(struct sp_store *store, const struct sp_splice *splice, __u64 ref)
{
	int err = store->engine->commit(store, splice, ref);

	if (err != -EINPROGRESS)
		store->events->committed(store->ctx, ref, err, NULL);
}

void sp_store_fetch(struct sp_store *store, const struct sp_tuple *key)
{
	int err = store->engine->fetch(store, key);

	if (err != -EINPROGRESS)
		store->events->fetched(store->ctx, key, err, NULL);
}

int sp_store_refresh(struct sp_store *store, const struct sp_splice *splice)
{
	return store->engine->refresh ? store->engine->refresh(store, splice) : 0;
}

void sp_store_forget(struct sp_store *store, const struct sp_splice *splice)
{
	sp_store_forget_later(store, splice, 0);
}

void sp_store_forget_later(struct sp_store *store, const struct sp_splice *splice, __u64 after_ns)
{
	if (store->engine->forget)
		store->engine->forget(store, splice, after_ns);
}

void sp_store_scan(struct sp_store *store, int is_paced)
{
	int err = store->engine->scan(store, is_paced);

	if (err != -EINPROGRESS)
		store->events->scanned(store->ctx, err);
}

void sp_store_stash(struct sp_store *store, const struct sp_tuple *front,
		    const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		    __u64 ref)
{
	int err = store->engine->stash(store, front, offer, bytes, from, to, ref);

	if (err != -EINPROGRESS)
		store->events->stashed(store->ctx, ref, err);
}

void sp_store_unstash(struct sp_store *store, const struct sp_tuple *front,
		      const struct sp_stash_offer *offer, __u32 len)
{
	store->engine->unstash(store, front, offer, len);
}

void sp_store_each_local_head(struct sp_store *store, sp_stash_fn fn, void *ctx)
{
	if (store->engine->each_local_head)
		store->engine->each_local_head(store, fn, ctx);
}

void sp_store_read_head(struct sp_store *store, const struct sp_tuple *front)
{
	struct sp_store_head head = { .len = 0 };
	int err = -ENOENT;

	if (store->engine->read_head)
		err = store->engine->read_head(store, front, &head);
	if (err != -EINPROGRESS)
		store->events->head(store->ctx, front, err, &head.offer, head.bytes, head.len);
}

void sp_store_list_heads(struct sp_store *store, const char *owner, __u64 age_ms)
{
	int err = -EINPROGRESS;

	if (store->engine->list_heads)
		err = store->engine->list_heads(store, owner, age_ms);
	if (err != -EINPROGRESS)
		store->events->heads(store->ctx, owner, err, NULL, 0);
}

void sp_store_disown_head(struct sp_store *store, const char *owner, const struct sp_tuple *front)
{
	if (store->engine->disown_head)
		store->engine->disown_head(store, owner, front);
}

void sp_store_announce(struct sp_store *store, const char *name, const void *record, size_t len)
{
	if (store->engine->announce)
		store->engine->announce(store, name, record, len);
}

void sp_store_rekey(struct sp_store *store, const struct sp_keys *keys)
{
	if (store->engine->rekey)
		store->engine->rekey(store, keys);
}

int sp_store_server(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server)
{
	return store->engine->server ? store->engine->server(store, idx, ret_server) : -ENOENT;
}
