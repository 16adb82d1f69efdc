/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stash.h - heads stored on the servers, and forgotten; arguments as of the calls of store.h */
#ifndef SP_STORE_REDIS_STASH_H
#define SP_STORE_REDIS_STASH_H

#include "store/redis/redis.h"

/* Return: -EINPROGRESS: the event follows, or has come; -EAGAIN: too much is under way. */
int sp_heads_stash(struct sp_store_redis *l, const struct sp_tuple *front,
		   const struct sp_stash_offer *offer, const char *bytes, __u32 from, __u32 to,
		   __u64 ref);
void sp_heads_unstash(struct sp_store_redis *l, const struct sp_tuple *front,
		      const struct sp_stash_offer *offer, __u32 len);
void sp_heads_disown(struct sp_store_redis *l, const char *owner, const struct sp_tuple *front);

#endif
