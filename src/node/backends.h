/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * backends.h - the backends of the configuration: choice of the next, and state. No I/O, no clock:
 * times are passed in, in ns. Context: event loop.
 */
#ifndef SP_NODE_BACKENDS_H
#define SP_NODE_BACKENDS_H

#include "abi/half.h"
#include "config/config.h"
#include "node/health.h"

/*
 * Theory of operation
 *
 *	UP -> DOWN	`failures` connections in a row were refused or timed out (0: never)
 *	DOWN -> DOWN	`retry` has passed: a connection is a trial, the next trial is after another
 *			`retry`
 *	DOWN -> UP	a connection was answered
 *
 * New connections go to the pool's backends by `balance` of the pool, see balance.h. Backends of
 * weight 0 (draining), configured or ordered, or of the other family get no connections. Backends
 * that the connection has tried are left out, unless all were tried. Backends that are down are
 * left out, unless all are down: a backend that may be dead is better than none.
 *
 * Checks and operators decide for certain: a backend that is down by its checks, or was taken out
 * by an operator, gets no connection, though all of the pool are out. Clients get 503 then.
 *
 * A backend keeps its state over a reload if pool name and address stay. A connection from before a
 * reload continues with its pool. So calls take a pool of any configuration still in memory, and an
 * index in that pool. Reports about removed backends are ignored.
 */
enum sp_backend_failure { SP_BACKEND_REFUSED, SP_BACKEND_SILENT };

/* An operator's word. UP overrules checks and failures; DRAIN and DOWN end new connections. */
#define SP_BACKEND_ORDERS(X) X(AUTO, auto) X(UP, up) X(DRAIN, drain) X(DOWN, down)
enum sp_backend_order {
#define X(up, low) SP_BACKEND_ORDER_##up,
	SP_BACKEND_ORDERS(X)
#undef X
	SP_BACKEND_ORDER_COUNT,
};

/* A splice in a list, by its half from the backend. */
struct sp_listed_one {
	struct sp_tuple	down_key;
	__u32		client_isn;
};

struct sp_listed {
	struct sp_listed_one	*all;
	__u32			count, room, at;
};

/**
 * struct sp_backend - state of a backend
 * @failures:	connections in a row that failed
 * @connections, @refused, @silent: results of all connections since the start: answered, refused,
 *		timed out
 * @retry_at_ns: time of the next trial, if the backend is down
 * @opening:	connections without a splice so far
 * @spliced, @closed: splices in the table, and those of them that the last walk found closed
 * @walked, @walked_closed: the same, as far as this walk has come
 * @max:	of connections; 0: any number
 * @listed:	open splices of a backend with @max, and all begun since @listed_since_s
 *		(CLOCK_REALTIME). @walks_left: 1: this walk lists earlier splices; 2: the next does
 * @up_ns:	start of slow_start; 0: long ago. @is_new: the next choice is the start
 * @load:	for the choice; the turns begin anew with each configuration
 * @mss:	of its last SYN-ACK; 0: none was seen
 * @lacks:	SP_SERVICE_F_* that the SYN offered and the SYN-ACK did not have
 * @order:	by `splicectl backend`
 * @weight:	by the same, plus 1; 0: as configured
 * @health:	by its checks; all zero in a pool without `check`
 * @resets_left, @is_marked: walks to come that reset its splices, and whether this walk does
 */
struct sp_backend {
	__u32			pool_id;
	struct sp_endpoint	at;
	int			is_down;
	struct sp_load		load;
	__u32			opening;
	__u32			spliced, closed;
	__u32			walked, walked_closed;
	__u32			max;
	struct sp_listed	listed;
	__u32			listed_since_s;
	__u8			walks_left, is_new;
	__u64			up_ns;
	__u32			failures;
	__u64			connections;
	__u64			refused;
	__u64			silent;
	__u64			retry_at_ns;
	__u16			mss;
	__u8			lacks;
	enum sp_backend_order	order;
	__u32			weight;
	struct sp_health	health;
	__u8			resets_left, is_marked;
};

/* A list is nearer to the truth than two counts, and is there for backends with @max alone. */
static inline void sp_backend_sum(struct sp_backend *backend)
{
	__u32 closed = backend->closed < backend->spliced ? backend->closed : backend->spliced;

	backend->load.connections = backend->opening +
		(backend->max ? backend->listed.count : backend->spliced - closed);
}

struct sp_backends;

/* Whether it gets no connection, even if the pool has no other. NULL: not in the configuration. */
static inline int sp_backend_is_out(const struct sp_backend *backend)
{
	if (!backend || backend->order == SP_BACKEND_ORDER_UP)
		return 0;
	return backend->order != SP_BACKEND_ORDER_AUTO || backend->health.is_down;
}

/* @backend: NULL: not in the configuration */
static inline unsigned int sp_backend_weight(const struct sp_backend *backend,
					     const struct sp_backend_conf *conf)
{
	return backend && backend->weight ? backend->weight - 1 : conf->weight;
}

/* @config: borrowed, see below. Return: 0 or -ENOMEM. */
int sp_backends_new(const struct sp_config *config, struct sp_backends **ret_backends);
void sp_backends_free(struct sp_backends *backends);

/**
 * sp_backends_configure() - use @config from now on
 * @config:	borrowed until the next call has returned
 * Return: 0, or -ENOMEM and nothing has changed.
 */
int sp_backends_configure(struct sp_backends *backends, const struct sp_config *config);

/* The bit of a backend in the set of sp_backends_choose(). */
__u64 sp_backends_tried(size_t idx);

/**
 * sp_backends_choose() - the next backend for a connection
 * @is_v4:	family of the connection
 * @tried:	set of the backends that it has tried, 0 at first; the chosen one is added
 * @key:	with SP_BALANCE_HASH; NULL: none, and the backends have turns
 * Return: index in @pool; -ENOENT: no backend of that family has a weight; -EBUSY: backends that
 * could be chosen have all their `max_connections`.
 */
int sp_backends_choose(struct sp_backends *backends, const struct sp_pool_conf *pool, int is_v4,
		       const __u64 *key, __u64 *tried, __u64 now_ns);

/*
 * Return: the backend that sp_backends_choose() would choose for @key, if none was full; -ENOENT:
 * all are down.
 */
int sp_backends_holder(struct sp_backends *backends, const struct sp_pool_conf *pool, int is_v4,
		       __u64 key, __u64 now_ns);

/* Return: whether the backend has all its `max_connections`. */
int sp_backends_is_full(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx);

/* @is_open: whether the splice of @down_key is in the table, and not closed */
typedef int (*sp_backends_look_fn)(void *ctx, const struct sp_tuple *down_key, __u32 client_isn);
void sp_backends_on_look(struct sp_backends *backends, sp_backends_look_fn is_open, void *ctx);
/* Call at each tick: so many looks at splices are allowed until the next. */
#define SP_BACKENDS_LOOKS	2048
void sp_backends_tick(struct sp_backends *backends);

/* X(NAME, why a backend gets no new connection). The first: it may get one */
#define SP_BACKEND_OBSTACLES(X) \
	X(NONE, "it may be chosen") \
	X(FAMILY, "its address is of the other family") \
	X(WEIGHT, "its weight is 0: draining") \
	X(ORDER, "an order of splicectl backend") \
	X(CHECKS, "down by its checks") \
	X(FAILURES, "down by failed connections, until its next trial") \
	X(FULL, "it has all its max_connections") \
	X(BACKUP, "a backup, and others can be chosen")

enum sp_backend_obstacle {
#define X(up, why) SP_BACKEND_OBSTACLE_##up,
	SP_BACKEND_OBSTACLES(X)
#undef X
};

/* The view of sp_backends_choose() for a connection without a try so far. */
enum sp_backend_obstacle sp_backends_obstacle(struct sp_backends *backends,
					      const struct sp_pool_conf *pool, int idx, int is_v4,
					      __u64 now_ns);
const char *sp_backend_obstacle_text(enum sp_backend_obstacle obstacle);

/* Count a connection to a chosen backend (1) until its splice is made, or it is given up (-1). */
void sp_backends_opening(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
			 int change);
/* Count a splice that is put into the table (1), or removed (-1). */
void sp_backends_spliced(struct sp_backends *backends, const struct sp_tuple *down_key,
			 const struct sp_entry *down, int change);
/* A walk over the table meets a splice; it ends. @is_exact: the table has not changed meanwhile */
void sp_backends_walked(struct sp_backends *backends, const struct sp_tuple *down_key,
			const struct sp_entry *down);
void sp_backends_walk_ends(struct sp_backends *backends, int is_exact);

/* Report the result of a connection to a chosen backend. Changes between up and down are logged. */
void sp_backends_failed(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
			enum sp_backend_failure why, __u64 now_ns);
void sp_backends_connected(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx);

/**
 * sp_backends_learn() - note the options of a backend's SYN-ACK, until a reload
 * @asked, @had: SP_SERVICE_F_* of the SYN and of the SYN-ACK
 * Return: whether they have changed
 */
int sp_backends_learn(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
		      __u16 mss, __u8 asked, __u8 had);

/*
 * sp_backends_checked() - note the result of a check. A change between up and down is logged.
 * Return: whether it has changed
 */
int sp_backends_checked(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
			const struct sp_health_result *result, __u64 now_ns);

/* An operator's order. Return: whether it is another than before. */
int sp_backends_order(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
		      enum sp_backend_order order);
/* An operator's weight, plus 1; 0: as configured. Return: whether it is another than before. */
int sp_backends_reweigh(struct sp_backends *backends, const struct sp_pool_conf *pool, int idx,
			__u32 weight);

/* A walk begins that resets splices of backends which went down. Return: whether there are any. */
int sp_backends_mark(struct sp_backends *backends);
/* Whether the splice of this half from a backend is to be reset. */
int sp_backends_is_marked(const struct sp_backends *backends, const struct sp_tuple *down_key,
			  const struct sp_half *down);

/* For reports; borrowed. NULL: the backend is not in the configuration any more. */
const struct sp_backend *sp_backends_at(const struct sp_backends *backends,
					const struct sp_pool_conf *pool, int idx);

#endif
