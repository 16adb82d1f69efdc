/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* exchange.h - requests behind the first of a connection: a request waits, then stays or moves */
#ifndef SP_PROXY_EXCHANGE_H
#define SP_PROXY_EXCHANGE_H

#include "proxy/connection.h"

/*
 * Data beyond the boundary of a half, from a client that has no connection in the table: held as
 * the beginning of the next request. @up, @down: entries of its halves. Return: NULL: no room.
 */
struct sp_conn *sp_exchange_begin(struct sp_proxy *p, const struct sp_segment *seg,
				  const struct sp_entry *up, const struct sp_entry *down);

/* Whether only acknowledged bytes before @seg show that a request begins there. */
int sp_exchange_is_guess(const struct sp_segment *seg, const struct sp_entry *up,
			 const struct sp_entry *down);

/* The request is forwarded: bytes behind it are the next request, or more of its body. */
struct sp_next sp_exchange_rest(struct sp_proxy *p, struct sp_conn *c);

#endif
