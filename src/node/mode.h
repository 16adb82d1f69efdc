/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* mode.h - what of a splice goes to the backend's host: as the service asks, and as its agent can. No I/O. */
#ifndef SP_NODE_MODE_H
#define SP_NODE_MODE_H

#include "cluster/member.h"

/* X(NAME, name, why): why a connection gets less than its service asks for; "auto" asks for the most. */
#define SP_MODE_REASONS(X) \
	X(NO_AGENT, no_agent, "no living agent serves at the backend") \
	X(AGENT_LACKS_SPLIT, agent_lacks_split, "the backend's agent can't carry answers") \
	X(AGENT_LACKS_ADOPT, agent_lacks_adopt, "the kernel of the backend's host can't take over a handshake") \
	X(NO_LISTENER, no_listener, "no server listens at the backend, or by MPTCP, to take over a handshake") \
	X(FILTERED, filtered, "a firewall or connection tracking of the backend's host drops what it should take over") \
	X(CLOCK_OFF, clock_off, "the clock of the agent's host differs, so that it refuses what it is told") \
	X(SOURCE_CLIENT, source_client, "the pool's backends see the client's own address") \
	X(NOT_IN_SYNC, not_in_sync, "its source port may be another proxy's, and no SYN would tell") \
	X(STORE_AWAY, store_away, "the agent could not ask the store for what it has not heard of") \
	X(SMALL_MSS, small_mss, "the client takes smaller segments than the backend's kernel makes") \
	X(HEAD_ACKED, head_acked, "the head was acknowledged early, and who owes it must hear the server")

enum sp_mode_reason {
	SP_MODE_AS_ASKED,
#define X(up, low, why) SP_MODE_##up,
	SP_MODE_REASONS(X)
#undef X
	SP_MODE_REASON_COUNT
};

/**
 * sp_mode_choose() - what a connection to a backend gets
 * @wanted:	of the service
 * @agent:	that lives, and serves at the backend; NULL: none
 * @obstacle:	why this connection can't be adopted; AS_ASKED: nothing is in the way
 * @ret_reason:	why it is not what was wanted; of several, the last one met on the way down
 * Return: WHOLE, SPLIT or ADOPT
 */
enum sp_mode sp_mode_choose(enum sp_mode wanted, const struct sp_pool_conf *pool, const struct sp_member *agent,
			    enum sp_mode_reason obstacle, enum sp_mode_reason *ret_reason);

/* An obstacle at the backend's host, as far as its agent says. @agent may be NULL */
enum sp_mode_reason sp_mode_obstacle_at(const struct sp_member *agent, const struct sp_endpoint *backend);

/* SP_HALF_F_* of both halves: who carries the one from the backend. */
__u8 sp_mode_flags(enum sp_mode mode);

const char *sp_mode_name(enum sp_mode mode);
const char *sp_mode_reason_name(enum sp_mode_reason reason);	/* AS_ASKED: NULL */
const char *sp_mode_reason_text(enum sp_mode_reason reason);

#endif
