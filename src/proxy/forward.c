// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/forward.h"

#include "tcp/relay.h"

/* The checks of the datapath, see track_end(). */
static int rst_counts(struct sp_proxy *p, const struct sp_half *half, const struct sp_segment *seg)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&half->out);
	struct sp_entry own, peer;

	return !sp_datapath_get(p->node.dp, &seg->tuple, &own) &&
	       !sp_datapath_get(p->node.dp, &peer_key, &peer) &&
	       sp_rst_is_plausible(seg->seq, &own.state, &peer.state);
}

/* Other proxies may know more of the stream. If the FIN fits there, they send ENDS to all. */
static int fin_counts(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn,
		      const struct sp_segment *seg)
{
	const struct sp_fin fin = { .seq = seg->seq, .end = seg->seq + seg->payload_len + 1,
				    .ack = seg->ack + half->ack_delta };
	enum sp_fin_verdict verdict = sp_splice_judge(p->node.dp, &seg->tuple, client_isn, &fin);

	if (verdict == SP_FIN_FITS)
		return 1;
	if (!sp_node_is_shared(&p->node))
		return verdict == SP_FIN_UNKNOWN;
	sp_cluster_tell_fin(p->node.cluster, &seg->tuple, client_isn, &fin);
	return 0;
}

/* An acknowledgement of a part of a changed head goes back to its beginning. */
static struct sp_segment with_ack(struct sp_proxy *p, const struct sp_half *half,
				  const struct sp_segment *seg)
{
	struct sp_segment pulled = *seg;
	struct sp_entry e;

	if (half->flags & SP_HALF_F_REQUESTS && half->flags & SP_HALF_F_FROM_BACKEND &&
	    !sp_datapath_get(p->node.dp, &seg->tuple, &e))
		pulled.ack = sp_change_ack(&e.meta.change, seg->ack + half->ack_delta) -
			     half->ack_delta;
	return pulled;
}

void sp_forward(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn,
		const struct sp_segment *seg,
		__u16 mss)
{
	int is_down = half->flags & SP_HALF_F_FROM_BACKEND;
	struct sp_patch patch = {
		.front = is_down ? sp_tuple_reverse(&half->out) :
		seg->tuple, .client_isn = client_isn,
	};
	struct sp_segment pulled;

	if (seg->flags & SP_TCP_FIN && fin_counts(p, half, client_isn, seg))
		patch.flags |= SP_STATE_FIN;
	if (seg->flags & SP_TCP_RST && rst_counts(p, half, seg))
		patch.flags |= SP_STATE_RST;
	if (is_down)
		patch.flags = sp_ends_mirrored(patch.flags);
	pulled = with_ack(p, half, seg);
	sp_relay(p->node.wire, half, &pulled, mss);
	if (patch.flags)
		sp_datapath_patch(p->node.dp, &patch);
}

void sp_forward_overtaken(struct sp_proxy *p, const struct sp_entry *e,
			  const struct sp_segment *seg)
{
	if (e->half.flags & SP_HALF_F_TO_DAEMON || seg->flags & SP_TCP_SYN)
		return;
	p->node.counters.relayed++;
	sp_forward(p, &e->half, e->meta.client_isn, seg, SP_RELAY_MSS);
}

void sp_forward_reset(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_segment rst = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_RST, .seq = seg->ack,
		.wscale = -1,
	};

	if (seg->flags & SP_TCP_RST || !(seg->flags & SP_TCP_ACK))
		return;
	sp_wire_send(p->node.wire, &rst);
}
