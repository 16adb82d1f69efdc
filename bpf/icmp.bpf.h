/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* icmp.bpf.h - ICMP errors about a spliced packet, translated back to whoever sent it (RFC 5508 has the same for NAT). */
#ifndef SP_BPF_ICMP_H
#define SP_BPF_ICMP_H

#include "carry.bpf.h"

/* All that an error must quote of TCP. */
struct quoted_tcp {
	__be16	source;
	__be16	dest;
	__be32	seq;
};

struct quote_v4 {
	struct icmphdr		icmp;
	struct iphdr		ip;
	struct quoted_tcp	tcp;
};

struct quote_v6 {
	struct icmp6hdr		icmp;
	struct ipv6hdr		ip;
	struct quoted_tcp	tcp;
};
_Static_assert(sizeof(struct quote_v6) == 56, "as on the wire");

static __always_inline int is_error_v4(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static __always_inline int is_error_v6(__u8 type)
{
	return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

/*
 * The quoted packet went out of a half B; its reverse is what half A matches,
 * and A's @out is the reverse of what B matched: the packet as it was sent.
 */
static __always_inline void quote_ports(struct quoted_tcp *tcp, const struct sp_half *a)
{
	tcp->source = a->out.dport;
	tcp->dest = a->out.sport;
	tcp->seq = add_be32(tcp->seq, a->ack_delta);
}

static __always_inline __u16 header_csum(struct iphdr *ip)
{
	ip->check = 0;
	return ~csum_fold16(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __noinline int icmp_v4(struct sp_pkt *pkt, __u64 now_ns)
{
	struct quote_v4 old, new;
	struct sp_tuple key = {};
	struct sp_entry *a;
	struct iphdr outer;
	__u32 csum_off = L4_OFF_V4 + offsetof(struct icmphdr, checksum);
	__s64 diff;

	if (bpf_skb_load_bytes(pkt->skb, L4_OFF_V4, &old, sizeof(old)))
		return 0;
	if (!is_error_v4(old.icmp.type) || old.ip.protocol != IPPROTO_TCP)
		return 0;
	if (old.ip.ihl != 5)
		return -SP_DROP_ICMP_SHORT;
	key.saddr = sp_addr_v4(old.ip.daddr);
	key.daddr = sp_addr_v4(old.ip.saddr);
	key.sport = old.tcp.dest;
	key.dport = old.tcp.source;
	a = bpf_map_lookup_elem(&sp_halves, &key);
	if (!a || a->half.flags & SP_HALF_F_TO_DAEMON)
		return 0;
	if (wayout_find(pkt, a, now_ns))
		return -SP_DROP_NO_ROUTE;

	new = old;
	new.ip.saddr = a->half.out.daddr.w[3];
	new.ip.daddr = a->half.out.saddr.w[3];
	quote_ports(&new.tcp, &a->half);
	new.ip.check = header_csum(&new.ip);
	diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
	if (bpf_skb_load_bytes(pkt->skb, sizeof(struct ethhdr), &outer, sizeof(outer)))
		return -SP_DROP_REWRITE_FAILED;
	outer.daddr = a->half.out.daddr.w[3];
	outer.ttl--;
	outer.check = header_csum(&outer);
	if (bpf_skb_store_bytes(pkt->skb, sizeof(struct ethhdr), &outer, sizeof(outer), 0) ||
	    bpf_skb_store_bytes(pkt->skb, L4_OFF_V4, &new, sizeof(new), 0) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(diff & 0xffffffff), 0))
		return -SP_DROP_REWRITE_FAILED;
	pkt->action = wayout_send(&a->use);
	count_stat(SP_STAT_ICMP_TRANSLATED, 1);
	return 0;
}

static __noinline int icmp_v6(struct sp_pkt *pkt, __u64 now_ns)
{
	struct quote_v6 old, new;
	struct sp_tuple key = {};
	struct sp_entry *a;
	struct in6_addr to;
	__u8 hops = pkt->ttl - 1;
	__u32 csum_off = L4_OFF_V6 + offsetof(struct icmp6hdr, icmp6_cksum);
	__s64 diff, outer_diff;

	if (bpf_skb_load_bytes(pkt->skb, L4_OFF_V6, &old, sizeof(old)))
		return 0;
	if (!is_error_v6(old.icmp.icmp6_type) || old.ip.nexthdr != IPPROTO_TCP)
		return 0;
	__builtin_memcpy(&key.saddr, &old.ip.daddr, 16);
	__builtin_memcpy(&key.daddr, &old.ip.saddr, 16);
	key.sport = old.tcp.dest;
	key.dport = old.tcp.source;
	a = bpf_map_lookup_elem(&sp_halves, &key);
	if (!a || a->half.flags & SP_HALF_F_TO_DAEMON)
		return 0;
	if (wayout_find(pkt, a, now_ns))
		return -SP_DROP_NO_ROUTE;

	new = old;
	__builtin_memcpy(&new.ip.saddr, &a->half.out.daddr, 16);
	__builtin_memcpy(&new.ip.daddr, &a->half.out.saddr, 16);
	quote_ports(&new.tcp, &a->half);
	diff = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
	/* the destination of the error itself is part of the pseudo header */
	__builtin_memcpy(&to, &a->half.out.daddr, 16);
	outer_diff = bpf_csum_diff((__be32 *)&pkt->tuple.daddr, 16, (__be32 *)&to, 16, 0);
	if (bpf_skb_store_bytes(pkt->skb, sizeof(struct ethhdr) + offsetof(struct ipv6hdr, daddr), &to, 16, 0) ||
	    bpf_skb_store_bytes(pkt->skb, sizeof(struct ethhdr) + offsetof(struct ipv6hdr, hop_limit), &hops, 1, 0) ||
	    bpf_skb_store_bytes(pkt->skb, L4_OFF_V6, &new, sizeof(new), 0) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(outer_diff & 0xffffffff), BPF_F_PSEUDO_HDR) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(diff & 0xffffffff), 0))
		return -SP_DROP_REWRITE_FAILED;
	pkt->action = wayout_send(&a->use);
	count_stat(SP_STAT_ICMP_TRANSLATED, 1);
	return 0;
}

/**
 * icmp_error() - an ICMP or ICMPv6 packet, which may be an error about a spliced packet
 * Return: 0 (passed to the stack, or translated and sent on), or a reason.
 */
static __always_inline int icmp_error(struct sp_pkt *pkt, __u64 now_ns)
{
	if (pkt->ttl <= 1)
		return 0;
	return pkt->is_v6 ? icmp_v6(pkt, now_ns) : icmp_v4(pkt, now_ns);
}

#endif
