/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* greeting.h - commands of a server's connection itself: password, INFO, scripts, and the probe */
#ifndef SP_STORE_REDIS_GREETING_H
#define SP_STORE_REDIS_GREETING_H

#include "store/redis/server.h"

/* The connection is open: send all but the probe, which follows the last script. */
void sp_redis_greet(struct sp_redis *r);
void sp_redis_probe(struct sp_redis *r, __u64 now_ns);
/* An answer to such a command. The server may be up, or given up, at the return. */
void sp_redis_take_own(struct sp_redis *r, struct sp_redis_asked asked, const redisReply *reply);

#endif
