/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * segment.h - TCP segments and ICMP errors of our own: built and parsed. No state of connections.
 */
#ifndef SP_TCP_SEGMENT_H
#define SP_TCP_SEGMENT_H

#include <stddef.h>

#include "abi/event.h"
#include "abi/tuple.h"

enum {
	SP_TCP_FIN = 0x01, SP_TCP_SYN = 0x02, SP_TCP_RST = 0x04,
	SP_TCP_PSH = 0x08, SP_TCP_ACK = 0x10, SP_TCP_ECE = 0x40, SP_TCP_CWR = 0x80,
};

/**
 * struct sp_segment - a TCP segment in host order
 * @tuple:	as it goes on the wire
 * @seq, @ack, @window, @flags: header fields; @window as written (unscaled)
 * @mss:	MSS option, for SYN (not written otherwise, as the next two); 0: none
 * @wscale:	window scale option, for SYN; -1: none
 * @is_sack:	SACK-permitted option, for SYN
 * @has_ts:	timestamps option with @tsval, @tsecr
 * @is_cuttable: of IPv4: routers may fragment it (DF is clear)
 * @is_ce:	a router has marked it: congestion experienced (RFC 3168)
 * @payload:	borrowed until the call returns
 */
struct sp_segment {
	struct sp_tuple	tuple;
	__u32		seq;
	__u32		ack;
	__u32		tsval;
	__u32		tsecr;
	__u16		window;
	__u16		mss;
	__s8		wscale;
	__u8		flags;
	__u8		is_sack;
	__u8		has_ts;
	__u8		is_ce;
	__u8		is_cuttable;
	const void	*payload;
	size_t		payload_len;
};

#define SP_SEGMENT_PACKET_MAX 9216

/**
 * sp_segment_build() - the IP packet of a segment, both checksums in place
 * @buf:	at least SP_SEGMENT_PACKET_MAX bytes
 * Return: bytes written; -EMSGSIZE when the payload does not fit.
 */
int sp_segment_build(const struct sp_segment *seg, void *buf, size_t size);

/**
 * sp_segment_parse() - the reverse, for a packet from an event
 * @ev:		its packet may be shorter than its IP header says
 * @ret_seg:	borrows the payload from @ev; its tuple is @ev's. Options that belong to a SYN are
 *		read from a SYN only.
 *
 * Checksums are not verified, see sp_segment_is_intact().
 * Return: 0; -EBADMSG when the header is damaged or cut off. Never reads behind ev->len.
 */
int sp_segment_parse(const struct sp_event *ev, struct sp_segment *ret_seg);

/**
 * sp_segment_is_intact() - is the TCP checksum right?
 * One that covers the pseudo header alone is, too: the packet then comes from a stack that leaves
 * the rest to hardware (CHECKSUM_PARTIAL), and never was on a wire. That of a superpacket whose
 * IP header tells no length is not looked at.
 * @ev:		a packet that sp_segment_parse() has taken
 */
int sp_segment_is_intact(const struct sp_event *ev);

/**
 * struct sp_quote - content of an ICMP error, and the quoted segment of ours
 * @seq:	of the segment, in our numbers
 * @is_too_big:	smaller packets are asked for; else the destination is unreachable
 */
struct sp_quote {
	__u32	seq;
	int	is_too_big;
};

/* @ev: SP_EVENT_QUOTE. Return: 0; -EBADMSG when it is cut off. */
int sp_segment_parse_quote(const struct sp_event *ev, struct sp_quote *ret_quote);

/**
 * sp_segment_build_too_big() - an ICMP error: "fragmentation needed", or ICMPv6 "packet too big",
 * with @ev->mtu
 * @ev:		of a packet, which is quoted: the error goes to its source, from its destination
 *		address
 * @buf:	at least SP_SEGMENT_PACKET_MAX bytes
 * Return: bytes written; -EBADMSG when there is not enough of the packet.
 */
int sp_segment_build_too_big(const struct sp_event *ev, void *buf);

#endif
