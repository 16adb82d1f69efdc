/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * redis.h - the floor of the engine redis: its struct, and helpers that ask no server for an answer
 *
 * Files of this folder, from the floor up: script, link, server, greeting, conn; redis, place;
 * refresh, scan; op, claim, fetch; head, stash, orphan; engine. Each calls only those before it.
 */
#ifndef SP_STORE_REDIS_REDIS_H
#define SP_STORE_REDIS_REDIS_H

#include "splice/record.h"
#include "store/engine.h"
#include "store/redis/conn.h"

#define SP_STORE_PASSWORD_MAX	512
#define SP_OWNER_MAX		SP_NAME_MAX

struct sp_heads;
struct sp_ops;
struct sp_refreshes;

/* See scan.c. @gen: of the last page that was asked for; @cursor: of the next page */
enum sp_scan_state { SP_SCAN_READY, SP_SCAN_ASKED, SP_SCAN_DONE };
struct sp_scan_server {
	enum sp_scan_state	state;
	__u32			gen;
	char			cursor[24];
};

/**
 * struct sp_scan - a scan of all servers
 * @is_paced:	one page in each tick
 * @page_ns:	time of the last page
 * @enough_ns:	time from which the finished servers would do; 0: not yet
 */
struct sp_scan {
	int			is_running;
	int			is_paced;
	__u64			page_ns;
	__u64			enough_ns;
	struct sp_scan_server	at[SP_SERVERS_MAX];
};

/**
 * struct sp_store_redis - the engine
 * @conf:	points into @config
 * @quorum:	copies that a commit needs
 * @server_hash: place of each server, see place.c
 * @head_ttl_ms: lifetime of a head on a server
 * @owner:	name of this proxy
 * @short_ns:	time from which too few servers are up; 0: enough are up
 */
struct sp_store_redis {
	struct sp_store			store;
	struct sp_store			*local;
	struct sp_config		*config;
	const struct sp_store_conf	*conf;
	char				password[SP_STORE_PASSWORD_MAX];
	struct sp_seal			seal;
	unsigned int			copies, quorum;
	struct sp_redis			*servers[SP_SERVERS_MAX];
	unsigned int			server_count;
	__u64				server_hash[SP_SERVERS_MAX];
	struct sp_ops			*ops;
	struct sp_refreshes		*refreshes;
	struct sp_scan			scan;
	struct sp_heads			*heads;
	__u64				head_ttl_ms;
	char				owner[SP_OWNER_MAX + 1];
	uv_prepare_t			*prepare;
	uv_timer_t			*timer;
	__u64				ticked_ns;
	__u64				short_ns;
	__u64				random;
};

/* The receiver of a reply: the lowest bits of a reference. */
enum sp_ref_kind {
	SP_REF_NONE, SP_REF_REFRESH, SP_REF_OP, SP_REF_SCAN, SP_REF_MEMBERS, SP_REF_HEAD,
};
#define SP_REF_KIND_BITS 4

/* Functions named ..._reply() return as sp_redis_events.reply() does. */

/* Is @reply an array of texts? */
int sp_store_redis_is_list(const redisReply *reply);
/* Count and log that a record of @server_idx was refused. */
void sp_store_redis_refused(struct sp_store_redis *l, unsigned int server_idx,
			    enum sp_seal_refusal refusal);
/*
 * Begin EVALSHA of @script: all up to the keys, which are made of the tuples; the caller appends
 * @args arguments. @down may be NULL: one key.
 */
void sp_store_redis_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd,
			   enum sp_script script, const struct sp_tuple *front,
			   const struct sp_tuple *down, unsigned int args);
/*
 * Send REFRESH or DROP to all servers of the splice. @last: argument; @after_ms: one more, unless
 * 0. Return: number of servers.
 */
unsigned int sp_store_redis_send_all(struct sp_store_redis *l, const struct sp_splice *splice,
				     enum sp_script script, const char *last, __u64 after_ms,
				     __u64 ref);
/*
 * Remove a splice from its servers if it has @state there ("": any), now or in @after_ms. No answer
 * is awaited.
 */
void sp_store_redis_drop(struct sp_store_redis *l, const struct sp_splice *splice,
			 const char *state, __u64 after_ms);

/* place.c. The place of a server, by its text in the configuration. */
__u64 sp_store_redis_place(const char *text);
/* The servers of a connection, l->copies of them, by its front tuple. */
void sp_store_redis_servers(const struct sp_store_redis *l, const struct sp_tuple *front,
			    __u8 ret_servers[SP_COPIES_MAX]);

#endif
