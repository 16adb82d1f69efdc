/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kept.h - requests of pools with `on_death: continue`, until their response begins */
#ifndef SP_PROXY_KEPT_H
#define SP_PROXY_KEPT_H

#include "proxy/connection.h"

/*
 * A client does not send an acknowledged request again, if the backend dies before the response. So
 * the daemon keeps the last request of each connection, if the method is idempotent.
 *
 * Only in the daemon's memory: SP_KEPT_MAX requests, SP_KEPT_BYTES_MAX together. The oldest of
 * SP_KEPT_WAYS gives way. A tick forgets requests whose response has begun.
 */
#define SP_KEPT_MAX		16384
#define SP_KEPT_WAYS		8
#define SP_KEPT_BYTES_MAX	(64u << 20)

/*
 * Why a request is not kept.
 *
 * METHOD	a repetition may have a further effect (RFC 9110, 9.2.2)
 * BODY		the body was not wholly here, or the request is too long
 */
enum sp_kept_reason { SP_KEPT_WHOLE, SP_KEPT_METHOD, SP_KEPT_BODY };

/**
 * struct sp_kept - the last request of a client's connection
 * @start:	first byte, as the client counts
 * @len:	bytes of @buf, head and body, as the client sent them
 * @tsval, @tsecr, @window: of the client's segment
 * @deaths:	of backends with this request
 * @buf:	with SP_KEPT_WHOLE; NULL: not in use
 */
struct sp_kept {
	struct sp_tuple		front;
	__u32			client_isn, start, len;
	__u32			tsval, tsecr;
	__u16			window;
	__u8			why, deaths, is_used;
	__u64			since_ns;
	char			*buf;
};

struct sp_kepts;

int sp_kepts_new(struct sp_kepts **ret_kepts);
/* Also NULL. */
void sp_kepts_free(struct sp_kepts *kepts);

/* The request of @c goes to its backend now. */
void sp_kept_note(struct sp_proxy *p, const struct sp_conn *c);

/* NULL: none. */
struct sp_kept *sp_kept_find(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn);

/* A request whose response has not begun. @fn may begin a connection for the request. */
typedef void (*sp_kept_fn)(struct sp_proxy *p, struct sp_kept *k, const struct sp_entry *up,
			   const struct sp_entry *down);
/* Look at 64 requests; forget requests whose response has begun. */
void sp_kept_tick(struct sp_proxy *p, sp_kept_fn fn);

#endif
