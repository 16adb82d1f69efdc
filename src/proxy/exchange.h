/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* exchange.h - requests behind the first of a connection: a request waits, then stays or moves */
#ifndef SP_PROXY_EXCHANGE_H
#define SP_PROXY_EXCHANGE_H

#include "proxy/connection.h"

/*
 * Data beyond the boundary of a half, from a client that has no connection in the table: held as
 * the beginning of the next request. @up: the half's entry. Return: NULL: no room.
 */
struct sp_conn *sp_exchange_begin(struct sp_proxy *p, const struct sp_segment *seg,
				  const struct sp_entry *up);

/* The next step @next of a further request: only when the response before is complete. */
struct sp_next sp_exchange_turn(struct sp_proxy *p, struct sp_conn *c, struct sp_next next);

/* WAITING: the response before may be complete by now. */
struct sp_next sp_exchange_go(struct sp_proxy *p, struct sp_conn *c);

/* A stay, or more of a body, is committed. */
struct sp_next sp_exchange_stayed(struct sp_proxy *p, struct sp_conn *c);

/* The request is forwarded: bytes behind it are the next request, or more of its body. */
struct sp_next sp_exchange_rest(struct sp_proxy *p, struct sp_conn *c);

/* HEAD: held bytes begin inside a chunked body. */
struct sp_next sp_exchange_body(struct sp_proxy *p, struct sp_conn *c);

#endif
