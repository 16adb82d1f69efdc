/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parked.h - legs that a client's connection has left for another pool, and may go on with later:
 * the backend keeps its connection, without a half in the datapath
 */
#ifndef SP_PROXY_PARKED_H
#define SP_PROXY_PARKED_H

#include "proxy/connection.h"

/*
 * Theory of operation
 *
 * A leg may be parked if its end is known (law 9): response complete and acknowledged by the
 * client, all of the client's bytes acknowledged by the backend, this proxy alone. What the backend
 * still sends finds no half, and comes to sp_parked_segment(): a retransmission is acknowledged, an
 * end or bytes without a request end the leg.
 *
 * The next request for its pool takes the leg back. It is committed like a new leg, with the
 * numbers that come next in place of a handshake's.
 *
 * The backend may have closed the connection before that request comes. Its FIN or RST then
 * acknowledges no byte of the request: so the request never ran, and is taken back for another leg.
 *
 * Only in the daemon's memory: a leg that a dead daemon had parked is closed by its backend, and
 * the answer to that is an RST. At most SP_PARKED_MAX, and SP_PARKED_OF_CLIENT of a connection: the
 * oldest gives way. A parked leg ends after SP_PARKED_NS.
 */
#define SP_PARKED_MAX		4096
#define SP_PARKED_OF_CLIENT	4
#define SP_PARKED_NS		5000000000ULL

struct sp_parkeds;

/**
 * struct sp_parked - a leg
 * @back:	proxy -> backend
 * @pool_id:	as in struct sp_half
 * @side:	as of a handshake that ends right before the next bytes; tsval_ours is void
 * @tsval_delta: from the client's TSval to the TSval for the backend
 * @window_bytes: of the backend
 * @mss:	as in the half up
 * @window:	of the client's last segment, as the backend counts
 * @is_ecn:	as SP_HALF_F_NOT_ECT is not set
 * @since_ns:	when it was left
 * @is_acknowledged: the backend has got the client's last acknowledgement
 */
struct sp_parked {
	struct sp_tuple	front, back;
	__u32		client_isn;
	__u16		pool_id, mss, window;
	struct sp_side	side;
	__u32		tsval_delta, window_bytes;
	__u8		is_ecn, is_acknowledged;
	__u64		since_ns;
	__u32		next_front, next_back, newer, older;
};

int sp_parkeds_new(struct sp_parkeds **ret_parkeds);

/* Also NULL. */
void sp_parkeds_free(struct sp_parkeds *parkeds);

/*
 * The leg before @c, whose place the next leg has just taken in the datapath. @up: the half to the
 * backend as it was. The half from the backend goes; a backend that is parked hears nothing of it.
 * Return: whether the leg is parked.
 */
int sp_parked_add(struct sp_proxy *p, const struct sp_conn *c, const struct sp_entry *up);

/* A parked leg to @c->pool: to @c->back and @c->backend, as if just connected. Return: whether. */
int sp_parked_take(struct sp_proxy *p, struct sp_conn *c);

/* A stay that is not committed may be taken back, too: a bare head in one segment, unchanged. */
void sp_parked_note_stay(struct sp_proxy *p, const struct sp_conn *c);

/**
 * sp_parked_closed_before() - whether a FIN or RST of a backend was sent before the request came
 * that went to a parked leg, or that stayed
 * @ret_start:	the request's first byte, as the client counts
 */
int sp_parked_closed_before(struct sp_proxy *p, const struct sp_segment *seg, __u32 *ret_start);

/* A segment of a backend without a half. Return: whether it is of a parked leg. */
int sp_parked_segment(struct sp_proxy *p, const struct sp_segment *seg);

/* The port of @back is wanted. Return: whether a parked leg has given it free. */
int sp_parked_give_way(struct sp_proxy *p, const struct sp_tuple *back);

void sp_parked_tick(struct sp_proxy *p, __u64 now_ns);

#endif
