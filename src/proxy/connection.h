/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * connection.h - state, buffer, trap and segments of a connection; and the next step, as returned
 * by a phase.
 */
#ifndef SP_PROXY_CONNECTION_H
#define SP_PROXY_CONNECTION_H

#include "proxy/proxy.h"

/* The next step of a connection, returned by phases, performed by machine.c. */
enum sp_next_kind {
	SP_NEXT_WAIT,		/* for an event or a tick */
	SP_NEXT_TURN,		/* the response before may be complete */
	SP_NEXT_STAY,		/* committed: the request goes through its leg */
	SP_NEXT_PARSE,		/* held bytes begin with a head, or inside a body */
	SP_NEXT_BODY,		/* held bytes begin inside a chunked body */
	SP_NEXT_REST,		/* the request is forwarded: what is behind it? */
	SP_NEXT_CONNECT,	/* to a backend of pool @arg; no pool: -1 */
	SP_NEXT_REPLY,		/* by ourselves, with status @arg */
	/* the client may wait for an acknowledgement of an incomplete head */
	SP_NEXT_STASH,
	SP_NEXT_DELIVER,	/* the splice exists: forward the held bytes */
	SP_NEXT_JOIN,		/* likewise through another proxy's splice; @up is its half */
	/* no splice was made: acknowledged bytes still have to be delivered */
	SP_NEXT_RETRY,
	SP_NEXT_END,
};

/* A status in place of HTTP's: a FIN alone, for a client without a request. */
#define SP_REPLY_NOTHING	0

/* @why: for the log, a constant string; may be NULL with WAIT */
struct sp_next {
	enum sp_next_kind	kind;
	int			arg;
	const char		*why;
};

static inline struct sp_next sp_next_wait(void)
{
	return (struct sp_next){ SP_NEXT_WAIT };
}

static inline struct sp_next sp_next(enum sp_next_kind kind, const char *why)
{
	return (struct sp_next){ kind, 0, why };
}

static inline struct sp_next sp_next_reply(int status, const char *why)
{
	return (struct sp_next){ SP_NEXT_REPLY, status, why };
}

/*
 * A new connection in state HEAD, of the current configuration. Return: NULL: no service, or no
 * room.
 */
struct sp_conn *sp_conn_begin(struct sp_proxy *p, const struct sp_tuple *front, const char *why);

/*
 * The only writer of a state. A transition that conn.h's table lacks is a fault of ours, and
 * aborts.
 */
void sp_conn_enter(struct sp_conn *c, enum sp_conn_state state, const char *why);

/* The client's bytes in the store are not needed any more. */
void sp_conn_drop_stash(struct sp_proxy *p, struct sp_conn *c);

/* Forget a connection: its trap, its record in the store, its slot. */
void sp_conn_end(struct sp_proxy *p, struct sp_conn *c, const char *why);

/* The head's record in the store is left to the next owner. */
void sp_conn_leave_stash(struct sp_conn *c);

/*
 * Send packets of @c->front to the daemon from now on. Only the home sets the trap: elsewhere
 * packets have to find the home.
 */
void sp_conn_trap(struct sp_proxy *p, struct sp_conn *c);

/* The handshake's parameters, for the store. */
struct sp_stash_offer sp_conn_offer(const struct sp_conn *c);

/* Bytes of memory behind the buffer. */
__u32 sp_conn_pages(const struct sp_conn *c);
/*
 * Put bytes of the client's stream into the buffer. @at: offset. Return: how many more are there
 * without a hole.
 */
__u32 sp_conn_put(struct sp_proxy *p, struct sp_conn *c, __s64 at, const char *bytes, __u32 len);

/* The half c->up alone has to tell of the handshake with the backend. */
void sp_conn_take_half(struct sp_conn *c);

/* A segment from the service to the client, without payload, that acknowledges @ack_bytes. */
struct sp_segment sp_conn_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes);

/* The chosen backend has a connection more; until a splice counts it, or it is given up. */
void sp_conn_open_to(struct sp_proxy *p, struct sp_conn *c);
void sp_conn_opened(struct sp_proxy *p, struct sp_conn *c);

/* Give up the connection to the backend and its port; sp_conn_reset_back(): and tell the backend. */
void sp_conn_release_back(struct sp_proxy *p, struct sp_conn *c);
void sp_conn_reset_back(struct sp_proxy *p, struct sp_conn *c);

static inline __u32 sp_min_bytes(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static inline __u32 sp_max_bytes(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

/* Another proxy's splice serves the request. */
void sp_conn_take_splice(struct sp_conn *c, const struct sp_splice *splice);

/* Whether further requests of the connection are read: its halves have a boundary. */
static inline int sp_conn_reads(const struct sp_conn *c)
{
	return c->is_next || sp_service_reads_requests(c->service);
}

/*
 * The boundary of the half up behind the request. Bytes behind the request stay held here, as do
 * those that this proxy still owes to the backend.
 */
static inline struct sp_boundary sp_conn_boundary(const struct sp_conn *c)
{
	__u8 holding = c->acked || c->reasm.top > c->request.bytes ? SP_ASKING_HELD : 0;

	return sp_boundary_make(c->client.isn_theirs + 1, c->request.bytes, c->request.bound,
				holding);
}

/* Held bytes that belong to the request. */
static inline __u32 sp_conn_own_bytes(const struct sp_conn *c)
{
	return sp_conn_reads(c) && c->request.bytes < c->reasm.len ? c->request.bytes :
	       c->reasm.len;
}

/* The backend takes over the client's handshake, and has got no SYN. */
static inline int sp_conn_is_adopting(const struct sp_conn *c)
{
	return c->mode == SP_MODE_ADOPT;
}

static inline int sp_conn_is_committing(const struct sp_conn *c)
{
	return c->state == SP_CONN_COMMITTING || c->state == SP_CONN_LATE;
}

/* A connection without a splice or a reply. */
static inline int sp_conn_is_undecided(const struct sp_conn *c)
{
	return c->state != SP_CONN_DELIVERING && c->state != SP_CONN_REPLIED;
}

#endif
