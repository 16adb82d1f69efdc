/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * icmp.bpf.h - ICMP errors about a spliced packet, translated back to its sender (RFC 5508 has the
 * same for NAT).
 */
#ifndef SP_BPF_ICMP_H
#define SP_BPF_ICMP_H

#include "carry.bpf.h"
#include "csum.bpf.h"

/* The part of TCP that every error quotes. */
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

#define QUOTES_STRANGER	1	/* beside 0 and the negative reasons */

/* Lengths with the IP header in front. */
#define QUOTE_V4_LEN	(sizeof(struct iphdr) + sizeof(struct quote_v4))
#define QUOTE_V6_LEN	(sizeof(struct ipv6hdr) + sizeof(struct quote_v6))

static __always_inline int is_error_v4(__u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static __always_inline int is_error_v6(__u8 type)
{
	return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

/*
 * The quoted packet left by a half B. Half A matches the reverse of the quote, and the reverse of
 * A's @out is the packet as sent, before B. A separate function: its key would not fit into the
 * callers' stack.
 */
static __noinline struct sp_entry *half_of_quote(const struct sp_addr *saddr,
						 const struct sp_addr *daddr,
						      const struct quoted_tcp *tcp)
{
	struct sp_tuple key = { .saddr = *daddr, .daddr = *saddr, .sport = tcp->dest,
				.dport = tcp->source };
	struct sp_entry *a = bpf_map_lookup_elem(&sp_halves, &key);

	return a && !(a->half.flags & SP_HALF_F_TO_DAEMON) ? a : NULL;
}

static __always_inline int is_to_shared_service(const struct sp_tuple *t)
{
	struct sp_listen at = { .addr = t->daddr, .port = t->dport };
	const struct sp_service *svc = bpf_map_lookup_elem(&sp_services, &at);

	return svc && svc->flags & SP_SERVICE_F_SHARED;
}

/* The tuple is for quotes_stranger(), which is called when the quotes are off the stack. */
static __always_inline int is_stranger(struct sp_pkt *pkt, const struct sp_addr *saddr,
				       const struct sp_addr *daddr,
				       const struct quoted_tcp *tcp)
{
	pkt->tuple.saddr = *daddr;
	pkt->tuple.daddr = *saddr;
	pkt->tuple.sport = tcp->dest;
	pkt->tuple.dport = tcp->source;
	return QUOTES_STRANGER;
}

/*
 * No half matches the reverse of the quoted packet. Perhaps the daemon has sent the packet before
 * the splice. Or a router has led the error to another proxy than the packets (RFC 7690).
 */
static __noinline int quotes_stranger(struct sp_pkt *pkt, __u64 now_ns)
{
	int err;

	if (!is_to_snat(&pkt->tuple) && !is_to_shared_service(&pkt->tuple) &&
	    !is_from_origin(&pkt->tuple) &&
	    !bpf_map_lookup_elem(&sp_halves, &pkt->tuple))
		return 0;
	if (!upcall_is_allowed(UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_QUOTE, pkt->is_v6 ? QUOTE_V6_LEN : QUOTE_V4_LEN, 0, 0);
	return err ? err : -SP_DROP_QUOTE;
}

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

static __always_inline void quote_v4(struct quote_v4 *q, const struct sp_half *a)
{
	q->ip.saddr = a->out.daddr.w[3];
	q->ip.daddr = a->out.saddr.w[3];
	q->ip.check = header_csum(&q->ip);
	quote_ports(&q->tcp, a);
}

static __always_inline void quote_v6(struct quote_v6 *q, const struct sp_half *a)
{
	__builtin_memcpy(&q->ip.saddr, &a->out.daddr, 16);
	__builtin_memcpy(&q->ip.daddr, &a->out.saddr, 16);
	quote_ports(&q->tcp, a);
}

/*
 * The error takes the path, and the source address, of A's packets: this path works. An error
 * under the router's own address would not get past that router. With a one-armed proxy the error
 * must get past the router.
 */
static __always_inline int outer_v4(struct sp_pkt *pkt, const struct sp_half *a)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(pkt->skb, sizeof(struct ethhdr), &ip, sizeof(ip)))
		return -SP_DROP_REWRITE_FAILED;
	ip.saddr = a->out.saddr.w[3];
	ip.daddr = a->out.daddr.w[3];
	ip.ttl--;
	ip.check = header_csum(&ip);
	return bpf_skb_store_bytes(pkt->skb, sizeof(struct ethhdr), &ip, sizeof(ip), 0) ?
	       -SP_DROP_REWRITE_FAILED : 0;
}

/* The addresses belong to the checksum's pseudo header, too. */
static __always_inline int outer_v6(struct sp_pkt *pkt, const struct sp_half *a, __u32 csum_off)
{
	const __u32 addrs_len = 2 * sizeof(struct in6_addr), ip_off = sizeof(struct ethhdr);
	__s64 diff = bpf_csum_diff((__be32 *)&pkt->tuple, addrs_len, (__be32 *)&a->out, addrs_len,
				   0);
	__u32 addrs = csum_fold32(diff & 0xffffffff);
	__u8 hops = pkt->ttl - 1;

	if (bpf_skb_store_bytes(pkt->skb, ip_off + offsetof(struct ipv6hdr, saddr), &a->out,
				addrs_len, 0) ||
	    bpf_skb_store_bytes(pkt->skb, ip_off + offsetof(struct ipv6hdr, hop_limit), &hops, 1,
				0))
		return -SP_DROP_REWRITE_FAILED;
	return csum_replace_pseudo(pkt, csum_off, addrs, (__u64)addrs + CSUM_HOP_LESS);
}

/* The message is replaced, with its checksum. @len: of @old and @new */
static __always_inline int put_message(struct sp_pkt *pkt, void *old, void *new, __u32 len,
					   __u32 csum_off)
{
	__s64 diff = bpf_csum_diff(old, len, new, len, 0);

	if (bpf_skb_store_bytes(pkt->skb, pkt->l4_off, new, len, 0) ||
	    bpf_l4_csum_replace(pkt->skb, csum_off, 0, csum_fold32(diff & 0xffffffff), 0))
		return -SP_DROP_REWRITE_FAILED;
	return 0;
}

static __always_inline int error_send(struct sp_pkt *pkt, const struct sp_half_state *u)
{
	pkt->action = nexthop_send(u);
	count_stat(SP_STAT_ICMP_TRANSLATED, 1);
	return 0;
}

static __noinline int error_v4(struct sp_pkt *pkt, __u64 now_ns)
{
	const __u32 csum_off = L4_OFF_V4 + offsetof(struct icmphdr, checksum);
	struct quote_v4 old, new;
	struct sp_addr saddr, daddr;
	struct sp_entry *a;
	int err;

	if (bpf_skb_load_bytes(pkt->skb, L4_OFF_V4, &old, sizeof(old)))
		return -SP_DROP_ICMP_SHORT;
	if (old.ip.protocol != IPPROTO_TCP || old.ip.ihl != 5)
		return 0;
	saddr = sp_addr_v4(old.ip.saddr);
	daddr = sp_addr_v4(old.ip.daddr);
	a = half_of_quote(&saddr, &daddr, &old.tcp);
	if (!a)
		return is_stranger(pkt, &saddr, &daddr, &old.tcp);
	new = old;
	quote_v4(&new, &a->half);
	err = nexthop_find(pkt, a, now_ns) ?: put_message(pkt, &old, &new, sizeof(old), csum_off) ?:
		outer_v4(pkt, &a->half);
	return err ?: error_send(pkt, &a->state);
}

static __noinline int error_v6(struct sp_pkt *pkt, __u64 now_ns)
{
	const __u32 csum_off = L4_OFF_V6 + offsetof(struct icmp6hdr, icmp6_cksum);
	struct quote_v6 old, new;
	struct sp_entry *a;
	int err;

	if (bpf_skb_load_bytes(pkt->skb, L4_OFF_V6, &old, sizeof(old)))
		return -SP_DROP_ICMP_SHORT;
	if (old.ip.nexthdr != IPPROTO_TCP)
		return 0;
	a = half_of_quote((void *)&old.ip.saddr, (void *)&old.ip.daddr, &old.tcp);
	if (!a)
		return is_stranger(pkt, (void *)&old.ip.saddr, (void *)&old.ip.daddr, &old.tcp);
	new = old;
	quote_v6(&new, &a->half);
	/* in this order: the old message contains the old checksum */
	err = nexthop_find(pkt, a, now_ns) ?: put_message(pkt, &old, &new, sizeof(old), csum_off) ?:
	      outer_v6(pkt, &a->half, csum_off);
	return err ?: error_send(pkt, &a->state);
}

/**
 * carry_icmp() - an ICMP or ICMPv6 packet, which may be an error about a spliced packet
 * Return: 0 (passed to the stack, or translated and sent on), or a reason.
 */
static __always_inline int carry_icmp(struct sp_pkt *pkt, __u64 now_ns)
{
	int err = 0;
	__u8 type;

	if (pkt->ttl <= 1 || bpf_skb_load_bytes(pkt->skb, pkt->l4_off, &type, 1))
		return 0;
	if (pkt->is_v6 && is_error_v6(type))
		err = error_v6(pkt, now_ns);
	else if (!pkt->is_v6 && is_error_v4(type))
		err = error_v4(pkt, now_ns);
	return err == QUOTES_STRANGER ? quotes_stranger(pkt, now_ns) : err;
}

#endif
