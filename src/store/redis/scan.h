/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan.h - the scan for splices of this proxy */
#ifndef SP_STORE_REDIS_SCAN_H
#define SP_STORE_REDIS_SCAN_H

#include "store/redis/redis.h"

/* Does nothing during a scan. */
void sp_scan_start(struct sp_store_redis *l, int is_paced);
int sp_scan_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref,
		  const redisReply *reply);
/* @server_idx was emptied: its part of the scan starts anew. */
void sp_scan_emptied(struct sp_store_redis *l, unsigned int server_idx);
void sp_scan_tick(struct sp_store_redis *l, __u64 now_ns);

#endif
