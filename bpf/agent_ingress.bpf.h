/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * agent_ingress.bpf.h - the datapath of an agent, at TC ingress of a backend's host.
 *
 *	packet -> UDP, for our relay, an INTRODUCE -> its splice is installed, and it is consumed (introduce.bpf.h)
 *	       -> anything else passes as it is
 */
#ifndef SP_BPF_AGENT_INGRESS_H
#define SP_BPF_AGENT_INGRESS_H

#include "introduce.bpf.h"

/* Return: whether it was an introduction, which goes no further; else it is as it came. */
static __always_inline int take_introduction(struct sp_pkt *pkt, __u64 now_ns)
{
	__u32 zero = 0, udp_len = 0;
	struct sp_control *c = bpf_map_lookup_elem(&sp_control, &zero);
	int off, err;

	if (!c || pkt->skb->pkt_type == PACKET_OTHERHOST)
		return 0;
	off = relayed_at(pkt, c, &udp_len);
	if (!off || !is_introduction(pkt, off))
		return 0;
	err = introduce(pkt, off, udp_len, c, now_ns);
	if (err)
		count_drop(-err);
	return 1;
}

SEC("tc")
int sp_agent_in(struct __sk_buff *skb)
{
	struct sp_pkt pkt = { .skb = skb, .action = TC_ACT_UNSPEC };

	return take_introduction(&pkt, bpf_ktime_get_coarse_ns()) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

#endif
