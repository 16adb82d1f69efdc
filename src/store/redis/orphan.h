/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* orphan.h - heads read back, and the lists of heads by owner; arguments as in store.h */
#ifndef SP_STORE_REDIS_ORPHAN_H
#define SP_STORE_REDIS_ORPHAN_H

#include "store/redis/redis.h"

/* Return: -EINPROGRESS: the event follows, or has come; -EAGAIN: too much is under way. */
int sp_heads_read(struct sp_store_redis *l, const struct sp_tuple *front);
int sp_heads_list(struct sp_store_redis *l, const char *owner, __u64 age_ms);

#endif
