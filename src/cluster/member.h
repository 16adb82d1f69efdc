/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * member.h - the table of members (proxies and agents): which live, which proxy is a connection's
 * home. No I/O, no clock: times are passed in, monotonic if not said otherwise.
 */
#ifndef SP_CLUSTER_MEMBER_H
#define SP_CLUSTER_MEMBER_H

#include "config/config.h"

#define SP_MEMBERS_MAX		128
#define SP_AGENTS_MAX		96	/* of SP_MEMBERS_MAX: the rest is for proxies */
#define SP_MEMBER_OWNED_MAX	64

#define SP_HELLO_MS		100
#define SP_HELLO_SILENT_NS	400000000ULL
/* introductions would soon be refused as too old or too young */
#define SP_CLOCK_OFF_MS		4000
/* for the first HELLO of a daemon: an older HELLO is a replay, or a clock is wrong */
#define SP_HELLO_FRESH_MS	10000

#define SP_MEMBER_STATES(X) X(SYNCING, syncing) X(READY, ready) X(DRAINING, draining) X(AGENT, agent)

enum sp_member_state {
#define X(up, low) SP_MEMBER_##up,
	SP_MEMBER_STATES(X)
#undef X
	SP_MEMBER_STATE_COUNT
};

/* Abilities of an agent, see enum sp_mode. */
enum {
	SP_CAN_SPLIT	= 1 << 0,
	SP_CAN_ADOPT	= 1 << 1,
	SP_CAN_ECN	= 1 << 2,	/* with ADOPT: adopted connections may use ECN */
	/* with ADOPT: its host drops segments that some listeners should adopt */
	SP_CAN_NOT_ALL	= 1 << 3,
};
#define SP_CAN_ALL (SP_CAN_SPLIT | SP_CAN_ADOPT | SP_CAN_ECN | SP_CAN_NOT_ALL)

const char *sp_member_state_name(enum sp_member_state state);

/**
 * struct sp_member - a proxy of the cluster, or an agent. An agent is never a home or a successor
 * @id:		sp_member_id() of the name
 * @relay:	its UDP endpoint, for both directions
 * @started_ns:	CLOCK_REALTIME at the start of its daemon
 * @can:	an agent's SP_CAN_*
 * @mtu:	of an agent's host; 0: not known
 * @adopts:	of an agent: bit i is set if it can adopt connections for the listener at @owned[i]
 *		now
 * @owned:	a proxy's source addresses, with port 0 for all; the endpoints of an agent's
 *		servers. Those beyond SP_MEMBER_OWNED_MAX are not sent
 * @splices:	number that it carries; @live: those not closed; @survivable: those of @live that
 *		other proxies could go on with
 * @heard_ns:	arrival of its last HELLO; 0: never
 * @seq:	of the last HELLO of this daemon
 * @ahead_ms:	its clock minus ours at its last HELLO, refused or not
 */
struct sp_member {
	char			name[SP_NAME_MAX + 1];
	__u64			id;
	struct sp_endpoint	relay;
	__u64			started_ns;
	enum sp_member_state	state;
	__u8			can;
	__u16			mtu;
	unsigned int		owned_count;
	struct sp_endpoint	owned[SP_MEMBER_OWNED_MAX];
	__u32			splices, live, survivable;
	__u64			heard_ns;
	__u64			seq;
	__s64			ahead_ms;
	__u8			is_alive;
	__u64			adopts;
};
_Static_assert(SP_MEMBER_OWNED_MAX <= 64, "@adopts has a bit for each");

struct sp_members {
	struct sp_member	self;
	unsigned int		count;
	struct sp_member	others[SP_MEMBERS_MAX];
};

__u64 sp_member_id(const char *name);
void sp_members_init(struct sp_members *ms, const struct sp_member *self);
struct sp_member *sp_members_by_id(struct sp_members *ms, __u64 id);
/* The proxy that owns @addr, dead or alive. Never an agent: clients may share server addresses. */
struct sp_member *sp_members_by_addr(struct sp_members *ms, const struct sp_addr *addr);
/* Return: whether @m is an agent with a server at @at. */
int sp_member_serves(const struct sp_member *m, const struct sp_endpoint *at);
/* The living agent with a server at @at; NULL: none. */
struct sp_member *sp_members_agent_at(struct sp_members *ms, const struct sp_endpoint *at);

/* The result of a record or a HELLO. */
enum sp_member_verdict {
	SP_MEMBER_SAME,
	SP_MEMBER_NEWS,		/* alive now, or state, abilities or endpoints have changed */
	SP_MEMBER_UNKNOWN,	/* a HELLO without a record */
	SP_MEMBER_REPLAYED,	/* older than the last HELLO or record */
	SP_MEMBER_SKEWED,	/* the first HELLO of a daemon, not fresh by our clock */
	SP_MEMBER_NAME_TAKEN,	/* another living member has the name */
	SP_MEMBER_FULL,
};

/* @said: name, relay, started_ns, state, can and owned of a record */
enum sp_member_verdict sp_members_record(struct sp_members *ms, const struct sp_member *said,
					 __u64 now_ns);
/*
 * @said: id, started_ns, seq, state, can, mtu, adopts, splices, live, survivable of a HELLO;
 * relay: its source endpoint
 */
enum sp_member_verdict sp_members_hello(struct sp_members *ms, const struct sp_member *said,
					__u64 now_ns);
/*
 * Return: a member that was silent for too long and is dead from now on; NULL: no more. Call
 * again until NULL.
 * @is_late: this daemon was suspended, so silence says nothing.
 */
struct sp_member *sp_members_tick(struct sp_members *ms, __u64 now_ns, int is_late);

/*
 * The ready proxy (if none is ready, the living one) with the highest hash of key and name. NULL:
 * @ms->self
 */
struct sp_member *sp_members_choose(struct sp_members *ms, const void *key, size_t len);

#endif
