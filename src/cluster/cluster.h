/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cluster.h - the other proxies: who is there, who lives, whose is a connection, and what proxies
 * tell one another.
 */
#ifndef SP_CLUSTER_CLUSTER_H
#define SP_CLUSTER_CLUSTER_H

#include "abi/event.h"
#include "abi/half.h"
#include "config/config.h"
#include "base/keys.h"
#include "cluster/member.h"
#include "tcp/segment.h"

/*
 * Where the store is local there is no cluster: every function takes NULL for
 * "nobody else is there". All is called from the event loop, nothing blocks,
 * and what is sent may be lost, like the packets that it stands for.
 */
struct sp_cluster;
struct sp_store;
typedef struct uv_loop_s uv_loop_t;

/**
 * struct sp_cluster_events - what others tell, and what becomes of them
 * @segment:	a segment that belongs here (or might), as if the datapath had sent it up; borrowed
 * @fin:	of the packets of @tuple, another proxy has seen a FIN and does not know whether it fits (may be NULL)
 * @ends:	others have seen ends of a splice: SP_STATE_* as of its half client -> service (may be NULL)
 * @died:	a member is silent. Its heir (sp_cluster_is_successor()) goes on with what it has left (may be NULL)
 * @homes:	some connections have another home than before
 * @splices:	how many this proxy carries
 */
struct sp_cluster_events {
	void (*segment)(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg);
	void (*ends)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state);
	void (*fin)(void *ctx, const struct sp_tuple *tuple, __u32 client_isn, const struct sp_fin *fin);
	void (*died)(void *ctx, const char *name);
	void (*homes)(void *ctx);
	__u32 (*splices)(void *ctx);
};

/* What was refused is in the counters, by name; so is what the socket did not take. */
#define SP_CLUSTER_COUNTERS(X) \
	X(hellos_sent) X(hellos_heard) X(segments_sent) X(segments_heard) X(ends_sent) X(ends_heard) \
	X(fins_sent) X(fins_heard) \
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
 * sp_cluster_open() - open the relay's socket, and look for others
 * @config:	borrowed for the call
 * @store:	through which proxies find one another; borrowed
 * Before privileges are dropped. Return: 0 or -errno, logged; *@ret_cluster is NULL where the store is
 * local, and the configuration names no members.
 */
int sp_cluster_open(uv_loop_t *loop, const struct sp_config *config, struct sp_store *store,
		    struct sp_cluster **ret_cluster);
/* The loop must run once more. */
void sp_cluster_close(struct sp_cluster *c);
/* As the store's rekey; NULL: nothing. */
void sp_cluster_rekey(struct sp_cluster *c, const struct sp_keys *keys);
void sp_cluster_subscribe(struct sp_cluster *c, const struct sp_cluster_events *events, void *ctx);
/* Send what is queued: once per turn of the loop. */
void sp_cluster_flush(struct sp_cluster *c);
/* What a server of the store says: a member's sealed record. */
void sp_cluster_heard(struct sp_cluster *c, const void *record, size_t len);

/* Of this proxy, for others to know. SYNCING until it is set. */
void sp_cluster_set_state(struct sp_cluster *c, enum sp_member_state state);
/* Of an agent: SP_CAN_*, for proxies to know. */
void sp_cluster_set_can(struct sp_cluster *c, __u8 can, __u64 adopts, __u16 mtu);
/* The sources of a proxy, or what an agent serves, have changed. */
void sp_cluster_configure(struct sp_cluster *c, const struct sp_config *config);
enum sp_member_state sp_cluster_state(const struct sp_cluster *c);
/* The @idx-th member, 0 is this proxy. Return: 0; -ENOENT: no more. */
int sp_cluster_member(const struct sp_cluster *c, unsigned int idx, struct sp_member *ret_member);
/* NULL: there is no cluster. Borrowed. */
const struct sp_member *sp_cluster_self(const struct sp_cluster *c);
const struct sp_cluster_counters *sp_cluster_counters(const struct sp_cluster *c);

/* The living agent of the server that listens there; NULL: none. */
const struct sp_member *sp_cluster_agent_at(const struct sp_cluster *c, const struct sp_endpoint *at);

/* Is this the proxy where what comes in pieces is put together? One of those that live is; NULL: yes. */
int sp_cluster_is_home(const struct sp_cluster *c, const struct sp_tuple *front);
/* Of those that live, is it this one that goes on with what @name has left? NULL: yes. */
int sp_cluster_is_successor(const struct sp_cluster *c, const char *name);

/* A segment for the home of its tuple; for the living owner of its destination address; for all others. */
void sp_cluster_tell_home(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg);
/* Return: 0; -ENOENT: nobody is known to have it, or he is dead. */
int sp_cluster_tell_owner(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg);
void sp_cluster_tell_all(struct sp_cluster *c, enum sp_event_kind kind, const struct sp_segment *seg);

struct sp_splice;
/*
 * A splice that was committed lately, for the agent of its backend, where that carries a half of it; else nothing.
 * Whose it is doesn't matter: its own proxy may be dead before it could say so. Nor need the agent live, as its
 * datapath does. It goes out at the next sp_cluster_flush(), so that must come before its first bytes do.
 */
void sp_cluster_introduce(struct sp_cluster *c, const struct sp_splice *splice, __u32 refreshed_s);

/* To all others: @state is SP_STATE_* of the half under @front. */
/* A FIN of @tuple, which a half of that splice matches: perhaps others know whether it fits. */
void sp_cluster_tell_fin(struct sp_cluster *c, const struct sp_tuple *tuple, __u32 client_isn,
			 const struct sp_fin *fin);
void sp_cluster_tell_ends(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn, __u8 state);

#endif
