/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* member.h - the table of proxies: who lives, and who of them a connection belongs to. No I/O, no clock. */
#ifndef SP_CLUSTER_MEMBER_H
#define SP_CLUSTER_MEMBER_H

#include "config/config.h"

#define SP_MEMBERS_MAX		128
#define SP_AGENTS_MAX		96	/* of them: so there is always room for proxies */
#define SP_MEMBER_OWNED_MAX	64

#define SP_HELLO_MS		100
#define SP_HELLO_SILENT_NS	400000000ULL
#define SP_CLOCK_OFF_MS		4000	/* what is introduced would soon be too old, or too young */
#define SP_HELLO_FRESH_MS	10000	/* the first one of a life: else it was recorded, or a clock is wrong */

#define SP_MEMBER_STATES(X) X(SYNCING, syncing) X(READY, ready) X(DRAINING, draining) X(AGENT, agent)

enum sp_member_state {
#define X(up, low) SP_MEMBER_##up,
	SP_MEMBER_STATES(X)
#undef X
	SP_MEMBER_STATE_COUNT
};

/* What an agent is able to do, see enum sp_mode. */
enum {
	SP_CAN_SPLIT	= 1 << 0,
	SP_CAN_ADOPT	= 1 << 1,
	SP_CAN_ECN	= 1 << 2,	/* with ADOPT: what is taken over may use it */
	SP_CAN_NOT_ALL	= 1 << 3,	/* with ADOPT: its host drops what some listeners should take over */
};
#define SP_CAN_ALL (SP_CAN_SPLIT | SP_CAN_ADOPT | SP_CAN_ECN | SP_CAN_NOT_ALL)

const char *sp_member_state_name(enum sp_member_state state);

/**
 * struct sp_member - a proxy of the cluster, or an agent, which hears of ends, and is nobody's home or heir
 * @id:		sp_member_id() of the name
 * @relay:	where its messages come from, and are sent to
 * @started_ns:	CLOCK_REALTIME at its start: a later one is a later life of it
 * @can:	SP_CAN_*, of an agent
 * @mtu:	of an agent's host: what its servers can be sent; 0: not known
 * @adopts:	of an agent: bit i: at @owned[i] is a listener whose handshakes it can take over now
 * @owned:	a proxy's source addresses, with port 0 for all; where an agent's servers listen. Those beyond
 *		SP_MEMBER_OWNED_MAX are not told
 * @splices:	that it carries
 * @heard_ns:	when its last HELLO came (monotonic; 0: never)
 * @seq:	of its latest HELLO in this life of it
 * @ahead_ms:	its clock, of ours, when it said the latest one, refused or not
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
	__u32			splices;
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
/* The proxy that owns that address, dead or alive. No agent: where it serves, clients may be as well. */
struct sp_member *sp_members_by_addr(struct sp_members *ms, const struct sp_addr *addr);
/* An agent, whose servers listen there. */
int sp_member_serves(const struct sp_member *m, const struct sp_endpoint *at);
/* The agent that lives, and serves there. */
struct sp_member *sp_members_agent_at(struct sp_members *ms, const struct sp_endpoint *at);

/* What a record in the store, or a HELLO, was good for. */
enum sp_member_verdict {
	SP_MEMBER_SAME,
	SP_MEMBER_NEWS,		/* alive now, or in another state, or able to other things, or owner of others */
	SP_MEMBER_UNKNOWN,	/* a HELLO of nobody that the store knows */
	SP_MEMBER_REPLAYED,	/* a HELLO, or record, older than what was seen */
	SP_MEMBER_SKEWED,	/* the first HELLO of a life, and of another time than ours */
	SP_MEMBER_NAME_TAKEN,	/* the name is that of another one, which lives */
	SP_MEMBER_FULL,
};

/* @said: name, relay, started_ns, state, can and owned as a record says */
enum sp_member_verdict sp_members_record(struct sp_members *ms, const struct sp_member *said, __u64 now_ns);
/* @said: id, started_ns, seq, state, can, mtu, splices as a HELLO says, and relay: where it came from */
enum sp_member_verdict sp_members_hello(struct sp_members *ms, const struct sp_member *said, __u64 now_ns);
/*
 * Return: one that has been silent for too long, and is not alive any more, or NULL: call it again until then.
 * @is_late: this process was stopped, so silence tells nothing.
 */
struct sp_member *sp_members_tick(struct sp_members *ms, __u64 now_ns, int is_late);

/* Of the living that are ready (of all the living, when none is): the highest hash of key and name. NULL: @ms->self */
struct sp_member *sp_members_choose(struct sp_members *ms, const void *key, size_t len);

#endif
