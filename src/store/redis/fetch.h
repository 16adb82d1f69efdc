/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fetch.h - fetches on the wire. The op may have ended when a function returns. */
#ifndef SP_STORE_REDIS_FETCH_H
#define SP_STORE_REDIS_FETCH_H

#include "store/redis/op.h"

/* Return: -EINPROGRESS: the event follows, or has come; -EAGAIN: the table is full. */
int sp_op_fetch(struct sp_store_redis *l, const struct sp_tuple *key);
int sp_op_fetch_reply(struct sp_store_redis *l, struct sp_op *op, unsigned int server_idx,
		      const redisReply *reply);
/* @is_over: wait for no more answers. */
void sp_op_fetch_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over);

#endif
