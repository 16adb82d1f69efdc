/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* refresh.h - refreshes under way */
#ifndef SP_STORE_REDIS_REFRESH_H
#define SP_STORE_REDIS_REFRESH_H

#include "store/redis/redis.h"

int sp_refreshes_new(struct sp_refreshes **ret_refreshes);
void sp_refreshes_free(struct sp_refreshes *refreshes);

/* Return: 0; -EAGAIN: nothing was sent. */
int sp_refreshes_begin(struct sp_store_redis *l, const struct sp_splice *splice);
int sp_refreshes_reply(struct sp_store_redis *l, __u64 ref, const redisReply *reply);
/* Tell all servers of @splice that it was chosen. No event follows. */
void sp_refreshes_chosen(struct sp_store_redis *l, const struct sp_splice *splice);

#endif
