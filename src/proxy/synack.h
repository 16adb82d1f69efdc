/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* nudge.h - where the server speaks first, a lost third segment of the handshake would leave both ends waiting. */
#ifndef SP_PROXY_NUDGE_H
#define SP_PROXY_NUDGE_H

#include "tcp/wire.h"

/*
 * A SYN is answered without keeping anything, so nobody repeats the SYN-ACK.
 * A client with something to say repeats that, which does as well; one that
 * waits for the server's greeting does not. So the SYN-ACKs of services where
 * the server speaks first are kept in a small ring for some seconds, and
 * repeated once or twice unless their connection has come. In a flood they
 * push one another out: it costs no memory, and ends only this help.
 */
struct sp_synacks;

struct sp_synacks *sp_synacks_new(void);
void sp_synacks_free(struct sp_synacks *nudges);

/* @synack: as it was sent, service -> client */
void sp_synack_add(struct sp_synacks *nudges, const struct sp_segment *synack, __u64 now_ns);

/* The client has answered by RST, or reset the connection since. */
void sp_synack_forget(struct sp_synacks *nudges, const struct sp_tuple *front, __u32 client_isn);

/**
 * sp_synack_tick() - repeat what is due
 * @is_here:	whether the connection client -> service has come. It is asked twice, with a pause between in which
 *		whoever was asked can find out.
 */
typedef int (*sp_synack_fn)(void *ctx, const struct sp_tuple *front);
void sp_synack_tick(struct sp_synacks *nudges, struct sp_wire *wire, __u64 now_ns, sp_synack_fn is_here, void *ctx);

#endif
