/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * relay.h - a half, applied in user space to segments that reached the daemon just before their
 * splice.
 */
#ifndef SP_TCP_RELAY_H
#define SP_TCP_RELAY_H

#include "abi/half.h"
#include "tcp/wire.h"

#define SP_RELAY_MSS	1220	/* fits the least MTU of IPv6, whoever the receiver is */

/**
 * sp_relay() - send a segment on as the datapath would (bpf/rewrite.bpf.h)
 * @seg:	as it came; without a SYN
 * @mss:	of the receiver (RFC 9293, 3.7.1): payload and options of what is sent; a
 *		superpacket goes in pieces
 * SACK blocks are left out: the receiver will hear them again.
 */
void sp_relay(struct sp_wire *wire, const struct sp_half *half, const struct sp_segment *seg,
	      __u16 mss);

/* A segment of our own to a receiver of this MSS. */
void sp_relay_pieces(struct sp_wire *wire, const struct sp_segment *seg, __u16 mss);

#endif
