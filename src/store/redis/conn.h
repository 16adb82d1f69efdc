/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* conn.h - one server of the store: connected, or on the way to it. Only for store_redis*.c and tests. */
#ifndef SP_STORE_REDIS_CONN_H
#define SP_STORE_REDIS_CONN_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "config/config.h"
#include "store/redis/script.h"

struct sp_redis;

/**
 * struct sp_redis_events - called from the event loop, reply() also from sp_redis_free()
 * @reply:	@ref as given; @reply is NULL when none will come, and borrowed. Return: 0; -EBADMSG: that is no answer
 *		to this question, whatever else may be there
 * @changed:	up, or no longer up; @is_emptied: up (again), and it has forgotten what it knew
 */
struct sp_redis_events {
	int (*reply)(void *ctx, unsigned int server_idx, __u64 ref, const redisReply *reply);
	void (*changed)(void *ctx, unsigned int server_idx, int is_emptied);
};

/* What it borrows for as long as it lives. @password may be NULL. */
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
 * DOWN		no connection; the next try is at @again
 * CONNECTING	connect(2) is under way
 * GREETING	password, INFO, scripts and the first probe are under way
 * UP		commands are taken, though writes may be refused
 * From any of them to DOWN.
 */
enum sp_redis_state { SP_REDIS_DOWN, SP_REDIS_CONNECTING, SP_REDIS_GREETING, SP_REDIS_UP };

#define SP_REDIS_WHY_MAX 128

struct sp_redis_stats {
	enum sp_redis_state	state;
	unsigned int		in_flight;
	unsigned int		latency_us;	/* moving average of one command in flight, sampled */
	__u64			reconnects;
	__u64			commands;
	__u64			writes;		/* write(2)s that they took */
	__u64			errors;		/* replies that are errors */
	__u64			nonsense;	/* what is no answer, or not to what was asked: it was left for that */
	int			is_refusing;	/* the probe's write, and so those of the store */
	char			why[SP_REDIS_WHY_MAX];	/* it is down, or refuses; else "" */
};

int sp_redis_new(const struct sp_redis_conf *conf, struct sp_redis **ret_redis);
/* All that is in flight is answered with NULL; memory goes when the loop has run once more. */
void sp_redis_free(struct sp_redis *r);

/* Queued until sp_redis_flush(). Return: 0; -ENOTCONN; -ENOBUFS: too many in flight. */
int sp_redis_send(struct sp_redis *r, const struct sp_cmd *cmd, __u64 ref);
/* Once per turn of the loop: all that is queued in one write. */
void sp_redis_flush(struct sp_redis *r);
/* Every SP_REDIS_TICK_MS; @is_late: this process was stopped, so time says nothing of the server. */
#define SP_REDIS_TICK_MS 10
void sp_redis_tick(struct sp_redis *r, __u64 now_ns, int is_late);

int sp_redis_is_up(const struct sp_redis *r);
int sp_redis_takes_writes(const struct sp_redis *r);
/* It is not known yet whether it is there: since the start it has neither greeted nor failed to. */
int sp_redis_is_untried(const struct sp_redis *r);
/* It was started anew not long ago: that it has nothing proves nothing. */
int sp_redis_is_blank(const struct sp_redis *r, __u64 now_ns);
/* @in_ns from now by the server's clock, in ms; a little early rather than late. */
__u64 sp_redis_due_ms(const struct sp_redis *r, __u64 now_ns, __u64 in_ns);
const char *sp_redis_sha(const struct sp_redis *r, enum sp_script script);
const struct sp_redis_stats *sp_redis_stats(const struct sp_redis *r);

#endif
