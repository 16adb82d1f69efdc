// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/relay.h"

/* a receiver that says less is not obeyed, as by Linux (tcp_min_snd_mss) */
#define MSS_LEAST	48
#define MSS_MOST	(SP_SEGMENT_PACKET_MAX - 60)	/* IPv6 and TCP header */
#define TS_BYTES	12	/* the option with its padding */

static struct sp_segment apply_half(const struct sp_half *half, const struct sp_segment *seg)
{
	struct sp_segment out = *seg;

	out.tuple = half->out;
	out.seq += half->seq_delta;
	out.ack += half->ack_delta;
	if (!(half->flags & SP_HALF_F_ADOPTED)) {
		out.tsval += half->tsval_delta;
		out.tsecr += out.tsecr ? half->tsecr_delta : 0;
	}
	out.window = sp_half_window(half, seg->window, 0);
	out.wscale = -1;
	out.is_ce = seg->is_ce && !(half->flags & SP_HALF_F_NOT_ECT);
	return out;
}

/* Payload of a packet: at least 1 byte, even for a tiny MSS. */
static size_t payload_room(const struct sp_segment *seg, __u16 mss)
{
	if (mss < MSS_LEAST)
		mss = MSS_LEAST;
	if (mss > MSS_MOST)
		mss = MSS_MOST;
	return mss - (seg->has_ts ? TS_BYTES : 0);
}

void sp_relay(struct sp_wire *wire, const struct sp_half *half, const struct sp_segment *seg,
	      __u16 mss)
{
	struct sp_segment translated = apply_half(half, seg);

	sp_relay_pieces(wire, &translated, half->mss && half->mss < mss ? half->mss : mss);
}

void sp_relay_pieces(struct sp_wire *wire, const struct sp_segment *seg, __u16 mss)
{
	struct sp_segment piece = *seg;
	size_t max = payload_room(seg, mss);
	const char *payload = seg->payload;
	size_t left = seg->payload_len;

	do {
		piece.payload = payload;
		piece.payload_len = left < max ? left : max;
		left -= piece.payload_len;
		payload += piece.payload_len;
		piece.flags = left ? seg->flags & ~SP_TCP_FIN : seg->flags;
		sp_wire_send(wire, &piece);
		piece.seq += piece.payload_len;
	} while (left);
}
