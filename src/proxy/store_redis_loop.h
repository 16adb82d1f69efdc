/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* store_redis_loop.h - hiredis on the daemon's loop. Only for store_redis_conn.c. */
#ifndef SP_PROXY_STORE_REDIS_LOOP_H
#define SP_PROXY_STORE_REDIS_LOOP_H

#include <hiredis/async.h>
#include <uv.h>

/*
 * Not the adapter that comes with hiredis: that one ignores POLLERR, so that a
 * refused connection stays for ever, and asks epoll before each write. Here
 * the owner writes once per turn of the loop what the turn has queued.
 */
struct sp_redis_link;

/* Takes @ac's hooks; goes with @ac, when the loop has run once more. Return: 0 or -errno. */
int sp_redis_link_new(uv_loop_t *loop, redisAsyncContext *ac, struct sp_redis_link **ret_link);
/* Write what is queued. Return: whether there was anything. @link may be gone then. */
int sp_redis_link_flush(struct sp_redis_link *link);

#endif
