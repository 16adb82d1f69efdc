/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* nexthop.bpf.h - where a translated packet leaves the machine. */
#ifndef SP_BPF_WAYOUT_H
#define SP_BPF_WAYOUT_H

#include "abi/half.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

#ifndef AF_INET
#define AF_INET		2
#define AF_INET6	10
#endif
#define LOOPBACK_IFINDEX	1

static __always_inline void fib_key(const struct sp_pkt *pkt, const struct sp_half *h,
				    struct bpf_fib_lookup *fib)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->l4_protocol = IPPROTO_TCP;
	fib->tot_len = 1;	/* asks for the MTU of the route, too */
	/* packets of this machine are looked up like packets that enter through lo */
	fib->ifindex = pkt->skb->ingress_ifindex ? pkt->skb->ingress_ifindex : LOOPBACK_IFINDEX;
	if (pkt->is_v6) {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, &h->out.saddr, 16);
		__builtin_memcpy(fib->ipv6_dst, &h->out.daddr, 16);
	} else {
		fib->family = AF_INET;
		fib->ipv4_src = h->out.saddr.w[3];
		fib->ipv4_dst = h->out.daddr.w[3];
	}
}

/* A value of 0 is no limit. */
static __always_inline __u16 smaller_of(__u16 a, __u16 b)
{
	return a && (!b || a < b) ? a : b;
}

/*
 * Packets sent here bypass the kernel's IPsec. A separate function: the verifier walks the loop
 * once.
 */
static __noinline int is_forbidden(const struct sp_tuple *out)
{
	__u32 zero = 0, decided = 0;
	const struct sp_policies *p = bpf_map_lookup_elem(&sp_policies, &zero);

	if (!p || !out)
		return 0;
	for (__u32 i = 0; i < SP_POLICIES_MAX; i++) {
		if (i >= p->count)
			break;
		if (sp_policy_forbids(&p->of[i], out, &decided))
			return 1;
	}
	return 0;
}

/* A separate function: the lookup key would not fit into the callers' stack. */
static __noinline int nexthop_lookup(const struct sp_pkt *pkt, struct sp_entry *e, __u16 tick)
{
	struct bpf_fib_lookup fib;
	long rc;

	if (!e)
		return -SP_DROP_NO_ROUTE;
	fib_key(pkt, &e->half, &fib);
	rc = bpf_fib_lookup(pkt->skb, &fib, sizeof(fib), 0);
	count_stat(SP_STAT_ROUTE_LOOKUPS, 1);
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -SP_DROP_NO_ROUTE;
	if (fib.family == AF_INET)
		e->state.nexthop = sp_addr_v4(fib.ipv4_dst);
	else
		__builtin_memcpy(&e->state.nexthop, fib.ipv6_dst, 16);
	e->state.mtu = smaller_of(rc ? 0 : fib.mtu_result, sp_half_packet_max(&e->half));
	e->state.route_tick = rc ? tick - 1 : tick;
	e->state.ifindex = fib.ifindex;
	return 0;
}

/**
 * nexthop_find() - look up interface, next hop and MTU for a half, unless fresh
 *
 * For an unknown neighbour the kernel returns no MTU, and the result serves this packet alone.
 * Sending the packet makes the kernel resolve the neighbour.
 *
 * Return: 0, or a reason.
 */
static __always_inline int nexthop_find(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	__u16 tick = sp_route_tick(now_ns);

	if (e->state.ifindex && e->state.route_tick == tick)
		return 0;
	if (is_forbidden(&e->half.out))
		return -SP_DROP_IPSEC;
	return nexthop_lookup(pkt, e, tick);
}

/* Return: whether the packet, or each segment of a superpacket, fits the MTU. */
static __always_inline int nexthop_fits(const struct sp_pkt *pkt, const struct sp_half_state *u)
{
	__u32 len = pkt->skb->len - sizeof(struct ethhdr);

	if (!u->mtu || len <= u->mtu)
		return 1;
	if (!pkt->skb->gso_size)
		return 0;
	return pkt->skb->gso_size + pkt->doff_bytes + pkt->l4_off - sizeof(struct ethhdr) <= u->mtu;
}

static __always_inline int nexthop_send(const struct sp_half_state *u)
{
	struct bpf_redir_neigh nh = { .nh_family = AF_INET6 };

	if (sp_addr_is_v4(&u->nexthop)) {
		nh.nh_family = AF_INET;
		nh.ipv4_nh = u->nexthop.w[3];
	} else {
		__builtin_memcpy(nh.ipv6_nh, &u->nexthop, 16);
	}
	return bpf_redirect_neigh(u->ifindex, &nh, sizeof(nh), 0);
}

#endif
