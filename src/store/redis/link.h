/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* link.h - one stream to one server: questions out, answers in. Only for store/redis/conn.c. */
#ifndef SP_STORE_REDIS_LINK_H
#define SP_STORE_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "config/config.h"
#include "store/redis/script.h"

struct sp_redis_link;

/* What was asked, in the asker's own words. */
struct sp_redis_asked {
	int	what;
	__u64	ref;
};

/**
 * struct sp_redis_link_events - called from the event loop; sp_redis_link_close() may be called from each
 * @opened:	questions go out from now on
 * @answer:	once for each question, in their order. @reply: borrowed; NULL: none will come, called from
 *		sp_redis_link_close()
 * @broken:	nothing comes any more, and the link is to be closed. @is_nonsense: the server does not keep to the
 *		protocol
 */
struct sp_redis_link_events {
	void (*opened)(void *ctx);
	void (*answer)(void *ctx, struct sp_redis_asked asked, const redisReply *reply);
	void (*broken)(void *ctx, const char *why, int is_nonsense);
};

/* @events and @server are borrowed. Return: 0 or -errno. */
int sp_redis_link_open(uv_loop_t *loop, const struct sp_store_server_conf *server,
		       const struct sp_redis_link_events *events, void *ctx, struct sp_redis_link **ret_link);
/* Memory goes when the loop has run once more. */
void sp_redis_link_close(struct sp_redis_link *link);

/* Queued until sp_redis_link_flush(). Return: 0; -ENOBUFS, -ENOMEM: not asked. */
int sp_redis_link_ask(struct sp_redis_link *link, const struct sp_cmd *cmd, struct sp_redis_asked asked);
/* Write what is queued. Return: whether there was anything. @broken may have been called. */
int sp_redis_link_flush(struct sp_redis_link *link);

#endif
