/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* engine.h - what the parts of the engine redis share. Only for store_redis*.c. */
#ifndef SP_STORE_REDIS_ENGINE_H
#define SP_STORE_REDIS_ENGINE_H

#include "store/claim.h"
#include "store/fetch.h"
#include "store/engine.h"
#include "store/redis/conn.h"

#define SP_STORE_PASSWORD_MAX	512

#define SP_OWNER_MAX		SP_NAME_MAX

struct sp_store_heads;
struct sp_store_ops;
struct sp_store_keeps;

/* store/redis/scan.c - @gen: of the last page that was asked for */
enum sp_scan_state { SP_SCAN_READY, SP_SCAN_ASKED, SP_SCAN_DONE };
struct sp_scan_server {
	enum sp_scan_state	state;
	__u32			gen;
	char			cursor[24];
};
struct sp_scan {
	int			is_running;
	int			is_paced;	/* a page in each tick */
	__u64			page_ns;	/* when the last one came */
	__u64			enough_ns;	/* since when those that are done would do; 0: they don't */
	struct sp_scan_server	at[SP_SERVERS_MAX];
};

struct sp_store_redis {
	struct sp_store			store;
	struct sp_store			*local;
	struct sp_config		*config;
	const struct sp_store_conf	*conf;		/* in it */
	char				password[SP_STORE_PASSWORD_MAX];
	struct sp_seal			seal;
	unsigned int			copies, quorum;
	struct sp_redis			*servers[SP_SERVERS_MAX];
	unsigned int			server_count;
	__u64				server_hash[SP_SERVERS_MAX];
	struct sp_store_ops		*ops;
	struct sp_store_keeps		*keeps;
	struct sp_scan			scan;
	struct sp_store_heads		*heads;
	__u64				head_ttl_ms;
	char				owner[SP_OWNER_MAX + 1];	/* this proxy */
	uv_prepare_t			*prepare;
	uv_timer_t			*timer;
	__u64				ticked_ns;
	__u64				short_ns;	/* since when too few servers are up; 0: enough are */
	__u64				random;
};

/* Who a reply is for: the lowest bits of a reference. */
enum sp_ref_kind { SP_REF_NOBODY, SP_REF_KEEP, SP_REF_OP, SP_REF_SCAN, SP_REF_MEMBERS, SP_REF_HEAD };
#define SP_REF_KIND_BITS 4

/* Functions called ..._reply() return as sp_redis_events.reply() does. */

/* An array of texts. */
int sp_store_redis_is_list(const redisReply *reply);

/* store/redis/place.c - where a server is among the others, by its text in the configuration. */
__u64 sp_store_redis_place(const char *text);
/* The servers that hold what belongs to a connection, by its front tuple. */
void sp_store_redis_servers(const struct sp_store_redis *l, const struct sp_tuple *front,
			    __u8 ret_servers[SP_COPIES_MAX]);
/* A record that @server_idx has is not believed. */
void sp_store_redis_refused(struct sp_store_redis *l, unsigned int server_idx, enum sp_seal_refusal refusal);
/* EVALSHA, up to the keys; the script's arguments follow. @down may be NULL: one key. */
void sp_store_redis_script(struct sp_store_redis *l, unsigned int server_idx, struct sp_cmd *cmd, enum sp_script script,
			   const struct sp_tuple *front, const struct sp_tuple *down, unsigned int args);
/* KEEP or DROP, to all servers of the splice. Return: to how many. */
unsigned int sp_store_redis_send_all(struct sp_store_redis *l, const struct sp_splice *splice, enum sp_script script,
				     const char *last, __u64 ref);
/* For nobody to wait for. */
void sp_store_redis_drop(struct sp_store_redis *l, const struct sp_splice *splice, const char *state);

/* store/redis/refresh.c - refreshes under way */
int sp_store_keeps_new(struct sp_store_keeps **ret_keeps);
void sp_store_keeps_free(struct sp_store_keeps *keeps);
int sp_store_keeps_refresh(struct sp_store_redis *l, const struct sp_splice *splice);
int sp_store_keeps_reply(struct sp_store_redis *l, __u64 ref, const redisReply *reply);
/* Tell all servers what was chosen, for nobody to wait for. */
void sp_store_redis_keep_chosen(struct sp_store_redis *l, const struct sp_splice *splice);

/* store/redis/op.c - the table of commits and fetches under way; store/redis/claim.c and _look.c begin them */
int sp_store_ops_new(struct sp_store_ops **ret_ops);
void sp_store_ops_free(struct sp_store_ops *ops);
int sp_store_ops_commit(struct sp_store_redis *l, const struct sp_splice *splice, __u64 ref);
int sp_store_ops_fetch(struct sp_store_redis *l, const struct sp_tuple *key);
int sp_store_ops_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply);
void sp_store_ops_tick(struct sp_store_redis *l, __u64 now_ns);

void sp_store_scan_start(struct sp_store_redis *l, int is_paced);
int sp_store_scan_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply);
void sp_store_scan_emptied(struct sp_store_redis *l, unsigned int server_idx);
void sp_store_scan_tick(struct sp_store_redis *l, __u64 now_ns);

/* store/redis/head.c - heads given and forgotten; store/redis/orphan.c - read, and listed */
int sp_store_heads_new(struct sp_store_heads **ret_heads);
void sp_store_heads_free(struct sp_store_heads *heads);
int sp_store_heads_stash(struct sp_store_redis *l, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			  const char *bytes, __u32 from, __u32 to, __u64 ref);
void sp_store_heads_unstash(struct sp_store_redis *l, const struct sp_tuple *front, const struct sp_stash_offer *offer,
			    __u32 len);
void sp_store_heads_disown(struct sp_store_redis *l, const char *owner, const struct sp_tuple *front);
int sp_store_heads_read(struct sp_store_redis *l, const struct sp_tuple *front);
int sp_store_heads_list(struct sp_store_redis *l, const char *owner, __u64 age_ms);
int sp_store_heads_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref, const redisReply *reply);
void sp_store_heads_tick(struct sp_store_redis *l, __u64 now_ns);

#endif
