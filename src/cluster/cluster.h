/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cluster.h - other members of the cluster (proxies and agents): liveness, the home of a
 * connection, and messages between members
 */
#ifndef SP_CLUSTER_CLUSTER_H
#define SP_CLUSTER_CLUSTER_H

#include "abi/event.h"
#include "abi/half.h"
#include "abi/order.h"
#include "config/config.h"
#include "base/keys.h"
#include "cluster/member.h"
#include "cluster/progress.h"
#include "tcp/segment.h"

/*
 * Each function takes NULL: a proxy with a local store has no cluster. Context: event loop; no call
 * blocks. Messages may be lost, like the packets in them.
 */
struct sp_cluster;
struct sp_store;
typedef struct uv_loop_s uv_loop_t;

/**
 * struct sp_cluster_events - messages from other members, and changes among members
 * @segment:	a segment for this proxy, as if the datapath had sent it up; borrowed
 * @fin:	another proxy has seen a FIN of @tuple, and can't tell whether it fits; may be NULL
 * @ends:	another member has seen ends of a splice: SP_STATE_* of the half client -> service;
 *		may be NULL
 * @moved:	another proxy has committed a later splice of a connection; @version: its lowest
 *		bits. May be NULL
 * @progress:	of a response at the proxy with the id @from, or its query; may be NULL
 * @died:	a member is silent. The successor (sp_cluster_is_successor()) continues the member's
 *		connections; may be NULL
 * @homes:	some connections have a new home
 * @splices:	return the number of splices carried by this node; @ret_live: those not
 *		closed, @ret_survivable: those of @ret_live that other proxies could go on with
 */
struct sp_cluster_events {
	void (*segment)(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg);
	void (*ends)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state);
	void (*moved)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 version);
	void (*fin)(void *ctx, const struct sp_tuple *tuple, __u32 client_isn,
		    const struct sp_fin *fin);
	void (*progress)(void *ctx, __u64 from, const struct sp_progress *said);
	void (*died)(void *ctx, const char *name);
	void (*homes)(void *ctx);
	__u32 (*splices)(void *ctx, __u32 *ret_live, __u32 *ret_survivable);
};

/*
 * Refused messages are counted by reason; datagrams that the socket did not take, as
 * relay_not_sent.
 */
#define SP_CLUSTER_COUNTERS(X) \
	X(hellos_sent) X(hellos_heard) X(segments_sent) X(segments_heard) X(ends_sent) X(ends_heard) \
	X(fins_sent) X(fins_heard) X(orders_sent) X(orders_heard) X(progress_sent) X(progress_heard) \
	X(introductions_sent) X(introductions_astray) \
	X(members_died) X(relay_not_sent) \
	X(relay_refused_length) X(relay_refused_magic) X(relay_refused_version) X(relay_refused_foreign) \
	X(relay_refused_forged) X(relay_refused_unknown) X(relay_refused_replayed) X(relay_refused_old) \
	X(relay_refused_skewed) \
	X(relay_refused_malformed) \
	X(member_refused_record) X(member_refused_name) X(member_refused_full) X(member_refused_role)

struct sp_cluster_counters {
#define X(name) __u64 name;
	SP_CLUSTER_COUNTERS(X)
#undef X
};

/**
 * sp_cluster_open() - open the socket of `relay`, and announce this member
 * @config:	borrowed for the call
 * @store:	has the records of members; borrowed
 * Context: before privileges are dropped. Return: 0 or -errno, logged; *@ret_cluster is NULL if the
 * store is local and the configuration names no members.
 */
int sp_cluster_open(uv_loop_t *loop, const struct sp_config *config, struct sp_store *store,
		    struct sp_cluster **ret_cluster);
/* The memory is freed by the next turn of the loop. */
void sp_cluster_close(struct sp_cluster *c);
/* Use @keys from now on; the record and the HELLO are sent again. */
void sp_cluster_rekey(struct sp_cluster *c, const struct sp_keys *keys);
void sp_cluster_subscribe(struct sp_cluster *c, const struct sp_cluster_events *events, void *ctx);
/* Send the queued datagrams: once per turn of the loop. */
void sp_cluster_flush(struct sp_cluster *c);
/* A member's sealed record, from a server of the store. */
void sp_cluster_heard(struct sp_cluster *c, const void *record, size_t len);

/* The state shown to other members; SYNCING at first. */
void sp_cluster_set_state(struct sp_cluster *c, enum sp_member_state state);
/* An agent's SP_CAN_*, @adopts and @mtu (struct sp_member), for proxies. */
void sp_cluster_set_can(struct sp_cluster *c, __u8 can, __u64 adopts, __u16 mtu);
/* The sources of a proxy, or the servers of an agent, have changed. */
void sp_cluster_configure(struct sp_cluster *c, const struct sp_config *config);
enum sp_member_state sp_cluster_state(const struct sp_cluster *c);
/* The @idx-th member; 0 is this node. Return: 0; -ENOENT: no more. */
int sp_cluster_member(const struct sp_cluster *c, unsigned int idx, struct sp_member *ret_member);
/* Borrowed; NULL: no cluster. */
const struct sp_member *sp_cluster_self(const struct sp_cluster *c);
const struct sp_cluster_counters *sp_cluster_counters(const struct sp_cluster *c);

/* The living agent whose server listens at @at; borrowed; NULL: none. */
const struct sp_member *sp_cluster_agent_at(const struct sp_cluster *c,
					    const struct sp_endpoint *at);

/*
 * Return: whether this proxy reassembles the head of @front. One living proxy does. @c NULL: yes.
 */
int sp_cluster_is_home(const struct sp_cluster *c, const struct sp_tuple *front);
/* Return: whether this proxy continues the connections of the dead @name. @c NULL: yes. */
int sp_cluster_is_successor(const struct sp_cluster *c, const char *name);

/*
 * A segment to the home of the tuple; to the living owner of the destination address; to all
 * proxies.
 */
void sp_cluster_tell_home(struct sp_cluster *c, enum sp_event_kind kind,
			  const struct sp_segment *seg);
/* Return: 0; -ENOENT: the owner is dead or not known. */
int sp_cluster_tell_owner(struct sp_cluster *c, enum sp_event_kind kind,
			  const struct sp_segment *seg);
void sp_cluster_tell_all(struct sp_cluster *c, enum sp_event_kind kind,
			 const struct sp_segment *seg);
/* To the home of @front, of which @seg may be a backend's segment. */
void sp_cluster_tell_home_of(struct sp_cluster *c, const struct sp_tuple *front,
			     enum sp_event_kind kind, const struct sp_segment *seg);
/* Return: whether another living proxy has @addr among its sources. */
int sp_cluster_has_owner(const struct sp_cluster *c, const struct sp_addr *addr);
/* To the living owner of @addr. Return: 0; -ENOENT: dead, or not known. */
int sp_cluster_tell_owner_of(struct sp_cluster *c, const struct sp_addr *addr,
			     enum sp_event_kind kind, const struct sp_segment *seg);

struct sp_splice;
/*
 * Introduce a newly committed splice to the agent of the backend, if the agent carries a half. Any
 * proxy may do so, because the proxy that made the splice may have died before. An agent that seems
 * dead gets the introduction as well: its datapath lives. Call sp_cluster_flush() before the
 * splice's first bytes are sent.
 */
void sp_cluster_introduce(struct sp_cluster *c, const struct sp_splice *splice, __u32 refreshed_s);

/* A FIN of @tuple, the key of a half: another proxy may know whether the FIN fits. */
void sp_cluster_tell_fin(struct sp_cluster *c, const struct sp_tuple *tuple, __u32 client_isn,
			 const struct sp_fin *fin);
/* @to: the proxy with the id; 0: all. */
void sp_cluster_tell_progress(struct sp_cluster *c, __u64 to, const struct sp_progress *said);
#define SP_CLUSTER_ORDERS_MAX 24	/* told at once */

/*
 * Orders of operators that the proxy @from told, or none, and the digest of all that it has.
 */
typedef void (*sp_orders_fn)(void *ctx, __u64 from, __u64 digest,
			     const struct sp_order_entry *entries, unsigned int count);
void sp_cluster_subscribe_orders(struct sp_cluster *c, sp_orders_fn fn, void *ctx);
/* The digest of the orders here, which the other proxies are told twice a second. */
void sp_cluster_set_orders(struct sp_cluster *c, __u64 digest);
/*
 * @to: the proxy with the id; 0: all. @count: SP_CLUSTER_ORDERS_MAX at most. Return: number of
 * proxies.
 */
unsigned int sp_cluster_tell_orders(struct sp_cluster *c, __u64 to,
				    const struct sp_order_entry *entries, unsigned int count);

/* Ends, to all members that may carry the splice; @state: SP_STATE_* of the half under @front. */
void sp_cluster_tell_ends(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn,
			  __u8 state);
/* A connection has a later splice. */
void sp_cluster_tell_moved(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn,
			   __u32 version);

#endif
