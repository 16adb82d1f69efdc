/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* event.h - what the datapath sends up to the daemon, through the ring buffer sp_events. Layout is ABI. */
#ifndef SP_ABI_EVENT_H
#define SP_ABI_EVENT_H

#include "tuple.h"

/*
 * All from the datapath to the daemon. Each carries the packet from its IP header on.
 *
 * FRONT	client -> service, no half, valid cookie
 * BACK		backend -> SNAT address, no half: the answer to a SYN of ours, or a stray
 * HELD		the half says SP_HALF_F_TO_DAEMON; or a SYN meets a live one
 * SYNACK	what a SYN was answered with, where the server speaks first (@tuple is the SYN's)
 * MISS		client -> service, neither half nor cookie: a later segment of a head, or one to ask the store about
 * TOO_BIG	larger than @mtu of its way out: tell the sender by ICMP
 * PIECES	the same, but its sender lets routers fragment it: to be sent on in pieces that fit
 * REUSED	a client's SYN meets the half of its closed connection: others may have that, too
 * ASK		of an agent: as BACK, but the packet has passed, and only its headers are here
 * QUOTE	an ICMP error, of which so much is here: about a packet of ours without a half. @tuple is of what would
 *		answer that packet
 * UNTAKEN	of an agent: the first segment of an adopted connection comes again, and the kernel, which was given it,
 *		has no socket: something of this host has dropped it
 */
#define SP_EVENT_KINDS(X) \
	X(FRONT, front) X(BACK, back) X(HELD, held) \
	X(SYNACK, synack) X(MISS, miss) X(TOO_BIG, too_big) X(QUERY, ask) X(REUSED, reused) X(QUOTE, quote) \
	X(PIECES, pieces) X(UNTAKEN, untaken)

enum sp_event_kind {
#define X(up, low) SP_EVENT_##up,
	SP_EVENT_KINDS(X)
#undef X
	SP_EVENT_KIND_COUNT
};

#define SP_EVENT_PACKET_MAX 65535

/**
 * struct sp_event - one record of the ring
 * @tuple:	of the packet
 * @kind:	enum sp_event_kind
 * @len:	bytes of the packet in @packet (its IP header first)
 * @l4_off:	offset of the TCP header in @packet, of QUOTE the ICMP header
 * @mtu:	of the way out: TOO_BIG, PIECES; of an agent's BACK: payload of a superpacket's segments; 0: it is none
 * @cookie:	of FRONT: enum sp_cookie, so that the daemon need not compute the MAC again
 * @came_ms:	when, CLOCK_MONOTONIC_COARSE, modulo 2^32
 * @packet:	as it came, network byte order
 *
 * A record is longer than @len says, as records come in a few fixed sizes.
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
