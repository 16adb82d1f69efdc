/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * agent.bpf.h - the datapath of an agent, at TC egress of a backend's host.
 *
 *	packet -> parse -> from a served port?
 *			   -> SYN-ACK: state under the tuple is of an older connection
 *			   -> half? -> carry: rewrite, send on to the client
 *				       a FIN or RST without data passes
 *			   -> data: up to the daemon, which asks the store
 *		-> any other packet passes unchanged: to a proxy, which has a copy of the half
 *
 * A packet that fails before the rewrite passes unchanged, too. So an error costs only the short
 * cut.
 */
#ifndef SP_BPF_AGENT_H
#define SP_BPF_AGENT_H

#include "abi/query.h"
#include "carry.bpf.h"
#include "handshake.bpf.h"

#define NO_INTERFACE	0

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SP_QUERIES_TABLE_MAX);
	__type(key, struct sp_tuple);
	__type(value, struct sp_query);
} sp_queries SEC(".maps");

/*
 * The address :: in map sp_snats stands for all: proxies' addresses are not known, or clients' own
 * addresses are used.
 */
static __always_inline int is_of_cluster(const struct sp_addr *addr)
{
	struct sp_addr any = {};

	return bpf_map_lookup_elem(&sp_snats, addr) || bpf_map_lookup_elem(&sp_snats, &any);
}

/*
 * The server accepts a new connection: the tuple is free. Half and query belong to an older
 * connection.
 */
static __always_inline void begins_anew(const struct sp_pkt *pkt)
{
	struct sp_entry *e = bpf_map_lookup_elem(&sp_halves, &pkt->tuple);

	if (e)
		e->state.flags |= SP_STATE_REUSED;
	bpf_map_delete_elem(&sp_queries, &pkt->tuple);
}

static __always_inline int can_wait(const struct sp_pkt *pkt)
{
	return pkt->payload_bytes <= SP_QUERY_BYTES_MAX;
}

/* Return: whether the packet should go up. Else it passes. */
static __always_inline int should_ask(const struct sp_pkt *pkt, __u64 now_ns)
{
	struct sp_query fresh = { .asked_ns = now_ns },
		*ask = bpf_map_lookup_elem(&sp_queries, &pkt->tuple);

	if (!can_wait(pkt))
		fresh.pass_until_ns = now_ns + SP_QUERY_PASS_NS;
	if (!ask)
		return !bpf_map_update_elem(&sp_queries, &pkt->tuple, &fresh, BPF_ANY);
	if (now_ns < ask->pass_until_ns)
		return 0;
	if (ask->pass_until_ns) {
		*ask = fresh;
		return 1;
	}
	if (now_ns - ask->asked_ns < SP_QUERY_HOLD_NS)
		return 1;
	ask->pass_until_ns = now_ns + SP_QUERY_PASS_NS;
	return 0;
}

static __always_inline int ask_daemon(const struct sp_pkt *pkt, __u64 now_ns)
{
	const struct sp_control *c = control_entry();
	int err;

	if (!pkt->payload_bytes)
		return 0;
	if (!is_of_cluster(&pkt->tuple.daddr))
		return 0;
	if (!c || daemon_is_stale(c, now_ns))
		return -SP_DROP_DAEMON_STALE;
	if (is_damaged(pkt))
		return -SP_DROP_BAD_HEADER;
	if (!should_ask(pkt, now_ns))
		return -SP_DROP_NO_HALF;
	if (!upcall_is_allowed(UPCALL_BACKEND, now_ns))
		return -SP_DROP_RATE_LIMITED;
	if (!can_wait(pkt)) {
		send_up(pkt, SP_EVENT_QUERY, pkt->l4_off - sizeof(struct ethhdr) + pkt->doff_bytes,
			0, 0);
		return -SP_DROP_NO_HALF;
	}
	err = send_up(pkt, SP_EVENT_BACK, upcall_whole(pkt), 0, pkt->skb->gso_size);
	return err ? err : -SP_DROP_ASKED;
}

/*
 * An end without data goes by a proxy: the proxy must know of the end before the client reuses its
 * port. This costs no bytes, and a message between daemons would cost far more.
 */
static __always_inline int is_bare_end(const struct sp_pkt *pkt)
{
	return !pkt->payload_bytes && pkt->flags & (TH_FIN | TH_RST);
}

static __always_inline int pass_end(const struct sp_pkt *pkt, struct sp_entry *e, __u64 now_ns)
{
	if (is_damaged(pkt))
		return 0;
	if (track_end(pkt, e))
		set_ends(e, peer_of(e), SP_STATE_FIN, SP_STATE_PEER_FIN);
	account_packet(pkt, e, now_ns);
	return 0;
}

static __always_inline int pass_egress(struct sp_pkt *pkt)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct sp_listen from = {};
	struct sp_entry *e;

	if (parse_packet(pkt) != IPPROTO_TCP)
		return 0;
	from.addr = pkt->tuple.saddr;
	from.port = pkt->tuple.sport;
	if (!bpf_map_lookup_elem(&sp_origins, &from))
		return 0;
	if (pkt->skb->vlan_present)
		return -SP_DROP_VLAN_TAG;
	if (pkt->flags & TH_SYN) {
		begins_anew(pkt);
		return 0;
	}
	e = bpf_map_lookup_elem(&sp_halves, &pkt->tuple);
	if (e && e->half.flags & SP_HALF_F_FROM_BACKEND && !(e->state.flags & SP_STATE_REUSED))
		return is_bare_end(pkt) ? pass_end(pkt, e, now_ns) :
					  carry_packet(pkt, e, now_ns, 1);
	return ask_daemon(pkt, now_ns);
}

/*
 * A packet that went up must not leave as well; a packet rewritten in part must not leave at all.
 *
 * The packet is lost on the way to interface 0, which does not exist. TC_ACT_SHOT would tell the
 * server's TCP that no packet was sent: TCP would take the client's acknowledgement of our copy
 * for one of bytes never sent.
 */
static __always_inline int egress_verdict(int reason)
{
	if (sp_drop_is_end(SP_DROP_AT_AGENT_OUT, reason))
		return bpf_redirect(NO_INTERFACE, 0);
	count_drop(SP_DROP_LEFT_WHOLE);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sp_egress(struct __sk_buff *skb)
{
	struct sp_pkt pkt = { .skb = skb, .action = TC_ACT_UNSPEC };
	int err = pass_egress(&pkt);

	if (!err)
		return pkt.action;
	count_drop(-err);
	return egress_verdict(-err);
}

#endif
