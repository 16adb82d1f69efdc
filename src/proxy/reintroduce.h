/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* unheard.h - adopted splices whose client hasn't acknowledged anything of its server's yet. */
#ifndef SP_PROXY_UNHEARD_H
#define SP_PROXY_UNHEARD_H

#include "cluster/cluster.h"
#include "splice/splice.h"
#include "tcp/wire.h"

/*
 * Nobody repeats a handshake that a backend's kernel has not taken over yet. A client with something to say repeats
 * that; one that waits for the server's greeting does not, and its acknowledgement may be lost behind the proxy. Where
 * no store is shared, nobody else could tell the agent of a splice whose introduction was lost. So for some seconds
 * both are repeated, until the client has acknowledged something. They are in a small ring: more connections than it
 * has room for push one another out, which ends only this help.
 */
struct sp_reintroductions;

struct sp_reintroductions *sp_reintroductions_new(void);
void sp_reintroductions_free(struct sp_reintroductions *unheards);

/* @is_greeting: the server speaks first: the client's acknowledgement, @window wide, is to be repeated, too */
void sp_reintroduce_add(struct sp_reintroductions *unheards, const struct sp_splice *splice, const struct sp_side *client,
		    __u16 window, int is_greeting, __u64 now_ns);

/*
 * A splice is not to be heard of any more.
 * Return: 0, where its server was to speak first, with the client's acknowledgement, to begin anew with; -ENOENT.
 */
int sp_reintroduce_take(struct sp_reintroductions *unheards, const struct sp_tuple *front, __u32 client_isn,
		    struct sp_segment *ret_ack);

/* Return: how many were repeated. */
unsigned int sp_reintroduce_tick(struct sp_reintroductions *unheards, struct sp_datapath *dp, struct sp_cluster *cluster,
			     struct sp_wire *wire, __u64 now_ns);

#endif
