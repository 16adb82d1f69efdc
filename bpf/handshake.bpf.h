/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * handshake.bpf.h - client to service before the splice: SYNs are answered with a cookie, later
 * segments go to the daemon.
 */
#ifndef SP_BPF_HANDSHAKE_H
#define SP_BPF_HANDSHAKE_H

#include "abi/cookie.h"
#include "csum.bpf.h"
#include "limit.bpf.h"
#include "options.bpf.h"
#include "upcall.bpf.h"

/*
 * MSS; SACK permitted or NOPs; timestamps or NOPs; NOP, window scale or NOPs. NOPs keep the length
 * constant.
 */
#define SYNACK_LEN	40
#define SYNACK_TTL	64
#define SYN_DATA_PIECE	128
#define SYN_DATA_PIECES	512	/* 64 KiB: more than a packet holds */

static __always_inline const struct sp_control *control_entry(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sp_control, &zero);
}

static __always_inline int daemon_is_stale(const struct sp_control *c, __u64 now_ns)
{
	return now_ns - c->heartbeat_ns > SP_HEARTBEAT_STALE_NS && now_ns > c->heartbeat_ns;
}

static __always_inline void synack_options(__u8 opt[20], const struct sp_options *o,
					   const struct sp_service *svc, __u32 tsval)
{
	__builtin_memset(opt, TCPOPT_NOP, 20);
	opt[0] = TCPOPT_MSS;
	opt[1] = 4;
	opt[2] = svc->mss >> 8;
	opt[3] = svc->mss & 0xff;
	if (o->is_sack_ok && svc->flags & SP_SERVICE_F_SACK) {
		opt[4] = TCPOPT_SACK_OK;
		opt[5] = 2;
	}
	if (o->ts_off && svc->flags & SP_SERVICE_F_TIMESTAMPS) {
		opt[6] = TCPOPT_TS;
		opt[7] = 10;
		*(__be32 *)(opt + 8) = bpf_htonl(tsval);
		__builtin_memcpy(opt + 12, o->tsval, 4);
	}
	if (o->wscale != TCP_NO_WSCALE && svc->flags & SP_SERVICE_F_WSCALE) {
		opt[17] = TCPOPT_WSCALE;
		opt[18] = 3;
		opt[19] = svc->wscale;
	}
}

/*
 * The clock of our timestamps starts elsewhere for each pair of addresses: clients cannot learn
 * the machine's uptime. A separate function, like synack_isn(): answer_syn() keeps stack for the
 * answer.
 */
static __noinline __u32 tsval_offset(const struct sp_pkt *pkt, const struct sp_control *c)
{
	const struct sp_tuple *t = &pkt->tuple;
	__u64 words[4] = {
		(__u64)t->saddr.w[0] << 32 | t->saddr.w[1],
			(__u64)t->saddr.w[2] << 32 | t->saddr.w[3],
		(__u64)t->daddr.w[0] << 32 | t->daddr.w[1],
		(__u64)t->daddr.w[2] << 32 | t->daddr.w[3],
	};

	return c ? sp_siphash_words(c->cookie_key[0], words, 4) : 0;
}

/* ECN of a SYN. A client that asks for AccECN continues with classic ECN (RFC 9768, 3.1.2). */
static __always_inline int is_ecn_agreed(const struct sp_pkt *pkt, const struct sp_service *svc)
{
	const __u8 both = TH_ECE | TH_CWR;

	return (pkt->flags & both) == both && svc->flags & SP_SERVICE_F_ECN;
}

/* RFC 9293, 3.7.1 */
#define MSS_DEFAULT_V4	536
#define MSS_DEFAULT_V6	1220

/* Options that a cookie of a small MSS cannot hold are not agreed to. Return: the cookie's data. */
static __noinline __u32 cookie_data(struct sp_pkt *pkt, struct sp_options *o,
				    const struct sp_service *svc)
{
	__u16 mss = o->mss ?: pkt->is_v6 ? MSS_DEFAULT_V6 : MSS_DEFAULT_V4;
	__u8 wscale = SP_COOKIE_WSCALE_NONE, data;

	if (!svc)
		return 0;
	if (o->wscale != TCP_NO_WSCALE && svc->flags & SP_SERVICE_F_WSCALE)
		wscale = o->wscale;
	data = sp_cookie_data(sp_cookie_mss_class(mss, svc->mss_max), wscale,
			      o->is_sack_ok && svc->flags & SP_SERVICE_F_SACK);
	if (!sp_cookie_mss_is_small(mss, svc->mss_max))
		return data | (is_ecn_agreed(pkt, svc) ? SP_COOKIE_DATA_ECN : 0);
	pkt->flags &= ~(TH_ECE | TH_CWR);
	if (sp_cookie_mss_is_tiny(mss)) {
		o->wscale = TCP_NO_WSCALE;
		o->is_sack_ok = 0;
	}
	return sp_cookie_data_small(mss, data) | SP_COOKIE_DATA_SMALL;
}

static __noinline __u32 synack_isn(const struct sp_pkt *pkt, __u32 data, const struct sp_control *c)
{
	struct sp_cookie_in in = { .tuple = pkt->tuple, .client_isn = pkt->seq };

	return c ? sp_cookie_make(c->cookie_key[0], &in, c->period, data) : 0;
}

/* The TCP header of the answer replaces the SYN's header. The checksum stays. */
static __always_inline void synack_header(const struct sp_pkt *pkt, const struct sp_service *svc,
					  __u32 isn,
					  struct tcphdr *tcp)
{
	__sum16 check = tcp->check;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = pkt->tuple.dport;
	tcp->dest = pkt->tuple.sport;
	tcp->seq = bpf_htonl(isn);
	tcp->ack_seq = bpf_htonl(pkt->seq + 1);
	tcp->doff = SYNACK_LEN / 4;
	tcp->syn = 1;
	tcp->ack = 1;
	tcp->ece = is_ecn_agreed(pkt, svc);
	tcp->window = bpf_htons(svc->window);
	tcp->check = check;
}

/* The header checksum is made anew: the SYN's own must be right (RFC 1122, 3.2.1.2). */
static __always_inline int answer_ip_v4(struct sp_pkt *pkt, __u16 l4_len)
{
	struct iphdr *ip = pkt_data(pkt) + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > pkt_end(pkt))
		return -SP_DROP_REWRITE_FAILED;
	if (csum_fold16(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0)) != 0xffff)
		return -SP_DROP_BAD_HEADER;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + l4_len);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = SYNACK_TTL;
	ip->check = 0;
	ip->saddr = pkt->tuple.daddr.w[3];
	ip->daddr = pkt->tuple.saddr.w[3];
	ip->check = ~csum_fold16(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
	return 0;
}

static __always_inline int answer_ip_v6(struct sp_pkt *pkt, __u16 l4_len)
{
	struct ipv6hdr *ip = pkt_data(pkt) + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > pkt_end(pkt))
		return -SP_DROP_REWRITE_FAILED;
	ip->payload_len = bpf_htons(l4_len);
	ip->hop_limit = SYNACK_TTL;
	__builtin_memcpy(&ip->saddr, &pkt->tuple.daddr, 16);
	__builtin_memcpy(&ip->daddr, &pkt->tuple.saddr, 16);
	return 0;
}

/* Checksum difference of the changes that answer_ip_v6() makes, except for the length. */
static __always_inline __u64 answer_csum_v6(const struct sp_pkt *pkt)
{
	__u64 sum = 0;

	csum_half_word(&sum, bpf_htons(pkt->ttl), bpf_htons(SYNACK_TTL));
	return sum;
}

/* Class and flow label are the client's, and do not belong in the answer. */
static __always_inline int clear_class_v6(const struct sp_pkt *pkt)
{
	__be32 word = bpf_htonl(6 << 28);

	return bpf_skb_store_bytes(pkt->skb, sizeof(struct ethhdr), &word, sizeof(word),
				   BPF_F_RECOMPUTE_CSUM) ?
		-SP_DROP_REWRITE_FAILED : 0;
}

static __always_inline int answer_ethernet(struct sp_pkt *pkt)
{
	struct ethhdr *eth = pkt_data(pkt);
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > pkt_end(pkt))
		return -SP_DROP_REWRITE_FAILED;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 0;
}

/*
 * Turn the SYN in the skb into the answer. The checksum changes by differences: right for a SYN
 * with a whole checksum and, from a local stack, for one with the pseudo header's alone. Swapped
 * addresses make no difference.
 * @removed: difference by the removed header of the SYN
 */
static __noinline int answer_in_place(struct sp_pkt *pkt, __u8 answer[SYNACK_LEN], __u32 removed)
{
	__u32 csum_off = pkt->l4_off + offsetof(struct tcphdr, check);
	__s64 content = bpf_csum_diff(0, 0, (__be32 *)answer, SYNACK_LEN, removed);
	__u64 length = 0;

	csum_half_word(&length, bpf_htons(pkt->doff_bytes + pkt->payload_bytes),
		       bpf_htons(SYNACK_LEN));
	if (bpf_skb_change_tail(pkt->skb, pkt->l4_off + SYNACK_LEN, 0) ||
	    (pkt->is_v6 && clear_class_v6(pkt)) ||
	    bpf_skb_store_bytes(pkt->skb, pkt->l4_off, answer, SYNACK_LEN, 0) ||
	    csum_replace_pseudo(pkt, csum_off, csum_fold32(length), length + answer_csum_v6(pkt)) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(content & 0xffffffff), 0))
		return -SP_DROP_REWRITE_FAILED;
	return (pkt->is_v6 ? answer_ip_v6(pkt, SYNACK_LEN) : answer_ip_v4(pkt, SYNACK_LEN)) ?:
	       answer_ethernet(pkt);
}

/* @sum: difference by removal of the bytes before @off */
struct syn_data {
	__u8		piece[SYN_DATA_PIECE];
	struct __sk_buff *skb;
	__u32		off;
	__u32		left;
	__s64		sum;
};

static long data_step(__u32 i, struct syn_data *d)
{
	__u64 last = (__u64)(d->left < SYN_DATA_PIECE ? d->left : SYN_DATA_PIECE) - 1;

	barrier_var(last);	/* see upcall_sized() */
	if (last >= SYN_DATA_PIECE)
		return 1;
	__builtin_memset(d->piece, 0, SYN_DATA_PIECE);
	if (bpf_skb_load_bytes(d->skb, d->off, d->piece, last + 1))
		return 1;
	d->sum = bpf_csum_diff((__be32 *)d->piece, SYN_DATA_PIECE, 0, 0, d->sum);
	d->off += last + 1;
	d->left -= last + 1;
	return 0;
}

/*
 * The client retransmits data of a SYN (RFC 7413, 4.1.3; RFC 9293, 3.10.7.2). The data will be cut
 * off. Here they leave the checksum: a right sum stays right, a wrong sum wrong.
 */
static __noinline int forget_data(const struct sp_pkt *pkt)
{
	__u32 csum_off = pkt->l4_off + offsetof(struct tcphdr, check);
	struct syn_data d __attribute__((aligned(8))) = {
		.skb = pkt->skb, .off = pkt->l4_off + pkt->doff_bytes, .left = pkt->payload_bytes,
	};

	bpf_loop(SYN_DATA_PIECES, data_step, &d, 0);
	if (d.left ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(d.sum & 0xffffffff), 0))
		return -SP_DROP_REWRITE_FAILED;
	return 0;
}

/* The answer takes the place of the SYN's header in @o: two buffers are too much for the stack. */
static __noinline int answer_syn(struct sp_pkt *pkt, const struct sp_service *svc,
				 const struct sp_control *c,
				 __u64 now_ns)
{
	struct sp_options o __attribute__((aligned(8)));
	__u32 isn, removed;

	if (!svc || !c)
		return -SP_DROP_BAD_SYN;
	if (pkt->flags & (TH_FIN | TH_RST | TH_ACK) || options_find(pkt, &o))
		return -SP_DROP_BAD_SYN;
	isn = synack_isn(pkt, cookie_data(pkt, &o, svc), c);
	removed = bpf_csum_diff((__be32 *)o.hdr, TCP_HEADER_MAX, 0, 0, 0);
	synack_header(pkt, svc, isn, (struct tcphdr *)o.hdr);
	synack_options(o.hdr + sizeof(struct tcphdr), &o, svc,
		       now_ns / 1000000 + tsval_offset(pkt, c));
	return answer_in_place(pkt, o.hdr, removed);
}

static __noinline enum sp_cookie read_cookie(const struct sp_pkt *pkt, const struct sp_control *c)
{
	struct sp_cookie_in in = { .tuple = pkt->tuple, .client_isn = pkt->seq - 1 };
	enum sp_cookie cookie;

	if (!c)
		return SP_COOKIE_INVALID;
	cookie = sp_cookie_read(c->cookie_key[0], &in, c->period, pkt->ack - 1);
	if (!cookie && c->key_count > 1)
		cookie = sp_cookie_read(c->cookie_key[1], &in, c->period, pkt->ack - 1);
	return cookie;
}

static __always_inline int ask_about(struct sp_pkt *pkt, __u64 now_ns)
{
	int err;

	if (!upcall_is_allowed(UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_MISS, upcall_whole(pkt), 0, 0);
	return err ? err : -SP_DROP_MISS;
}

/*
 * Segments after the SYN-ACK. An RST is sent only once, and may end a connection of the daemon or
 * of another proxy.
 */
static __always_inline int front_segment(struct sp_pkt *pkt, const struct sp_service *svc,
					 const struct sp_control *c, __u64 now_ns)
{
	enum sp_cookie cookie;
	int err;

	if (pkt->flags & TH_RST)
		return ask_about(pkt, now_ns);
	if (!(pkt->flags & TH_ACK))
		return -SP_DROP_BAD_HEADER;
	cookie = read_cookie(pkt, c);
	if (!cookie)
		return ask_about(pkt, now_ns);
	if (!pkt->payload_bytes && !(pkt->flags & TH_FIN) &&
	    !(svc->flags & SP_SERVICE_F_SERVER_FIRST))
		return -SP_DROP_ACK_EMPTY;
	if (svc->flags & SP_SERVICE_F_REFUSES) {
		err = limit_first(pkt, svc, now_ns);
		if (err)
			return err;
	}
	err = send_up(pkt, SP_EVENT_FRONT, upcall_whole(pkt), cookie, 0);
	return err ? err : -SP_DROP_HEAD;
}

static __always_inline int is_martian_v4(__u32 addr)
{
	__u32 net = addr >> 24;

	return !net || net == 127 || addr >> 28 == 14 || addr == 0xffffffff;
}

/* Martians include link-local addresses: a splice has no link for the answer. */
static __always_inline int is_martian_v6(const struct sp_addr *a)
{
	__u32 first = bpf_ntohl(a->w[0]);

	return first >> 24 == 0xff || first >> 22 == 0x3fa || (!a->w[0] && !a->w[1] && !a->w[2]);
}

/*
 * A source that no host may have (RFC 1122, 3.2.1.3; RFC 4291, 2.7), or the service's own address.
 */
static __always_inline int is_martian(const struct sp_pkt *pkt)
{
	const struct sp_addr *from = &pkt->tuple.saddr;

	return sp_addr_equal(from, &pkt->tuple.daddr) ||
	       (pkt->is_v6 ? is_martian_v6(from) : is_martian_v4(bpf_ntohl(from->w[3])));
}

/* The stack gets SYNs at interfaces that spliced leaves. */
static __noinline int is_leaving(const struct sp_pkt *pkt)
{
	__u32 ifindex = pkt ? pkt->skb->ifindex : 0;

	return !!bpf_map_lookup_elem(&sp_leaving, &ifindex);
}

/* The answer would leave in clear, and so would all later packets. */
static __noinline int is_answer_forbidden(const struct sp_pkt *pkt)
{
	struct sp_tuple out;

	if (!pkt)
		return 1;
	out = sp_tuple_reverse(&pkt->tuple);
	return is_forbidden(&out);
}

/**
 * from_client() - a packet from a client to a service, without a half
 * Return: a reason; for SYN_ANSWERED the packet has become the answer. 0: the stack gets it.
 */
static __always_inline int from_client(struct sp_pkt *pkt, const struct sp_service *svc,
				       __u64 now_ns)
{
	const struct sp_control *c = control_entry();
	int err;

	if (!c || daemon_is_stale(c, now_ns))
		return -SP_DROP_DAEMON_STALE;
	if (is_damaged(pkt))
		return -SP_DROP_BAD_HEADER;
	if (is_martian(pkt))
		return -SP_DROP_MARTIAN;
	if (!(pkt->flags & TH_SYN))
		return front_segment(pkt, svc, c, now_ns);
	if (is_leaving(pkt))
		return 0;
	if (c->is_full)
		return -SP_DROP_TABLE_FULL;
	if (is_answer_forbidden(pkt))
		return -SP_DROP_IPSEC;
	err = svc->flags & SP_SERVICE_F_REFUSES ? limit_syn(pkt, svc, now_ns) : 0;
	if (err)
		return err;
	err = pkt->payload_bytes ? forget_data(pkt) : 0;
	err = err ?: answer_syn(pkt, svc, c, now_ns);
	if (err)
		return err;
	if (svc->flags & SP_SERVICE_F_SERVER_FIRST && upcall_is_allowed(UPCALL_HANDSHAKE, now_ns))
		send_up(pkt, SP_EVENT_SYNACK, upcall_whole(pkt), 0, 0);
	pkt->action = bpf_redirect(pkt->skb->ifindex, 0);
	return -SP_DROP_SYN_ANSWERED;
}

#endif
