/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* parse.bpf.h - Ethernet, IP and TCP headers into struct sp_pkt. */
#ifndef SP_BPF_PARSE_H
#define SP_BPF_PARSE_H

#include "abi/drop.h"
#include "abi/tuple.h"

/* linux/tcp.h gives the flags as bit-fields; one byte is handier. */
enum {
	TH_FIN = 0x01, TH_SYN = 0x02, TH_RST = 0x04, TH_PSH = 0x08, TH_ACK = 0x10,
	TH_ECE = 0x40, TH_CWR = 0x80,
};

/* The two bits of an IP header: may be marked, and is marked (RFC 3168, 5). */
#define ECN_MASK	3
#define ECN_CE		3

#define L4_OFF_V4	(sizeof(struct ethhdr) + sizeof(struct iphdr))
#define L4_OFF_V6	(sizeof(struct ethhdr) + sizeof(struct ipv6hdr))
#define TCP_HEADER_MAX	60

/**
 * struct sp_pkt - a TCP packet as it came; steps read it, and only rewriting writes to the skb
 * @l4_off:	offset of the TCP or ICMP header in the skb: L4_OFF_V4 or L4_OFF_V6
 * @payload_bytes: of TCP, without padding of the frame
 * @doff_bytes:	of the TCP header
 * @ecn:	ECN_MASK of the IP header
 * @is_recirculated:	an agent has sent it round once
 * @action:	what the program returns when no step has a reason against it
 *
 * Header fields in host order.
 */
struct sp_pkt {
	struct __sk_buff	*skb;
	struct sp_tuple		tuple;
	__u32			l4_off;
	__u32			payload_bytes;
	__u32			seq;
	__u32			ack;
	int			action;
	__u16			window;
	__u8			doff_bytes;
	__u8			flags;
	__u8			ttl;
	__u8			is_v6;
	__u8			ecn;
	__u8			is_recirculated;
};

static __always_inline void *pkt_data(const struct sp_pkt *pkt)
{
	return (void *)(long)pkt->skb->data;
}

static __always_inline void *pkt_end(const struct sp_pkt *pkt)
{
	return (void *)(long)pkt->skb->data_end;
}

/*
 * The TCP header; the mask (L4_OFF_V6 is 54) is for the verifier, which loses the offset's bounds
 * across a call.
 */
static __always_inline void *pkt_l4(const struct sp_pkt *pkt)
{
	__u64 off = pkt->l4_off;

	barrier_var(off);
	return pkt_data(pkt) + (off & 63);
}

/* The first @len bytes become directly readable. */
static __always_inline int pull_in(struct sp_pkt *pkt, __u32 len)
{
	if (pkt_data(pkt) + len <= pkt_end(pkt))
		return 0;
	if (bpf_skb_pull_data(pkt->skb, len))
		return -1;
	return 0;
}

/*
 * Return: protocol behind the header, 0 for a packet of no interest, or a reason. @ret_l4_len:
 * bytes behind the header.
 */
static __always_inline int parse_v4(struct sp_pkt *pkt, __u32 *ret_l4_len)
{
	struct iphdr *ip = pkt_data(pkt) + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > pkt_end(pkt))
		return 0;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_ICMP)
		return 0;
	if (ip->frag_off & bpf_htons(0x3fff))
		return -SP_DROP_FRAGMENT;
	if (ip->ihl != 5 || ip->version != 4)
		return -SP_DROP_IP_OPTIONS;
	pkt->tuple.saddr = sp_addr_v4(ip->saddr);
	pkt->tuple.daddr = sp_addr_v4(ip->daddr);
	pkt->ttl = ip->ttl;
	pkt->ecn = ip->tos & ECN_MASK;
	pkt->l4_off = L4_OFF_V4;
	/* 0: a superpacket too large for the field */
	*ret_l4_len = ip->tot_len ? bpf_ntohs(ip->tot_len) - sizeof(*ip) : pkt->skb->len - L4_OFF_V4;
	return ip->protocol;
}

static __always_inline int parse_v6(struct sp_pkt *pkt, __u32 *ret_l4_len)
{
	struct ipv6hdr *ip = pkt_data(pkt) + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > pkt_end(pkt))
		return 0;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return -SP_DROP_FRAGMENT;
	if (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_ICMPV6)
		return 0;
	__builtin_memcpy(&pkt->tuple.saddr, &ip->saddr, 32);
	/* would be taken for IPv4; on no wire by RFC 4291, 2.5.5.2 */
	if (sp_addr_is_v4(&pkt->tuple.saddr) || sp_addr_is_v4(&pkt->tuple.daddr))
		return 0;
	pkt->ttl = ip->hop_limit;
	pkt->ecn = ip->flow_lbl[0] >> 4 & ECN_MASK;
	pkt->l4_off = L4_OFF_V6;
	pkt->is_v6 = 1;
	*ret_l4_len = ip->payload_len ? bpf_ntohs(ip->payload_len) : pkt->skb->len - L4_OFF_V6;
	return ip->nexthdr;
}

static __always_inline int parse_tcp(struct sp_pkt *pkt, __u32 l4_len)
{
	struct tcphdr *tcp = pkt_l4(pkt);

	if ((void *)(tcp + 1) > pkt_end(pkt))
		return 0;
	pkt->tuple.sport = tcp->source;
	pkt->tuple.dport = tcp->dest;
	pkt->seq = bpf_ntohl(tcp->seq);
	pkt->ack = bpf_ntohl(tcp->ack_seq);
	pkt->window = bpf_ntohs(tcp->window);
	pkt->flags = ((__u8 *)tcp)[13];
	pkt->doff_bytes = tcp->doff * 4;
	pkt->payload_bytes = l4_len - pkt->doff_bytes;
	return IPPROTO_TCP;
}

static __always_inline int is_syn(const struct sp_pkt *pkt)
{
	return (pkt->flags & (TH_SYN | TH_ACK)) == TH_SYN;
}

/*
 * A packet of ours with wrong lengths. The check comes after the lookup: damage in foreign packets
 * is not our matter.
 */
static __always_inline int is_damaged(const struct sp_pkt *pkt)
{
	return pkt->doff_bytes < sizeof(struct tcphdr) ||
	       pkt->payload_bytes > pkt->skb->len ||
	       pkt->l4_off + pkt->doff_bytes + pkt->payload_bytes > pkt->skb->len;
}

/*
 * A tag that the card or the kernel has taken out of the frame. VLAN 0 is no VLAN: the tag bears
 * a priority only (IEEE 802.1Q, 9.6), and must not travel on; an inner tag takes its place.
 * Inside of a VLAN, an inner tag stays in the frame, which is not IP.
 */
static __always_inline int is_of_vlan(struct __sk_buff *skb)
{
	return skb->vlan_present &&
	       ((skb->vlan_tci & 0x0fff) || bpf_skb_vlan_pop(skb) || skb->vlan_present);
}

/**
 * parse_packet() - fill @pkt
 * Return: IPPROTO_TCP, IPPROTO_ICMP or IPPROTO_ICMPV6; 0 for a packet of no interest; a negative
 * reason.
 */
static __always_inline int parse_packet(struct sp_pkt *pkt)
{
	__u32 l4_len = 0;
	int proto = 0;

	if (pkt->skb->protocol == bpf_htons(ETH_P_IP))
		proto = pull_in(pkt, L4_OFF_V4 + sizeof(struct tcphdr)) ? 0 :
			parse_v4(pkt, &l4_len);
	else if (pkt->skb->protocol == bpf_htons(ETH_P_IPV6))
		proto = pull_in(pkt, L4_OFF_V6 + sizeof(struct tcphdr)) ? 0 :
			parse_v6(pkt, &l4_len);
	return proto == IPPROTO_TCP ? parse_tcp(pkt, l4_len) : proto;
}

#endif
