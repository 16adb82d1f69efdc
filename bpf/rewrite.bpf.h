/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rewrite.bpf.h - applies a half to a packet: addresses, ports, numbers, options, window,
 * checksums.
 */
#ifndef SP_BPF_REWRITE_H
#define SP_BPF_REWRITE_H

#include "abi/half.h"
#include "csum.bpf.h"
#include "options.bpf.h"

/* The layouts of nearly every segment: NOP NOP TS, NOP NOP SACK. */
#define NOP_NOP_TS	bpf_htonl(0x0101080a)
#define NOP_NOP_SACK	bpf_htonl(0x01010500)

static __always_inline __be32 add_be32(__be32 word, __u32 delta)
{
	return bpf_htonl(bpf_ntohl(word) + delta);
}

/* The word is changed in place; the difference goes to @sum. */
static __always_inline void shift_word(__be32 *word, __u32 delta, __u64 *sum)
{
	__be32 new = add_be32(*word, delta);

	csum_word(sum, *word, new);
	*word = new;
}

static __always_inline void rewrite_ip_v4(struct iphdr *ip, const struct sp_entry *e)
{
	__u64 sum = (__u16)~ip->check;

	/* the TTL is the high byte of its word */
	sum += e->state.addr_csum;
	sum += bpf_htons(0xfeff);
	ip->saddr = e->half.out.saddr.w[3];
	ip->daddr = e->half.out.daddr.w[3];
	ip->ttl--;
	ip->check = ~csum_fold16(sum);
}

/* Clear ECT, so that routers drop instead of setting marks that no receiver would report. */
static __always_inline void clear_ect_v4(struct iphdr *ip)
{
	__be16 word = *(__be16 *)ip, cleared = word & bpf_htons(0xffff & ~ECN_MASK);
	__u64 sum = (__u16)~ip->check;

	csum_half_word(&sum, word, cleared);
	*(__be16 *)ip = cleared;
	ip->check = ~csum_fold16(sum);
}

static __always_inline int rewrite_ip(struct sp_pkt *pkt, const struct sp_entry *e)
{
	int is_not_ect = pkt->ecn && e->half.flags & SP_HALF_F_NOT_ECT;
	void *ip = pkt_data(pkt) + sizeof(struct ethhdr);

	if (pkt->is_v6) {
		struct ipv6hdr *ip6 = ip;

		if ((void *)(ip6 + 1) > pkt_end(pkt))
			return -SP_DROP_REWRITE_FAILED;
		__builtin_memcpy(&ip6->saddr, &e->half.out.saddr, 32);
		ip6->hop_limit--;
		if (is_not_ect)
			ip6->flow_lbl[0] &= ~(ECN_MASK << 4);
		return 0;
	}
	if (ip + sizeof(struct iphdr) > pkt_end(pkt))
		return -SP_DROP_REWRITE_FAILED;
	if (is_not_ect)
		clear_ect_v4(ip);
	rewrite_ip_v4(ip, e);
	return 0;
}

/* Checksum difference of the changes that rewrite_ip() makes to an IPv6 header. */
static __always_inline __u64 header_csum_v6(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	__u64 sum = (__u64)e->state.addr_csum + CSUM_HOP_LESS;

	if (e->half.flags & SP_HALF_F_NOT_ECT)
		csum_half_word(&sum, csum_ecn_v6(pkt), 0);
	return sum;
}

static __always_inline void rewrite_window(const struct sp_pkt *pkt, struct tcphdr *tcp,
					   struct sp_entry *e, __u64 *sum)
{
	__u16 w = sp_half_window(&e->half, pkt->window, e->state.is_wide);
	__be16 window = bpf_htons(w);

	if (w > 1 && !e->state.is_wide)
		e->state.is_wide = 1;
	csum_half_word(sum, tcp->window, window);
	tcp->window = window;
}

static __always_inline int has_change(const struct sp_entry *e)
{
	return (e->half.flags & (SP_HALF_F_REQUESTS | SP_HALF_F_FROM_BACKEND)) ==
	       (SP_HALF_F_REQUESTS | SP_HALF_F_FROM_BACKEND) && e->meta.change.bytes;
}

static __always_inline void shift_ack(__be32 *word, const struct sp_entry *e, __u64 *sum)
{
	__u32 ack = bpf_ntohl(*word), delta = e->half.ack_delta;

	if (has_change(e))
		delta = sp_change_ack(&e->meta.change, ack + delta) - ack;
	shift_word(word, delta, sum);
}

static __always_inline void shift_edge(__be32 *word, const struct sp_entry *e, __u64 *sum)
{
	__u32 edge = bpf_ntohl(*word), delta = e->half.ack_delta;

	if (has_change(e))
		delta = sp_change_edge(&e->meta.change, edge + delta) - edge;
	shift_word(word, delta, sum);
}

/* Ports, sequence and acknowledgement number, window. */
static __always_inline void rewrite_tcp(const struct sp_pkt *pkt, struct tcphdr *tcp,
					struct sp_entry *e, __u64 *sum)
{
	const struct sp_half *h = &e->half;

	tcp->source = h->out.sport;
	tcp->dest = h->out.dport;
	shift_word(&tcp->seq, h->seq_delta, sum);
	if (pkt->flags & TH_ACK)
		shift_ack(&tcp->ack_seq, e, sum);
	if (h->window_shift && !(pkt->flags & TH_SYN))
		rewrite_window(pkt, tcp, e, sum);
}

/* @word: TSval, then TSecr. TSecr is void (0) in a SYN. */
static __always_inline void rewrite_ts(__be32 word[2], const struct sp_half *h, __u64 *sum)
{
	shift_word(&word[0], h->tsval_delta, sum);
	if (word[1])
		shift_word(&word[1], h->tsecr_delta, sum);
}

/*
 * Blocks behind "NOP NOP SACK" at @off. Return: bytes of the option with its NOPs, or 0 for
 * another layout.
 */
static __always_inline __u32 rewrite_sack_at(const struct sp_pkt *pkt, void *tcp, __u32 off,
					     const struct sp_entry *e, __u64 *sum)
{
	__be32 *word = tcp + off;
	__u32 len;

	if ((void *)(word + 1) > pkt_end(pkt) || (*word & bpf_htonl(0xffffff00)) != NOP_NOP_SACK)
		return 0;
	len = bpf_ntohl(*word) & 0xff;
	if (len < 10 || (len & 7) != 2 || off + 2 + len != pkt->doff_bytes)
		return 0;
#pragma unroll
	for (__u32 i = 0; i < SACK_BLOCKS_MAX; i++) {
		__be32 *edge = word + 1 + 2 * i;

		if (len < 10 + 8 * i)
			break;
		if ((void *)(edge + 2) > pkt_end(pkt))
			return 0;
		shift_edge(&edge[0], e, sum);
		shift_edge(&edge[1], e, sum);
	}
	return 2 + len;
}

/* Packets may be reordered: the client drops what is older than the latest (RFC 7323, 5). */
static __always_inline void note_tsval(struct sp_entry *e, __u32 tsval)
{
	if (!e->meta.tsval || (__s32)(tsval - e->meta.tsval) > 0)
		e->meta.tsval = tsval;
}

/*
 * Return: 1 if the options had a usual layout and are done. 0 if all are still to do: no option
 * was touched.
 */
static __always_inline int rewrite_usual_options(const struct sp_pkt *pkt, void *tcp,
						 struct sp_entry *e, __u64 *sum)
{
	const __u8 read = SP_HALF_F_REQUESTS | SP_HALF_F_FROM_BACKEND;
	const struct sp_half *h = &e->half;
	__be32 *word = tcp + sizeof(struct tcphdr);

	if (pkt->doff_bytes == sizeof(struct tcphdr))
		return 1;
	if ((void *)(word + 3) > pkt_end(pkt) || word[0] != NOP_NOP_TS)
		return rewrite_sack_at(pkt, tcp, 20, e, sum) != 0;
	if (pkt->doff_bytes != 32 && !rewrite_sack_at(pkt, tcp, 32, e, sum))
		return 0;
	rewrite_ts(word + 1, h, sum);
	if ((h->flags & read) == read)
		note_tsval(e, bpf_ntohl(word[1]));
	return 1;
}

/* TSval and TSecr at @off, at any alignment. */
static __always_inline int rewrite_odd_ts(const struct sp_pkt *pkt, __u32 off,
					  const struct sp_half *h, __u64 *sum)
{
	__be32 word[2];
	__u64 diff = 0;

	off += pkt->l4_off;
	if (bpf_skb_load_bytes(pkt->skb, off, word, sizeof(word)))
		return -SP_DROP_REWRITE_FAILED;
	rewrite_ts(word, h, &diff);
	if (bpf_skb_store_bytes(pkt->skb, off, word, sizeof(word), 0))
		return -SP_DROP_REWRITE_FAILED;
	*sum += off & 1 ? csum_swap(diff) : csum_fold32(diff);
	return 0;
}

/* The two edges of a SACK block at @off, at any alignment. */
static __always_inline int rewrite_block(const struct sp_pkt *pkt, __u32 off,
					 const struct sp_entry *e, __u64 *sum)
{
	__be32 edge[2];
	__u64 diff = 0;

	off += pkt->l4_off;
	if (bpf_skb_load_bytes(pkt->skb, off, edge, sizeof(edge)))
		return -SP_DROP_REWRITE_FAILED;
	shift_edge(&edge[0], e, &diff);
	shift_edge(&edge[1], e, &diff);
	if (bpf_skb_store_bytes(pkt->skb, off, edge, sizeof(edge), 0))
		return -SP_DROP_REWRITE_FAILED;
	*sum += off & 1 ? csum_swap(diff) : csum_fold32(diff);
	return 0;
}

/*
 * Unusual layouts. A global function: inlined, its paths would multiply with the caller's paths
 * (clang 16, kernel 6.18).
 */
static __noinline int rewrite_odd_options(const struct sp_pkt *pkt, const struct sp_entry *e,
					  __u64 *sum)
{
	struct sp_options o;
	int err = options_find(pkt, &o);

	if (!err && o.ts_off)
		err = rewrite_odd_ts(pkt, o.ts_off + 2, &e->half, sum);
	for (int i = 0; i < SACK_BLOCKS_MAX; i++) {
		if (err || i >= o.sack_blocks)
			break;
		err = rewrite_block(pkt, o.sack_at[i], e, sum);
	}
	return err;
}

/**
 * rewrite_packet() - apply a half to the packet
 * @e:	half, and the checksum differences of its addresses and ports
 *
 * Invalidates pointers into the packet.
 * Return: 0, or a reason; the packet is damaged then and must be dropped.
 */
static __always_inline int rewrite_packet(struct sp_pkt *pkt, struct sp_entry *e)
{
	__u64 sum = e->state.port_csum;
	__u32 csum_off = pkt->l4_off + offsetof(struct tcphdr, check);
	struct tcphdr *tcp;
	int err;

	if (pull_in(pkt, pkt->l4_off + pkt->doff_bytes))
		return -SP_DROP_REWRITE_FAILED;
	err = rewrite_ip(pkt, e);
	if (err)
		return err;
	tcp = pkt_l4(pkt);
	if ((void *)(tcp + 1) > pkt_end(pkt))
		return -SP_DROP_REWRITE_FAILED;
	rewrite_tcp(pkt, tcp, e, &sum);
	if (!(e->half.flags & SP_HALF_F_ADOPTED) &&
	    !rewrite_usual_options(pkt, tcp, e, &sum))
		err = rewrite_odd_options(pkt, e, &sum);
	if (err || csum_replace_pseudo(pkt, csum_off, e->state.addr_csum, header_csum_v6(pkt, e)) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(sum), 0))
		return err ? err : -SP_DROP_REWRITE_FAILED;
	return 0;
}

#endif
