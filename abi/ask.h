/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ask.h - what an agent's datapath remembers of a connection without a half. Layout is ABI. */
#ifndef SP_ABI_ASK_H
#define SP_ABI_ASK_H

#include "ktypes.h"

#define SP_ASKS_MAX	65536
#define SP_ASK_BYTES_MAX 16384		/* of payload that waits; more of it passes: its transfer is well under way */

/*
 * What is held while the daemon asks is held for so long at most; then it passes as if there were no agent, whatever
 * has become of the daemon. It is less than TCP waits before it repeats itself.
 */
#define SP_ASK_HOLD_NS	100000000ULL
#define SP_ASK_PASS_NS	1000000000ULL	/* no answer: so long it isn't asked again */

/**
 * struct sp_ask - value of map sp_asks, key struct sp_tuple: backend -> proxy or client
 * @asked_ns:	CLOCK_MONOTONIC_COARSE when its first packet went up; the datapath writes it
 * @pass_until_ns: the answer was that there is nothing to do, or none came: until then its packets pass; 0: asked
 */
struct sp_ask {
	__u64	asked_ns;
	__u64	pass_until_ns;
};
_Static_assert(sizeof(struct sp_ask) == 16, "struct sp_ask is ABI");

/* What listens at a port of the agent's host: answers of program sp_listeners. No handshake can be handed to MPTCP. */
enum { SP_LISTENER_NONE, SP_LISTENER_PLAIN, SP_LISTENER_MPTCP };
#define SP_LISTENERS_MAX	64	/* asked for at once */

#endif
