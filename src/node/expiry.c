// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* expiry.c - RST to both ends of a splice */
#include "node/expiry.h"

/*
 * The receiver's next sequence number: the end of the sent data if that is known, but at least its
 * last acknowledgement.
 * Return: 0: not known.
 */
static __u32 expected_seq(__u32 sent, __u32 acked)
{
	return sent && (!acked || (__s32)(sent - acked) > 0) ? sent : acked;
}

static void send_rst(struct sp_wire *wire, const struct sp_half *half, __u32 seq)
{
	struct sp_segment rst = {
		.tuple = half->out, .flags = SP_TCP_RST, .seq = seq + half->seq_delta, .wscale = -1
	};

	if (seq)
		sp_wire_send(wire, &rst);
}

void sp_expiry_tell(struct sp_wire *wire, const struct sp_splice *splice,
		    const struct sp_half_state *up, const struct sp_half_state *down)
{
	send_rst(wire, &splice->up, expected_seq(up ? up->next_seq : 0, down->last_ack));
	if (up)
		send_rst(wire, &splice->down, expected_seq(down->next_seq, up->last_ack));
}
