/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kept.h - requests of pools with `on_death: continue`, until their response is complete */
#ifndef SP_PROXY_KEPT_H
#define SP_PROXY_KEPT_H

#include "proxy/begun.h"
#include "proxy/connection.h"

/*
 * A client does not send an acknowledged request again, if the backend dies before the end of the
 * response. So the daemon keeps the last request of each connection, if the method is idempotent.
 * Of a response to GET, the head is remembered, too.
 *
 * Only in the daemon's memory: SP_KEPT_MAX requests, SP_KEPT_BYTES_MAX together. The oldest of
 * SP_KEPT_WAYS gives way. A tick forgets requests whose response is complete.
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
 * @begun_at:	first byte of the response, as the client counts; behind interim heads
 * @begun:	the head there
 * @sent_to:	end of what the last dead backend has sent, as the client counts
 * @asked_ns:	when another backend got the request; 0: none did
 * @buf:	with SP_KEPT_WHOLE; NULL: not in use
 */
struct sp_kept {
	struct sp_tuple		front;
	__u32			client_isn, start, len;
	__u32			tsval, tsecr, begun_at, sent_to;
	struct sp_begun		begun;
	__u64			asked_ns;
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

/* A part of a response goes to the client. @down: before the part */
void sp_kept_response(struct sp_proxy *p, const struct sp_entry *down,
		      const struct sp_segment *seg);

/* A pool whose requests are continued, by its id; NULL: no such. */
const struct sp_pool_conf *sp_kept_pool(const struct sp_proxy *p, __u32 pool_id);

/* A request whose response is not complete. @fn may begin a connection for the request. */
typedef void (*sp_kept_fn)(struct sp_proxy *p, struct sp_kept *k, const struct sp_entry *up,
			   const struct sp_entry *down);
/* Look at 64 requests; forget requests whose response is complete. */
void sp_kept_tick(struct sp_proxy *p, sp_kept_fn fn);

#endif
