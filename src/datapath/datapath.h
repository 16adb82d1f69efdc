/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath.h - the datapath: loaded, pinned and filled. All calls of bpf(2) are behind this header.
 *
 * Context: event loop. Times are CLOCK_BOOTTIME in ns; tuples, ports and keys are in network byte
 * order, as in the maps.
 */
#ifndef SP_DATAPATH_DATAPATH_H
#define SP_DATAPATH_DATAPATH_H

#include "abi/access.h"
#include "abi/cookie.h"
#include "abi/event.h"
#include "abi/half.h"
#include "abi/patch.h"
#include "abi/named.h"
#include "abi/order.h"
#include "abi/stash.h"
#include "config/config.h"
#include "base/keys.h"

struct sp_datapath;

/**
 * sp_datapath_open() - load the programs over the maps pinned in config->state_dir, fill the maps,
 * then attach
 * @config:	borrowed for the call
 * Pinned maps are used again, so spliced connections lose no packet.
 * Return: 0 or -errno, logged; -EBUSY if another daemon uses state_dir.
 */
int sp_datapath_open(const struct sp_config *config, struct sp_datapath **ret_dp);
/* The datapath stays pinned and attached. */
void sp_datapath_close(struct sp_datapath *dp);

/*
 * Write services, SNAT addresses and limits of a new configuration into the maps. Return: 0 or
 * -errno.
 */
int sp_datapath_apply(struct sp_datapath *dp, const struct sp_config *config);
/* The part of it that depends on backends. */
int sp_datapath_apply_origins(struct sp_datapath *dp, const struct sp_config *config);
/* Return: whether interfaces can change while the daemon runs, which needs tcx. */
int sp_datapath_can_attach(const struct sp_datapath *dp);
/*
 * Attach to the interfaces of a new configuration; stay at old interfaces only as long as splices
 * may need them.
 */
int sp_datapath_attach(struct sp_datapath *dp, const struct sp_config *config);
/* See sp_attach_let_go(). */
void sp_datapath_let_go(struct sp_datapath *dp, __s64 oldest_s, __s64 walk_s);
/* Cookies and seals: use @keys from now on. Return: whether they are new. */
int sp_datapath_set_keys(struct sp_datapath *dp, const struct sp_keys *keys);

/* Return: the descriptor to poll for changes of IPsec policies; -1: the kernel has no IPsec. */
int sp_datapath_policies_fd(const struct sp_datapath *dp);
/* Read the changes. */
void sp_datapath_policies_changed(struct sp_datapath *dp, __u64 now_ns);
/* Warn if the datapath has dropped packets because of policies. */
void sp_datapath_policies_tick(struct sp_datapath *dp, __u64 now_ns);
/* Return: whether a policy forbids packets of @out, or forbids them in clear. */
int sp_datapath_is_forbidden(const struct sp_datapath *dp, const struct sp_tuple *out);
/* See sp_attach_check(). */
const char *sp_datapath_check_attached(struct sp_datapath *dp, const struct sp_config *config,
				       __u64 now_ns);
/* Return: whether an agent's program adopts, by bpf_sk_assign_tcp_reqsk() (Linux 6.9). */
int sp_datapath_can_adopt(const struct sp_datapath *dp);
/* Return: whether the kernel has that function. It may still refuse the program. */
int sp_datapath_kernel_adopts(void);
/*
 * @count: SP_LISTENERS_MAX at most. Return: bit i is set if @at[i] has an SP_LISTENER_PLAIN; 0
 *		without adopt.
 */
__u64 sp_datapath_listeners(struct sp_datapath *dp, const struct sp_endpoint *at,
			    unsigned int count);

/*
 * The service at @front's destination, defaults resolved; borrowed until sp_datapath_apply(). NULL:
 * none.
 */
const struct sp_service *sp_datapath_service(const struct sp_datapath *dp,
					     const struct sp_tuple *front);

/* Follow a changed MTU of an interface with the offers. Call now and then. */
void sp_datapath_follow_mtu(struct sp_datapath *dp, const struct sp_config *config);

/**
 * sp_datapath_offer_less() - limit offers to the abilities of backends
 * @mss:	upper bound; @lacks: SP_SERVICE_F_* to leave out
 * Return: whether the offer has changed. The next sp_datapath_apply() restores the configured
 * offer.
 */
int sp_datapath_offer_less(struct sp_datapath *dp, const struct sp_endpoint *listen, __u16 mss,
			   __u8 lacks);

/* Return: the smallest MTU of the configured interfaces in bytes; 1500 if none is sensible. */
__u16 sp_datapath_mtu(const struct sp_config *config);

struct sp_segment;
/*
 * Verify a cookie as the datapath does, but for SP_COOKIE_LATE_PERIODS: the segment came through
 * another proxy, has waited, or is the first after a long silence of its client.
 */
enum sp_cookie sp_datapath_cookie(const struct sp_datapath *dp, const struct sp_segment *seg);

void sp_datapath_heartbeat(struct sp_datapath *dp);
__u64 sp_datapath_heartbeat_age_ns(const struct sp_datapath *dp);
/*
 * Events of kind TRACE for SP_TRACE_AHEAD_S, or none from now on. Call at each heartbeat, so that a
 * trace ends with the daemon.
 */
void sp_datapath_trace(struct sp_datapath *dp, int is_on);

typedef void (*sp_event_fn)(void *ctx, const struct sp_event *ev);
int sp_datapath_subscribe(struct sp_datapath *dp, sp_event_fn fn, void *ctx, int *ret_fd);
/*
 * Return: number of events handled. SP_EVENTS_AT_ONCE: there may be more, let the loop turn first.
 */
#define SP_EVENTS_AT_ONCE 256
int sp_datapath_consume(struct sp_datapath *dp);

/*
 * Records for the access log; sp_datapath_access_consume() reads what is there, and costs no system
 * call. Return: 0 or -errno.
 */
typedef void (*sp_access_fn)(void *ctx, const struct sp_access_event *ev);
int sp_datapath_access_subscribe(struct sp_datapath *dp, sp_access_fn fn, void *ctx);
void sp_datapath_access_consume(struct sp_datapath *dp);
/* Records that the ring had no room for, since the datapath was loaded. */
__u64 sp_datapath_access_lost(struct sp_datapath *dp);

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry);
/**
 * sp_datapath_put() - insert a half, or replace it
 * @start:	@bytes, @last_ack and @next_seq, as far as they are known; NULL: all zero
 * @meta:	NULL for a trap
 * Return: 0; -E2BIG: the limit of splices is reached, or the map is full.
 */
int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *meta);
/* The same. @ret_old: what was replaced, or zeros */
int sp_datapath_replace(struct sp_datapath *dp, const struct sp_tuple *key,
			const struct sp_half *half, const struct sp_half_state *start,
			const struct sp_meta *meta, struct sp_entry *ret_old);
/* Remove a half, and return its last state. */
int sp_datapath_take(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_old);
int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key);
/*
 * Write into a splice while packets use it. Return: 0; -ENOENT: the table has no such splice;
 * -EAGAIN: a boundary is not where the daemon saw it.
 */
int sp_datapath_patch(struct sp_datapath *dp, const struct sp_patch *patch);
/*
 * @bytes: a whole request of a service at the destination of @front, whose head leads to @pool_id
 * under the configuration of the last sp_datapath_apply(). The datapath carries the same bytes
 * without the daemon, if they may go to a backend of that pool by the half that is there.
 * Return: the key of the decision; 0: none was made.
 */
__u64 sp_datapath_decide(struct sp_datapath *dp, const struct sp_tuple *front, const void *bytes,
			__u32 n, __u16 pool_id, __u8 reading);
void sp_datapath_undecide(struct sp_datapath *dp, __u64 key);
/* Map sp_queries of an agent: packets of @key pass until @until_ns. */
int sp_datapath_pass(struct sp_datapath *dp, const struct sp_tuple *key, __u64 until_ns);
/**
 * sp_datapath_walk() - the next entries of the table
 * @cursor:	written by each call, for the next call; the value at the start of a walk is ignored
 * @is_first:	a walk begins
 * @max:	of @keys and @entries: as many as share a bucket must fit
 * Return: entries filled, of the last call too; *@ret_end when the walk is over; -errno. An entry
 * that stays is met once; an entry that comes or goes meanwhile, perhaps.
 */
int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *keys,
		     struct sp_entry *entries, int max, int *ret_end);

/**
 * struct sp_count - splices in the table, by their halves from backends
 * @splices:	exact: put, del and introductions count; SYNs are refused while it has reached @max
 * @max:	limits.splices of the last sp_datapath_apply()
 * @changes:	number of changes of @splices
 * @introduced:	splices that introductions had made when it was last read
 * @watch:	NULL, or called for each splice that is put (@change: 1) or removed (-1), with the
 *		half from the backend
 */
struct sp_count {
	unsigned int	splices;
	unsigned int	max;
	__u64		changes;
	__u32		introduced;
	void		(*watch)(void *ctx, const struct sp_tuple *key, const struct sp_entry *e,
				 int change);
	void		*watch_ctx;
};
const struct sp_count *sp_datapath_count(struct sp_datapath *dp);
void sp_datapath_watch(struct sp_datapath *dp, void (*watch)(void *ctx, const struct sp_tuple *key,
							    const struct sp_entry *e, int change),
		       void *ctx);
/* At start: an entry that was there before, for @watch. */
void sp_datapath_found(struct sp_datapath *dp, const struct sp_tuple *key,
		       const struct sp_entry *e);
/* Correct the count, after a walk during which @changes was constant. */
void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices);

/*
 * Map sp_named, which no program reads: an entry goes with the half of the same key. Return: 0;
 * -E2BIG: full; -ENOENT: none of this connection.
 */
int sp_datapath_name(struct sp_datapath *dp, const struct sp_tuple *front,
		     const struct sp_named *named);
int sp_datapath_named(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		      struct sp_named *ret_named);

/* Map sp_ordered. @order: NULL: remove. Return: 0; -E2BIG: full. */
int sp_datapath_order_put(struct sp_datapath *dp, const struct sp_order_key *key,
			  const struct sp_order *order);
/* The entry behind @after, NULL: the first. Return: 0; -ENOENT: no more. */
int sp_datapath_order_next(struct sp_datapath *dp, const struct sp_order_key *after,
			   struct sp_order_entry *ret_entry);

/* Map sp_stash, which no program reads. Return: 0; -E2BIG: full; -ENOENT. */
int sp_datapath_stash_put(struct sp_datapath *dp, const struct sp_stash_key *key,
			  const struct sp_stash_chunk *chunk);
int sp_datapath_stash_get(struct sp_datapath *dp, const struct sp_stash_key *key,
			  struct sp_stash_chunk *ret_chunk);
int sp_datapath_stash_del(struct sp_datapath *dp, const struct sp_stash_key *key);
/* All tuples with a first chunk. Return: their number; the caller frees *@ret_fronts. */
__u32 sp_datapath_stash_fronts(struct sp_datapath *dp, struct sp_tuple **ret_fronts);

/* A client's connection that its service may have counted is over. */
void sp_datapath_leave(struct sp_datapath *dp, const struct sp_tuple *front);
/* Connections of a service that counts them: admitted and not closed. */
unsigned int sp_datapath_service_connections(struct sp_datapath *dp, const char *service);
/*
 * Look at some of the connections that were admitted: those without a splice, for which @is_pending
 * says no, do not count any more. Call each tick.
 */
typedef int (*sp_pending_fn)(void *ctx, const struct sp_tuple *front);
void sp_datapath_check_admitted(struct sp_datapath *dp, sp_pending_fn is_pending, void *ctx);

__u64 sp_datapath_drop_count(struct sp_datapath *dp, __u32 reason);
__u64 sp_datapath_stat(struct sp_datapath *dp, __u32 stat);

#endif
