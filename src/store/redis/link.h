/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* link.h - a stream to a server: commands out, answers in; for conn.c alone */
#ifndef SP_STORE_REDIS_LINK_H
#define SP_STORE_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "config/config.h"
#include "store/redis/script.h"

struct sp_redis_link;

/* A command that awaits its answer; both values are the caller's. */
struct sp_redis_asked {
	int	what;
	__u64	ref;
};

/**
 * struct sp_redis_link_events - called from the event loop; sp_redis_link_close() may be called
 * from each
 * @opened:	commands go out from now on
 * @answer:	once for each command, in their order. @reply: borrowed; NULL: none will come,
 *		called from sp_redis_link_close()
 * @broken:	no more answers will come; the owner has to close the link. @is_nonsense: the server
 *		has violated the protocol
 */
struct sp_redis_link_events {
	void (*opened)(void *ctx);
	void (*answer)(void *ctx, struct sp_redis_asked asked, const redisReply *reply);
	void (*broken)(void *ctx, const char *why, int is_nonsense);
};

/* @events and @server are borrowed. Return: 0 or -errno. */
int sp_redis_link_open(uv_loop_t *loop, const struct sp_store_server_conf *server,
		       const struct sp_redis_link_events *events, void *ctx,
		       struct sp_redis_link **ret_link);
/* Memory is freed after another turn of the loop. */
void sp_redis_link_close(struct sp_redis_link *link);

/* Queued until sp_redis_link_flush(). Return: 0; -ENOBUFS, -ENOMEM: not sent. */
int sp_redis_link_ask(struct sp_redis_link *link, const struct sp_cmd *cmd,
		      struct sp_redis_asked asked);
/* Write the queue. Return: was there a write? @broken may have been called. */
int sp_redis_link_flush(struct sp_redis_link *link);

#endif
