/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * agent_ingress.bpf.h - the datapath of an agent, at TC ingress of a backend's host.
 *
 *	packet -> UDP, for our relay, INTRODUCE -> splices installed, packet consumed
 *		  (introduce.bpf.h)
 *	       -> any other packet passes unchanged
 */
#ifndef SP_BPF_AGENT_INGRESS_H
#define SP_BPF_AGENT_INGRESS_H

#include "introduce.bpf.h"

/* Return: 1 for introductions, which go no further; 0: the packet is unchanged. */
static __always_inline int take_introductions(struct sp_pkt *pkt, __u64 now_ns)
{
	__u32 zero = 0, udp_len = 0;
	struct sp_control *c = bpf_map_lookup_elem(&sp_control, &zero);
	int off;

	if (!c || pkt->skb->pkt_type == PACKET_OTHERHOST || is_of_vlan(pkt->skb))
		return 0;
	off = relayed_at(pkt, c, &udp_len);
	if (!off || udp_len < sizeof(struct udphdr) || !is_introduction(pkt->skb, off))
		return 0;
	introduce_each(pkt->skb, off, udp_len - sizeof(struct udphdr), now_ns);
	return 1;
}

SEC("tc")
int sp_agent_in(struct __sk_buff *skb)
{
	struct sp_pkt pkt = { .skb = skb, .action = TC_ACT_UNSPEC };

	return take_introductions(&pkt, bpf_ktime_get_coarse_ns()) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

#endif
