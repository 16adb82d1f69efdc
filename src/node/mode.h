/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mode.h - the mode of a connection: as configured for its service, limited by the backend's agent.
 * No I/O, no clock.
 */
#ifndef SP_NODE_MODE_H
#define SP_NODE_MODE_H

#include "cluster/member.h"

/*
 * X(NAME, name, text): reason why a connection gets a lesser mode than configured for its service;
 * auto means adopt.
 */
#define SP_MODE_REASONS(X) \
	X(NO_AGENT, no_agent, "no living agent serves at the backend") \
	X(AGENT_LACKS_SPLIT, agent_lacks_split, "the backend's agent can't carry answers") \
	X(AGENT_LACKS_ADOPT, agent_lacks_adopt, "the kernel of the backend's host can't take over a handshake") \
	X(NO_LISTENER, no_listener, "no server listens at the backend, or by MPTCP, to take over a handshake") \
	X(FILTERED, filtered, "a firewall or connection tracking of the backend's host drops adopted segments") \
	X(CLOCK_OFF, clock_off, "the clock of the agent's host differs, so it refuses introductions") \
	X(SOURCE_CLIENT, source_client, "the pool's backends see the client's own address") \
	X(NOT_IN_SYNC, not_in_sync, "the source port may still be in use, and without a SYN the backend can't refuse it") \
	X(STORE_AWAY, store_away, "the agent could not query the store for a splice whose introduction is lost") \
	X(SMALL_MSS, small_mss, "the client takes smaller segments than the backend's kernel makes") \
	X(REQUESTS, requests, "each request is read at the proxy, and the end of each response") \
	X(HEAD_ACKED, head_acked, "the head was acknowledged early, and the proxy that owes it must get the server's acknowledgement")

enum sp_mode_reason {
	SP_MODE_AS_ASKED,
#define X(up, low, why) SP_MODE_##up,
	SP_MODE_REASONS(X)
#undef X
	SP_MODE_REASON_COUNT
};

/**
 * sp_mode_choose() - the mode of a connection to a backend
 * @wanted:	of the service
 * @agent:	the living agent of the backend; NULL: none
 * @obstacle:	why this connection can't be adopted; AS_ASKED: it can
 * @ret_reason:	why the mode is less than @wanted; if there are several reasons, the last on the way
 *		down
 * Return: WHOLE, SPLIT or ADOPT
 */
enum sp_mode sp_mode_choose(enum sp_mode wanted, const struct sp_pool_conf *pool,
			    const struct sp_member *agent, enum sp_mode_reason obstacle,
			    enum sp_mode_reason *ret_reason);

/* The reason at the backend's host, by its agent's HELLO. @agent may be NULL: AS_ASKED. */
enum sp_mode_reason sp_mode_obstacle_at(const struct sp_member *agent,
					const struct sp_endpoint *backend);

/* SP_HALF_F_* of both halves. */
__u8 sp_mode_flags(enum sp_mode mode);

const char *sp_mode_name(enum sp_mode mode);
const char *sp_mode_reason_name(enum sp_mode_reason reason);	/* AS_ASKED: NULL */
const char *sp_mode_reason_text(enum sp_mode_reason reason);

#endif
