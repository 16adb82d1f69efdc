/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * skip.bpf.h - a response begins again at a further backend: the client's bytes are dropped, and
 * acknowledged to the backend.
 *
 * The client has acknowledged up to @last_ack of the half up; the backend has sent up to @next_seq
 * of the half down. A packet up to the first number is answered here. The backend has sent all
 * bytes before, so the answer acknowledges them, and a gap needs no retransmission. The client's
 * acknowledgements beyond the second number are dropped: the backend has not sent so many bytes.
 */
#ifndef SP_BPF_SKIP_H
#define SP_BPF_SKIP_H

#include "boundary.bpf.h"
#include "handshake.bpf.h"
#include "nexthop.bpf.h"
#include "rewrite.bpf.h"

#define SKIP_ACK_LEN	32	/* NOP NOP timestamps, or NOPs */

struct skip_ack {
	struct tcphdr	tcp;
	__be32		option[3];
};

static __always_inline void note_skipped(const struct sp_pkt *pkt, struct sp_half_state *u,
					 __u32 ack, __u64 now_ns)
{
	__u32 end = pkt->seq + pkt->payload_bytes;

	if ((__s32)(ack - u->last_ack) > 0 && sp_ack_is_plausible(pkt->seq, ack, u, NULL))
		u->last_ack = ack;
	if (sp_stream_goes_on(pkt->seq, end, u))
		u->next_seq = end;
	u->seen_ns = now_ns;
	u->window = pkt->window;
	u->pkts++;
}

/* The backend's own stamps, swapped: a later TSval was never sent. */
static __always_inline int skip_options(const struct sp_pkt *pkt, struct skip_ack *a)
{
	__be32 word[3];

	__builtin_memset(a->option, TCPOPT_NOP, sizeof(a->option));
	if (pkt->doff_bytes < SKIP_ACK_LEN)
		return 0;
	if (bpf_skb_load_bytes(pkt->skb, pkt->l4_off + sizeof(struct tcphdr), word, sizeof(word)))
		return -SP_DROP_REWRITE_FAILED;
	if (word[0] != NOP_NOP_TS)
		return 0;
	a->option[0] = word[0];
	a->option[1] = word[2];
	a->option[2] = word[1];
	return 0;
}

/* The sum of a packet of this machine, or of GRO, is partial: see is_payload_intact(). */
static __always_inline int is_sum_partial(const struct sp_pkt *pkt, __u64 pseudo)
{
	__u16 check = 0;

	return pkt->skb->gso_size ||
	       (!bpf_skb_load_bytes(pkt->skb, pkt->l4_off + offsetof(struct tcphdr, check), &check,
				    sizeof(check)) && check == csum_fold16(pseudo));
}

static __always_inline void sum_ack(const struct sp_pkt *pkt, struct skip_ack *a)
{
	__u64 sum = sum_pseudo(pkt);
	int is_partial = is_sum_partial(pkt, sum);

	csum_half_word(&sum, bpf_htons(pkt->doff_bytes + pkt->payload_bytes),
		       bpf_htons(SKIP_ACK_LEN));
	if (!is_partial)
		sum += bpf_csum_diff(0, 0, (__be32 *)a, SKIP_ACK_LEN, 0);
	a->tcp.check = is_partial ? csum_fold16(sum) : ~csum_fold16(sum);
}

/*
 * The packet becomes an acknowledgement of all up to @ack. With another length, the kernel forgets
 * a sum that the card has made.
 */
static __noinline int answer_skipped(struct sp_pkt *pkt, const struct sp_entry *up, __u32 ack)
{
	struct skip_ack a = {};

	if (!up || skip_options(pkt, &a))
		return -SP_DROP_REWRITE_FAILED;
	a.tcp.source = pkt->tuple.dport;
	a.tcp.dest = pkt->tuple.sport;
	a.tcp.seq = bpf_htonl(pkt->ack);
	a.tcp.ack_seq = bpf_htonl(ack);
	a.tcp.doff = SKIP_ACK_LEN / 4;
	a.tcp.ack = 1;
	a.tcp.window = bpf_htons(sp_skip_window(up, ack));
	sum_ack(pkt, &a);
	if (bpf_skb_change_tail(pkt->skb, pkt->l4_off + SKIP_ACK_LEN, 0) ||
	    (pkt->is_v6 && clear_class_v6(pkt)) ||
	    bpf_skb_store_bytes(pkt->skb, pkt->l4_off, &a, SKIP_ACK_LEN, 0))
		return -SP_DROP_REWRITE_FAILED;
	return pkt->is_v6 ? answer_ip_v6(pkt, SKIP_ACK_LEN) : answer_ip_v4(pkt, SKIP_ACK_LEN);
}

static __always_inline int skip_up(const struct sp_pkt *pkt, struct sp_entry *e,
				   const struct sp_entry *down, __u64 now_ns)
{
	__u32 ack = pkt->ack + e->half.ack_delta;

	if ((__s32)(ack - down->state.next_seq) <= 0)
		return 0;
	note_skipped(pkt, &e->state, ack, now_ns);
	return -SP_DROP_SKIPPED_ACK;
}

static __always_inline int skip_down(struct sp_pkt *pkt, struct sp_entry *e, struct sp_entry *up,
				     __u64 now_ns)
{
	__u32 end = pkt->seq + pkt->payload_bytes;
	int is_compared = e->meta.boundary.bound != SP_BOUND_HEAD;
	int err;

	if (pkt->payload_bytes && !is_compared)
		return 0;
	if ((__s32)(end - up->state.last_ack) > 0) {
		e->state.is_skipping = 0;
		up->state.is_skipping = 0;
		return 0;
	}
	note_skipped(pkt, &e->state, pkt->ack + e->half.ack_delta, now_ns);
	if (!pkt->payload_bytes)
		return -SP_DROP_SKIPPED_ACK;
	count_stat(SP_STAT_SKIPPED_BYTES, pkt->payload_bytes);
	err = nexthop_find(pkt, up, now_ns);
	if (err)
		return err;
	err = answer_skipped(pkt, up, e->state.next_seq);
	if (err)
		return err;
	pkt->action = nexthop_send(&up->state);
	return -SP_DROP_SKIPPED;
}

/* A separate function: its key takes no stack in skip_packet(). */
static __noinline struct sp_entry *skip_peer(const struct sp_entry *e)
{
	return e ? peer_of(e) : NULL;
}

/* Return: 0: the packet goes the usual way, as do FIN and RST. */
static __noinline int skip_packet(struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	struct sp_entry *peer;

	if (!pkt || !e)
		return 0;
	peer = skip_peer(e);
	if (!peer || pkt->flags & TH_RST)
		return 0;
	if (!(e->half.flags & SP_HALF_F_FROM_BACKEND))
		return skip_up(pkt, e, peer, now_ns);
	return pkt->flags & TH_FIN ? 0 : skip_down(pkt, e, peer, now_ns);
}

#endif
