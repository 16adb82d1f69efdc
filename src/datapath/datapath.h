/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datapath.h - loads, pins and fills the datapath; all calls of bpf(2) are behind this. */
#ifndef SP_DATAPATH_DATAPATH_H
#define SP_DATAPATH_DATAPATH_H

#include "abi/cookie.h"
#include "abi/event.h"
#include "abi/half.h"
#include "abi/patch.h"
#include "abi/stash.h"
#include "config/config.h"
#include "base/keys.h"

struct sp_datapath;

/**
 * sp_datapath_open() - load the programs over the maps pinned in config->state_dir, fill the maps, then attach
 * @config:	borrowed for the call
 * What is pinned already is taken over: spliced connections lose no packet.
 * Return: 0 or -errno, logged; -EBUSY when another daemon runs over the same maps.
 */
int sp_datapath_open(const struct sp_config *config, struct sp_datapath **ret_dp);
/* Leaves everything pinned and attached. */
void sp_datapath_close(struct sp_datapath *dp);

/* Services, SNAT addresses, limits and cookie keys of a new configuration. A bad key file changes nothing. */
int sp_datapath_apply(struct sp_datapath *dp, const struct sp_config *config);
/* Whether interfaces can change while the daemon runs: not where the kernel has no tcx. */
int sp_datapath_can_attach(const struct sp_datapath *dp);
/* Let the interfaces of a new configuration through it, and others only as long as something spliced may need them. */
int sp_datapath_attach(struct sp_datapath *dp, const struct sp_config *config);
/* See sp_attach_let_go(). */
void sp_datapath_let_go(struct sp_datapath *dp, __s64 oldest_s, __s64 walk_s);
/* Return: whether they are others than before. */
int sp_datapath_set_keys(struct sp_datapath *dp, const struct sp_keys *keys);

/* IPsec policies. Return: a descriptor to be polled for changes; -1: this kernel has none. */
int sp_datapath_policies_fd(const struct sp_datapath *dp);
/* They may have changed. */
void sp_datapath_policies_changed(struct sp_datapath *dp, __u64 now_ns);
/* Now and then: has the datapath dropped anything for them? */
void sp_datapath_policies_tick(struct sp_datapath *dp, __u64 now_ns);
/* Whether what leaves with this tuple would have to be encrypted, or must not leave. */
int sp_datapath_is_forbidden(const struct sp_datapath *dp, const struct sp_tuple *out);
/* See sp_attach_check(). */
const char *sp_datapath_check_attached(struct sp_datapath *dp, const struct sp_config *config, __u64 now_ns);
/* Of an agent: whether the kernel takes over handshakes, by bpf_sk_assign_tcp_reqsk() (Linux 6.9). */
int sp_datapath_can_adopt(const struct sp_datapath *dp);
/* Whether it says that it has that function. It may still refuse the program. */
int sp_datapath_kernel_adopts(void);
/* Only if it can adopt. Return: bit i: SP_LISTENER_PLAIN at @at[i]; of SP_LISTENERS_MAX at most. */
__u64 sp_datapath_listeners(struct sp_datapath *dp, const struct sp_endpoint *at, unsigned int count);

/* What is offered where a service is, defaults resolved; borrowed until the next sp_datapath_apply(). Or NULL. */
const struct sp_service *sp_datapath_service(const struct sp_datapath *dp, const struct sp_tuple *front);

/* Now and then: the MTU of an interface may have changed, and what is offered with it. */
void sp_datapath_follow_mtu(struct sp_datapath *dp, const struct sp_config *config);

/**
 * sp_datapath_offer_less() - from now on clients are offered what backends turned out to do
 * @mss:	no more than this; @lacks: SP_SERVICE_F_* that are left out
 * Return: whether that is another offer than before. The next sp_datapath_apply() makes it whole again.
 */
int sp_datapath_offer_less(struct sp_datapath *dp, const struct sp_endpoint *listen, __u16 mss, __u8 lacks);

/* The smallest of the configured interfaces'; 1500 where none says anything sensible. */
__u16 sp_datapath_mtu(const struct sp_config *config);

struct sp_segment;
/*
 * The datapath's question, of a segment that came another way, has waited, or is the first one of a client that has
 * been silent for long: so for SP_COOKIE_LATE_PERIODS.
 */
enum sp_cookie sp_datapath_cookie(const struct sp_datapath *dp, const struct sp_segment *seg);

void sp_datapath_heartbeat(struct sp_datapath *dp);
__u64 sp_datapath_heartbeat_age_ns(const struct sp_datapath *dp);

typedef void (*sp_event_fn)(void *ctx, const struct sp_event *ev);
int sp_datapath_subscribe(struct sp_datapath *dp, sp_event_fn fn, void *ctx, int *ret_fd);
/* Return: events handled, SP_EVENTS_AT_ONCE at most: then there may be more; let the loop turn before. */
#define SP_EVENTS_AT_ONCE 256
int sp_datapath_consume(struct sp_datapath *dp);

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry);
/**
 * sp_datapath_put() - insert a half, or replace it
 * @start:	its @bytes, @last_ack and @next_seq where they are known; NULL: all zero
 * @tag:	NULL: of no splice
 * Return: 0; -E2BIG: as many splices as allowed, or no room.
 */
int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *tag);
int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key);
/* Write into a splice while packets use it. Return: 0; -ENOENT: another one is there, or none. */
int sp_datapath_patch(struct sp_datapath *dp, const struct sp_patch *note);
/* Map sp_queries of an agent: the packets of this tuple pass until then. */
int sp_datapath_pass(struct sp_datapath *dp, const struct sp_tuple *key, __u64 until_ns);
/**
 * sp_datapath_walk() - the next entries of the table
 * @cursor:	written by each call, for the next one; at the start of a walk what is in it counts for nothing
 * @is_first:	a walk begins
 * @max:	of @keys and @entries: as many as share a bucket must fit
 * Return: entries filled, of the last call too; *@ret_end when the walk is over; -errno. An entry that stays is met
 * once; one that comes or goes meanwhile perhaps.
 */
int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *keys,
		     struct sp_entry *entries, int max, int *ret_end);

/**
 * struct sp_count - splices in the table, by their halves from backends
 * @splices:	kept exact by put, del and introductions; SYNs are refused while it is at
 * @max:	limits.splices, as of the last sp_datapath_apply()
 * @changes:	how often @splices has changed
 * @introduced:	splices that introductions had made when it was last read
 */
struct sp_count {
	unsigned int	splices;
	unsigned int	max;
	__u64		changes;
	__u32		introduced;
};
const struct sp_count *sp_datapath_count(struct sp_datapath *dp);
/* What a walk has found, in which nothing changed. */
void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices);

/* Map sp_stash, which no program reads. Return: 0; -E2BIG when it is full; -ENOENT. */
int sp_datapath_stash_put(struct sp_datapath *dp, const struct sp_stash_key *key, const struct sp_stash_chunk *chunk);
int sp_datapath_stash_get(struct sp_datapath *dp, const struct sp_stash_key *key, struct sp_stash_chunk *ret_chunk);
int sp_datapath_stash_del(struct sp_datapath *dp, const struct sp_stash_key *key);
/* All tuples that have a first chunk. Return: how many; *@ret_fronts is for the caller to free(). */
__u32 sp_datapath_stash_fronts(struct sp_datapath *dp, struct sp_tuple **ret_fronts);

__u64 sp_datapath_drop_count(struct sp_datapath *dp, __u32 reason);
__u64 sp_datapath_stat(struct sp_datapath *dp, __u32 stat);

#endif
