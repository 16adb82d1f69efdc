// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * proxy.bpf.c - the datapath of a proxy, at TC ingress of its interfaces.
 *
 *	packet -> parse -> half?  -> carry: rewrite, send on
 *			-> service? -> SYN: answered with a cookie
 *				       else: up to the daemon
 *			-> SNAT address, or a backend that sees clients' own? -> up to the daemon
 *			-> ICMP error about a packet of ours? -> translate, send on
 *						without half: up to the daemon
 *			-> any other packet: the kernel's own stack
 *
 * A step returns 0 when the packet is dealt with, or the negative reason for leaving this path.
 * There is a single exit, which counts.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"
#include "adopt.bpf.h"
#include "agent.bpf.h"
#include "agent_ingress.bpf.h"
#include "carry.bpf.h"
#include "handshake.bpf.h"
#include "icmp.bpf.h"
#include "patch.bpf.h"

/* TCX_NEXT, and for clsact "as if there were no filter" */
#define TO_STACK TC_ACT_UNSPEC

char _license[] SEC("license") = "Dual BSD/GPL";

/* A segment whose SYN was answered by a peer. */
static __noinline int is_first_of_next(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	return e && pkt->flags & TH_ACK && pkt->seq - 1 != e->meta.client_isn &&
	       read_cookie(pkt, control_entry());
}

/*
 * Late packets of a closed connection are retransmissions: at most a window before the end of the
 * stream, or shortly behind the end as known here. The next connection's numbers lie after
 * the end, further with each millisecond (RFC 6528).
 */
#define CLOSED_BEFORE	(4 << 20)
#define CLOSED_BEHIND	(32 << 10)

static __always_inline int is_near(__u32 seq, __u32 end)
{
	return end && end - seq + CLOSED_BEHIND <= CLOSED_BEFORE + CLOSED_BEHIND;
}

/*
 * The client's next connection from this port may have begun at peers without this half that did
 * not announce the connection. After the death of such a peer the rest of the stream arrives here.
 * This half leads to a backend without such a connection. If the store has no other splice, the
 * daemon carries the segment by this half.
 */
static __noinline int may_be_of_next(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	const struct sp_entry *peer;
	const struct sp_service *svc;

	if (!e)
		return 0;
	svc = service_of_half(pkt, e);
	if (!svc || !(svc->flags & SP_SERVICE_F_SHARED) || is_near(pkt->seq, e->state.next_seq))
		return 0;
	peer = peer_of(e);
	return !peer || !is_near(pkt->seq, peer->state.last_ack);
}

/*
 * Data behind a gap, on a half that has seen one side close and may have missed the reverse close.
 */
static __always_inline int is_far_from_stream(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	return pkt->payload_bytes && !(e->half.flags & SP_HALF_F_FROM_BACKEND) &&
	       e->state.flags & SP_STATE_ENDS &&
	       (!e->state.next_seq ||
		!sp_seq_is_within(pkt->seq, e->state.next_seq, SP_STREAM_GAP));
}

/*
 * A half of a closed connection does not block the client's next connection from the same port,
 * nor does a trap. A live half is challenged first, see challenge_syn().
 */
static __always_inline int is_left_behind(const struct sp_pkt *pkt, struct sp_entry *e)
{
	int is_mark = e->half.flags & SP_HALF_F_TO_DAEMON,
		is_closed = sp_state_is_closed(&e->state);

	if (e->state.flags & SP_STATE_REUSED)
		return 1;
	if (!is_mark && !is_closed) {
		if (!is_far_from_stream(pkt, e) || !is_first_of_next(pkt, e))
			return 0;
	} else if (e->half.flags & SP_HALF_F_FROM_BACKEND ||
		   (!is_syn(pkt) && (is_mark || !is_first_of_next(pkt, e))))
		return !is_mark && !is_syn(pkt) && may_be_of_next(pkt, e);
	e->state.flags |= SP_STATE_REUSED;
	return 1;
}

/* Later packets may pass a peer, and the peer must not carry them by the old half. */
static __always_inline void tell_left_behind(const struct sp_pkt *pkt, const struct sp_entry *e,
					     const struct sp_service *svc, __u64 now_ns)
{
	if (is_syn(pkt) && svc->flags & SP_SERVICE_F_SHARED &&
	    !(e->half.flags & SP_HALF_F_TO_DAEMON) &&
	    upcall_is_allowed(UPCALL_HANDSHAKE, now_ns))
		send_up(pkt, SP_EVENT_REUSED, upcall_whole(pkt), 0, 0);
}

static __always_inline int from_backend(struct sp_pkt *pkt, __u64 now_ns)
{
	const struct sp_control *c = control_entry();
	int err;

	if (!c || daemon_is_stale(c, now_ns))
		return -SP_DROP_DAEMON_STALE;
	if (is_damaged(pkt))
		return -SP_DROP_BAD_HEADER;
	if (!upcall_is_allowed(pkt->flags & (TH_SYN | TH_RST) ? UPCALL_BACKEND :
			       UPCALL_STRANGER, now_ns))
		return -SP_DROP_RATE_LIMITED;
	err = send_up(pkt, SP_EVENT_BACK, upcall_whole(pkt), 0, 0);
	return err ? err : -SP_DROP_FROM_BACKEND;
}

/* A separate function: its key takes no stack on the fast path. */
static __noinline struct sp_service *service_of(const struct sp_pkt *pkt)
{
	struct sp_listen at = { .addr = pkt->tuple.daddr, .port = pkt->tuple.dport };

	return bpf_map_lookup_elem(&sp_services, &at);
}

/*
 * A connection of this machine to a backend: a check, where backends see clients' addresses. A
 * listener's tuple may be of a client.
 */
static __always_inline int is_to_own_socket(const struct sp_pkt *pkt)
{
	struct bpf_sock *skc = socket_of(pkt);
	__u32 state;

	if (!skc)
		return 0;
	state = skc->state;
	bpf_sk_release(skc);
	return state != BPF_TCP_LISTEN;
}

static __always_inline int pass_tcp(struct sp_pkt *pkt, __u64 now_ns)
{
	struct sp_entry *e = bpf_map_lookup_elem(&sp_halves, &pkt->tuple);
	struct sp_service *svc;

	if (e && !is_left_behind(pkt, e))
		return carry_packet(pkt, e, now_ns, 0);
	svc = service_of(pkt);
	if (svc && e)
		tell_left_behind(pkt, e, svc, now_ns);
	if (svc)
		return from_client(pkt, svc, now_ns);
	if (is_to_snat(&pkt->tuple) || (is_from_origin(&pkt->tuple) && !is_to_own_socket(pkt)))
		return from_backend(pkt, now_ns);
	return 0;
}

static __always_inline int is_to_many(const struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_BROADCAST || skb->pkt_type == PACKET_MULTICAST;
}

static __always_inline int pass_ingress(struct sp_pkt *pkt)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	int proto;

	/*
	 * A switch floods frames for a neighbour that it has lost: two proxies would carry the
	 * same packet.
	 */
	if (pkt->skb->pkt_type == PACKET_OTHERHOST)
		return -SP_DROP_OTHER_HOST;
	if (is_of_vlan(pkt->skb))
		return -SP_DROP_VLAN_TAG;
	proto = parse_packet(pkt);
	switch (proto) {
	case IPPROTO_TCP:
		return is_to_many(pkt->skb) ? -SP_DROP_BROADCAST : pass_tcp(pkt, now_ns);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return carry_icmp(pkt, now_ns);
	default:
		return proto;
	}
}

/* See SP_DROP_REASONS. The daemon has a copy: the packet goes no further. */
static __always_inline int verdict_of(const struct sp_pkt *pkt, int reason)
{
	if (sp_drop_has_fate(SP_DROP_AT_PROXY, reason, SP_FATE_ANSWER))
		return pkt->action;
	return sp_drop_has_fate(SP_DROP_AT_PROXY, reason, SP_FATE_STACK) ? TO_STACK : TC_ACT_SHOT;
}

/*
 * A trace may take this part of the ring. The daemon reads in order, so no packet of a connection
 * waits behind more.
 */
#define TRACE_RING_BYTES	(1 << 20)

/* An ICMP error has no TCP header: the first bytes of its quote are in that place. */
static __noinline void trace_packet(const struct sp_pkt *pkt, __u32 reason)
{
	if (pkt->l4_off && bpf_ringbuf_query(&sp_events, BPF_RB_AVAIL_DATA) < TRACE_RING_BYTES)
		send_up(pkt, SP_EVENT_TRACE,
		       pkt->l4_off - sizeof(struct ethhdr) + sizeof(struct tcphdr), 0, reason);
}

/* No carried packet comes here. */
static __always_inline int is_traced(void)
{
	const struct sp_control *c = control_entry();
	__u16 now_s;

	if (!c || !c->trace_until_s)
		return 0;
	now_s = bpf_ktime_get_coarse_ns() / 1000000000;
	return (__u16)(c->trace_until_s - now_s) <= SP_TRACE_AHEAD_S;
}

SEC("tc")
int sp_ingress(struct __sk_buff *skb)
{
	struct sp_pkt pkt = { .skb = skb, .action = TO_STACK };
	int err = pass_ingress(&pkt);

	if (!err)
		return pkt.action;
	count_drop(-err);
	if (is_traced())
		trace_packet(&pkt, -err);
	return verdict_of(&pkt, -err);
}
