/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* splice.h - two halves out of two handshakes; and the datapath's copy of them. */
#ifndef SP_SPLICE_SPLICE_H
#define SP_SPLICE_SPLICE_H

#include "datapath/datapath.h"
#include "splice/ports.h"

/**
 * struct sp_side - result of a handshake (host order)
 * @isn_ours:	ISN of the proxy
 * @isn_theirs:	ISN of the client, or of the backend
 * @tsval_ours:	TSval that the proxy sent
 * @tsval_theirs: TSval of the peer
 * @wscale_ours, @wscale_theirs: as in the SYNs; -1: none
 */
struct sp_side {
	__u32	isn_ours;
	__u32	isn_theirs;
	__u32	tsval_ours;
	__u32	tsval_theirs;
	__s8	wscale_ours;
	__s8	wscale_theirs;
	__u8	has_ts;
};

/**
 * struct sp_splice - both directions of a spliced connection
 * @front:	client -> service: what @up matches
 * @up:		@out is proxy -> backend
 * @down:	matches the reverse of @up's @out; its @out is the reverse of @front
 * @client_isn:	tells the splice from an older connection on the same tuple (host order)
 * @version:	rises with each splice that is committed for the same connection
 * @change:	with SP_HALF_F_REQUESTS: see struct sp_change
 * @named:	likewise: the client as a proxy in front has named it; all zero: not at all
 * @follows:	of a commit: the store must have an earlier version; no part of a record
 * @boundary, @handshake: with SP_HALF_F_REQUESTS, else zero: the boundary of @up, and what was
 *		agreed with the client
 * @response:	likewise: of the response to the request that ends at @boundary, or that goes on
 *		there: sp_response_stored()
 */
struct sp_splice {
	struct sp_tuple		front;
	__u32			client_isn;
	__u32			version;
	struct sp_boundary	boundary;
	struct sp_boundary	response;
	struct sp_handshake	handshake;
	struct sp_change	change;
	struct sp_endpoint	named;
	struct sp_half		up;
	struct sp_half		down;
	__u8			follows;
};

static inline int sp_splice_is_named(const struct sp_splice *splice)
{
	const struct sp_addr *a = &splice->named.addr;

	return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) != 0;
}

/* Out of two handshakes. @back: proxy -> backend. */
struct sp_splice sp_splice_make(const struct sp_tuple *front, const struct sp_side *client,
				const struct sp_tuple *back, const struct sp_side *backend,
				__u32 pool_id);

/*
 * Of one with SP_HALF_F_ADOPTED, whose two handshakes are the same. @mss, @wscale: see
 * sp_half_adopted()
 */
void sp_splice_adopted(struct sp_splice *splice, __u16 mss, __u8 wscale);

/* The boundary of @down, as far as the store knows. */
struct sp_boundary sp_splice_response(const struct sp_splice *splice);

/**
 * struct sp_streams - where both streams of a splice are that is installed
 * @client, @backend: their ends, as the senders count (host order); 0: not known, as not seen here
 * @acked:	by the backend, as the client counts; 0: nothing but the handshake
 * @down:	with SP_HALF_F_REQUESTS: the boundary of the half down; all zero: as in the splice
 * @is_elsewhere: packets of the leg may pass elsewhere
 * @passed:	behind what the client has of the response that begins, as the backend counts: see
 *		@is_skipping of struct sp_half_state; with @is_skipping. @window: the client's
 * @is_kept:	the daemon gets a copy of each response's head
 * @is_logged:	this proxy writes the access log of the splice
 */
struct sp_streams {
	__u32			client;
	__u32			backend;
	__u32			acked;
	struct sp_boundary	down;
	__u8			is_elsewhere;
	__u8			is_logged;
	__u8			is_kept;
	__u8			is_skipping;
	__u16			window;
	__u32			passed;
};

/**
 * sp_splice_install() - make a committed splice known to the datapath
 * @at:		the client's with what we forward ourselves of it
 * @refreshed_s:	as in struct sp_meta: up.spliced_s when the store has it, for all we know
 *		only since then
 * Return: 0; -E2BIG when the table is full, and then nothing is left of it.
 */
int sp_splice_install(struct sp_datapath *dp, const struct sp_splice *splice,
		      const struct sp_streams *at,
		      __u32 refreshed_s);
/* The same. @ret_up: the half to the backend that was there, or zeros */
int sp_splice_replace(struct sp_datapath *dp, const struct sp_splice *splice,
		      const struct sp_streams *at, __u32 refreshed_s, struct sp_entry *ret_up);

/**
 * sp_splice_ended() - another proxy has seen FIN or RST of a splice that may be here, too
 * @client_isn:	another splice of this tuple is left alone
 * @state:	SP_STATE_* as the half up sees them; added to what was seen here
 *
 * Packets that still come go on as before: a FIN stays, an RST is forgotten when its sender sends
 * on, and nothing is removed before limits.closed without a packet.
 * Return: what the one who told should hear, which is that the splice is closed, and why; 0:
 * nothing.
 */
__u8 sp_splice_ended(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		     __u8 state);

/*
 * A FIN of @tuple, which a half matches, ends its stream, as far as is known here.
 * SP_FIN_UNKNOWN: no such splice.
 */
enum sp_fin_verdict sp_splice_judge(struct sp_datapath *dp, const struct sp_tuple *tuple,
				    __u32 client_isn,
				    const struct sp_fin *fin);

/* At start: count the splices of the datapath, and mark their ports. */
void sp_splice_recount(struct sp_datapath *dp, struct sp_ports *ports);

#endif
