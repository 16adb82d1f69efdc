// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/expiry.h"

/*
 * What the receiver expects next: all that was sent to it if that is known, but never less than what it has
 * acknowledged. Return: 0: not known.
 */
static __u32 expected(__u32 sent, __u32 acked)
{
	return sent && (!acked || (__s32)(sent - acked) > 0) ? sent : acked;
}

static void reset(struct sp_wire *wire, const struct sp_half *half, __u32 seq)
{
	struct sp_segment rst = { .tuple = half->out, .flags = SP_TCP_RST, .seq = seq + half->seq_delta, .wscale = -1 };

	if (seq)
		sp_wire_send(wire, &rst);
}

void sp_expiry_tell(struct sp_wire *wire, const struct sp_splice *splice, const struct sp_half_state *up,
		    const struct sp_half_state *down)
{
	reset(wire, &splice->up, expected(up ? up->next_seq : 0, down->last_ack));
	if (up)
		reset(wire, &splice->down, expected(down->next_seq, up->last_ack));
}
