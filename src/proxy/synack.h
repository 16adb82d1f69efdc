/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synack.h - SYN-ACKs of services whose server speaks first are retransmitted */
#ifndef SP_PROXY_NUDGE_H
#define SP_PROXY_NUDGE_H

#include "tcp/wire.h"

/*
 * A SYN is answered statelessly, so the SYN-ACK would not be retransmitted. A client that sends
 * first retransmits the request, with the same effect. A client that waits for the server's
 * greeting would wait for ever if the third segment of the handshake is lost. So these SYN-ACKs
 * stay in a small ring for some seconds, and are retransmitted once or twice unless the connection
 * has come. In a flood new SYN-ACKs displace old ones, and only this help ends.
 */
struct sp_synacks;

struct sp_synacks *sp_synacks_new(void);
void sp_synacks_free(struct sp_synacks *synacks);

/* @synack: as sent, service -> client */
void sp_synack_add(struct sp_synacks *synacks, const struct sp_segment *synack, __u64 now_ns);

/* The client has answered by RST, or reset the connection since. */
void sp_synack_forget(struct sp_synacks *synacks, const struct sp_tuple *front, __u32 client_isn);

/**
 * sp_synack_tick() - retransmit SYN-ACKs that are due
 * @is_here:	whether the connection client -> service has come. Called twice, with a pause for an
 *		answer of the store in between.
 */
typedef int (*sp_synack_fn)(void *ctx, const struct sp_tuple *front);
void sp_synack_tick(struct sp_synacks *synacks, struct sp_wire *wire, __u64 now_ns,
		    sp_synack_fn is_here, void *ctx);

#endif
