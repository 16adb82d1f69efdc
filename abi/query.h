/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ask.h - what an agent's datapath remembers of a connection without a half. Layout is ABI. */
#ifndef SP_ABI_ASK_H
#define SP_ABI_ASK_H

#include "ktypes.h"

#define SP_QUERIES_TABLE_MAX	65536
#define SP_QUERY_BYTES_MAX 16384		/* of payload that waits; more of it passes: its transfer is well under way */

/*
 * What is held while the daemon asks is held for so long at most; then it passes as if there were no agent, whatever
 * has become of the daemon. It is less than TCP waits before it repeats itself.
 */
#define SP_QUERY_HOLD_NS	100000000ULL
#define SP_QUERY_PASS_NS	1000000000ULL	/* no answer: so long it isn't asked again */

/**
 * struct sp_query - value of map sp_queries, key struct sp_tuple: backend -> proxy or client
 * @asked_ns:	CLOCK_MONOTONIC_COARSE when its first packet went up; the datapath writes it
 * @pass_until_ns: the answer was that there is nothing to do, or none came: until then its packets pass; 0: asked
 */
struct sp_query {
	__u64	asked_ns;
	__u64	pass_until_ns;
};
_Static_assert(sizeof(struct sp_query) == 16, "struct sp_query is ABI");

/* What listens at a port of the agent's host: answers of program sp_listeners. No handshake can be handed to MPTCP. */
enum { SP_LISTENER_NONE, SP_LISTENER_PLAIN, SP_LISTENER_MPTCP };
#define SP_LISTENERS_MAX	64	/* asked for at once */

#endif
