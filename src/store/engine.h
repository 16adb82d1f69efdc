/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* engine.h - what an engine of the store fills in; callers use store.h */
#ifndef SP_STORE_ENGINE_H
#define SP_STORE_ENGINE_H

#include "store/store.h"

/**
 * struct sp_store_head - a head that was read
 * @bytes:	of the engine, until its next call
 */
struct sp_store_head {
	struct sp_stash_offer	offer;
	const char		*bytes;
	__u32			len;
};

/**
 * struct sp_store_engine - an engine's functions, as the functions of store.h with their names
 * @is_shared:	see sp_store_is_shared()
 *
 * The functions that return an int and have an event answer it in one of two ways: -EINPROGRESS,
 * and the engine calls the event, now or later; or the event's @err, and store.c calls the event.
 * The results of @read_head stand in @ret_head with 0.
 *
 * Every engine has @commit, @fetch, @scan, @stash, @unstash and @close. The others may be NULL.
 */
struct sp_store_engine {
	const char *name;
	int is_shared;
	int (*commit)(struct sp_store *store, const struct sp_splice *splice, __u64 ref);
	int (*fetch)(struct sp_store *store, const struct sp_tuple *key);
	int (*refresh)(struct sp_store *store, const struct sp_splice *splice);
	void (*forget)(struct sp_store *store, const struct sp_splice *splice, __u64 after_ns);
	int (*scan)(struct sp_store *store, int is_paced);
	int (*stash)(struct sp_store *store, const struct sp_tuple *front,
		     const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		     __u64 ref);
	void (*unstash)(struct sp_store *store, const struct sp_tuple *front,
			const struct sp_stash_offer *offer, __u32 len);
	void (*each_local_head)(struct sp_store *store, sp_stash_fn fn, void *ctx);
	int (*read_head)(struct sp_store *store, const struct sp_tuple *front,
			 struct sp_store_head *ret_head);
	int (*list_heads)(struct sp_store *store, const char *owner, __u64 age_ms);
	void (*disown_head)(struct sp_store *store, const char *owner,
			    const struct sp_tuple *front);
	void (*announce)(struct sp_store *store, const char *name, const void *record, size_t len);
	void (*rekey)(struct sp_store *store, const struct sp_keys *keys);
	int (*server)(struct sp_store *store, unsigned int idx, struct sp_store_server *ret_server);
	void (*close)(struct sp_store *store);
};

#endif
