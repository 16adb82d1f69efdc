/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* query.h - state of a connection without a half in an agent's datapath. Layout is ABI. */
#ifndef SP_ABI_QUERY_H
#define SP_ABI_QUERY_H

#include "ktypes.h"

#define SP_QUERIES_TABLE_MAX	65536
/* of waiting payload; the rest passes: the transfer is well under way */
#define SP_QUERY_BYTES_MAX 16384

/*
 * The longest time for which the datapath holds packets of an open query. Then they pass as
 * without an agent, even if the daemon is gone. The time is below TCP's retransmission timeout.
 */
#define SP_QUERY_HOLD_NS	100000000ULL
#define SP_QUERY_PASS_NS	1000000000ULL	/* no answer: no query for so long */

/**
 * struct sp_query - value of map sp_queries, key struct sp_tuple: backend -> proxy or client
 * @asked_ns:	CLOCK_MONOTONIC_COARSE of the first upcall; written by the datapath
 * @pass_until_ns: packets pass until then, as the answer was "no half" or missing; 0: query open
 */
struct sp_query {
	__u64	asked_ns;
	__u64	pass_until_ns;
};
_Static_assert(sizeof(struct sp_query) == 16, "struct sp_query is ABI");

/*
 * What listens at a port of the agent's host: answers of program sp_listeners. No handshake can
 * be handed to MPTCP.
 */
enum { SP_LISTENER_NONE, SP_LISTENER_PLAIN, SP_LISTENER_MPTCP };
#define SP_LISTENERS_MAX	64	/* asked for at once */

#endif
