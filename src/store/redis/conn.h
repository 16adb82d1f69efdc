/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* conn.h - a server of the store: its connection, scripts, clock and state */
#ifndef SP_STORE_REDIS_CONN_H
#define SP_STORE_REDIS_CONN_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "config/config.h"
#include "store/redis/script.h"

struct sp_redis;

/**
 * struct sp_redis_events - called from the event loop, reply() also from sp_redis_free()
 * @reply:	the answer to the command sent with @ref, borrowed; NULL: none will come. Return: 0;
 *		-EBADMSG: the answer does not fit the question
 * @changed:	up, or no longer up; @is_emptied: up, and the server has lost its data
 */
struct sp_redis_events {
	int (*reply)(void *ctx, unsigned int server_idx, __u64 ref, const redisReply *reply);
	void (*changed)(void *ctx, unsigned int server_idx, int is_emptied);
};

/* Pointers are borrowed for the life of the struct sp_redis. @password may be NULL. */
struct sp_redis_conf {
	uv_loop_t			*loop;
	const struct sp_store_server_conf *server;
	const char			*password;
	__u64				timeout_ns;
	const struct sp_redis_events	*events;
	void				*ctx;
	unsigned int			idx;
};

/*
 * DOWN		no connection, until the next attempt
 * CONNECTING	connect(2) is under way
 * GREETING	password, INFO, scripts and the first probe are under way
 * UP		commands are taken, though writes may be refused
 * Each may be followed by DOWN.
 */
enum sp_redis_state { SP_REDIS_DOWN, SP_REDIS_CONNECTING, SP_REDIS_GREETING, SP_REDIS_UP };

#define SP_REDIS_WHY_MAX 128

/**
 * struct sp_redis_stats - a server's counters
 * @in_flight:	commands without an answer
 * @latency_us:	moving average of a command's round trip, sampled
 * @writes:	system calls that @commands took
 * @errors:	answers that were errors
 * @nonsense:	answers that made no sense; the connection was closed each time
 * @is_refusing: the probe's write is refused, and so are the store's
 * @why:	the reason of DOWN or @is_refusing; else ""
 */
struct sp_redis_stats {
	enum sp_redis_state	state;
	unsigned int		in_flight;
	unsigned int		latency_us;
	__u64			reconnects;
	__u64			commands;
	__u64			writes;
	__u64			errors;
	__u64			nonsense;
	int			is_refusing;
	char			why[SP_REDIS_WHY_MAX];
};

/* Return: 0, -ENOMEM or -EIO. The first attempt to connect is at the first tick. */
int sp_redis_new(const struct sp_redis_conf *conf, struct sp_redis **ret_redis);
/* Commands in flight are answered with NULL. Memory is freed after another turn of the loop. */
void sp_redis_free(struct sp_redis *r);

/* Queued until sp_redis_flush(). Return: 0; -ENOTCONN; -ENOBUFS: too many in flight. */
int sp_redis_send(struct sp_redis *r, const struct sp_cmd *cmd, __u64 ref);
/* Once per turn of the loop: write all queued commands at once. */
void sp_redis_flush(struct sp_redis *r);
/* Every SP_REDIS_TICK_MS. @is_late: this daemon was suspended, so time-outs start anew. */
#define SP_REDIS_TICK_MS 10
void sp_redis_tick(struct sp_redis *r, __u64 now_ns, int is_late);

int sp_redis_is_up(const struct sp_redis *r);
int sp_redis_takes_writes(const struct sp_redis *r);
/* Since the start, the server has neither greeted nor failed to. */
int sp_redis_is_untried(const struct sp_redis *r);
/* The server was restarted or emptied lately: its "nothing" does not count. */
int sp_redis_is_blank(const struct sp_redis *r, __u64 now_ns);
/* @in_ns from now by the server's clock, in ms of the epoch; a little early rather than late */
__u64 sp_redis_due_ms(const struct sp_redis *r, __u64 now_ns, __u64 in_ns);
/* 40 hexadecimal digits; "" before the greeting. */
const char *sp_redis_sha(const struct sp_redis *r, enum sp_script script);
const struct sp_redis_stats *sp_redis_stats(const struct sp_redis *r);

#endif
