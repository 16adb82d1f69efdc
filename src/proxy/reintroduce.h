/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reintroduce.h - adopted splices whose client has acknowledged no data of the server yet */
#ifndef SP_PROXY_UNHEARD_H
#define SP_PROXY_UNHEARD_H

#include "cluster/cluster.h"
#include "splice/splice.h"
#include "tcp/wire.h"

/*
 * A backend does not retransmit a handshake that its kernel has not taken over yet. A client that
 * sends first retransmits its request. If a client waits for the server's greeting, its
 * acknowledgement may be lost behind the proxy. Without a shared store, the agent cannot fetch a
 * splice whose introduction was lost, either. So acknowledgement and introduction are repeated for
 * some seconds, until the client has acknowledged data. Both stay in a small ring. In a flood of
 * connections new entries displace old ones, and only this help ends.
 */
struct sp_reintroductions;

struct sp_reintroductions *sp_reintroductions_new(void);
void sp_reintroductions_free(struct sp_reintroductions *reintroductions);

/*
 * @is_greeting: the server speaks first: the client's acknowledgement, @window wide, is to be
 *		repeated, too
 */
void sp_reintroduce_add(struct sp_reintroductions *reintroductions, const struct sp_splice *splice,
			const struct sp_side *client,
		    __u16 window, int is_greeting, __u64 now_ns);

/*
 * Forget a splice. Return: 0 if the server was to speak first, with the client's acknowledgement,
 * for a new beginning of the connection; -ENOENT.
 */
int sp_reintroduce_take(struct sp_reintroductions *reintroductions, const struct sp_tuple *front,
			__u32 client_isn,
		    struct sp_segment *ret_ack);

/* Return: how many were repeated. */
unsigned int sp_reintroduce_tick(struct sp_reintroductions *reintroductions, struct sp_datapath *dp,
				 struct sp_cluster *cluster,
			     struct sp_wire *wire, __u64 now_ns);

#endif
