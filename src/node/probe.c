// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* probe.c - see probe.h */
#include "node/probe.h"

#define OTHER_HALF	(1U << 31)

/* Deltas of timestamps are as good as never 0. A half that was adopted has none. */
static int may_have_timestamps(const struct sp_half *half)
{
	return half->flags & SP_HALF_F_ADOPTED || half->tsval_delta || half->tsecr_delta;
}

void sp_probe_send(struct sp_wire *wire, const struct sp_entry *to, __u32 seq, __u32 ack)
{
	struct sp_segment probe = {
		.tuple = to->half.out, .flags = SP_TCP_ACK, .seq = seq + to->half.seq_delta,
		.ack = ack, .wscale = -1, .has_ts = may_have_timestamps(&to->half),
		.window = sp_half_window(&to->half, to->state.window, to->state.is_wide) ?: 1,
	};

	sp_wire_send(wire, &probe);
	if (!probe.has_ts)
		return;
	probe.tsval = OTHER_HALF;
	sp_wire_send(wire, &probe);
}
