/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* event.h - messages of the datapath to the daemon, through the ring sp_events. Layout is ABI. */
#ifndef SP_ABI_EVENT_H
#define SP_ABI_EVENT_H

#include "tuple.h"

/*
 * All go from the datapath to the daemon. Each carries the packet from its IP header on.
 *
 * FRONT	client -> service, no half, valid cookie
 * BACK		backend -> SNAT address, no half: the answer to a SYN of ours, or a stray
 * HELD		the half has SP_HALF_F_TO_DAEMON; or a SYN meets a live half
 * SYNACK	the SYN-ACK sent, where the server speaks first (@tuple is the SYN's)
 * MISS		client -> service, neither half nor cookie: a later segment of a head, or a
 *		store's splice
 * TOO_BIG	larger than @mtu of the egress: tell the sender by ICMP
 * PIECES	the same without DF: send it on in fragments
 * REUSED	a client's SYN meets the half of a closed connection; peers may have that half, too
 * ASK		of an agent: as BACK, but the packet has passed, and only its headers are here
 * QUOTE	an ICMP error, with its first bytes only, about a packet of ours without a half.
 *		@tuple is of the answer to that packet
 * REQUEST	data beyond the boundary of a half from the client (enum sp_bound); not carried
 * RESPONSE	of a half from the backend with a boundary: FIN, RST, or data beyond; not carried,
 *		unless @cookie says so
 * UNTAKEN	of an agent: the first segment of an adopted connection was repeated. The kernel
 *		was given the segment before and has no socket: this host has dropped the connection
 * TRACE	headers of a packet that left the fast path of a proxy for the reason @mtu (enum
 *		sp_drop), while a trace is on
 */
#define SP_EVENT_KINDS(X) \
	X(FRONT, front) X(BACK, back) X(HELD, held) \
	X(SYNACK, synack) X(MISS, miss) X(TOO_BIG, too_big) X(QUERY, ask) X(REUSED, reused) X(QUOTE, quote) \
	X(PIECES, pieces) X(REQUEST, request) X(RESPONSE, response) \
	X(UNTAKEN, untaken) X(TRACE, trace)

enum sp_event_kind {
#define X(up, low) SP_EVENT_##up,
	SP_EVENT_KINDS(X)
#undef X
	SP_EVENT_KIND_COUNT
};

#define SP_EVENT_PACKET_MAX 65535

/**
 * struct sp_event - a record of the ring
 * @tuple:	of the packet
 * @kind:	enum sp_event_kind
 * @len:	bytes of the packet in @packet (its IP header first)
 * @l4_off:	offset of the TCP header in @packet, of QUOTE the ICMP header
 * @mtu:	of the egress: TOO_BIG, PIECES; of an agent's BACK: payload of a superpacket's
 *		segments; of TRACE: the reason; 0: none
 * @cookie:	of FRONT: enum sp_cookie, so that the daemon need not compute the MAC again; of
 *		RESPONSE: 1: a copy, the packet was carried
 * @came_ms:	arrival, CLOCK_MONOTONIC_COARSE, modulo 2^32
 * @packet:	as received, network byte order
 *
 * A record may be longer than @len, since records come in a few fixed sizes.
 */
struct sp_event {
	struct sp_tuple	tuple;
	__u32		kind;
	__u32		len;
	__u16		l4_off;
	__u16		mtu;
	__u8		pad;
	__u8		cookie;
	__u8		pad2[2];
	__u32		came_ms;
	__u8		packet[];
};
_Static_assert(sizeof(struct sp_event) == 56, "struct sp_event is ABI");

#endif
