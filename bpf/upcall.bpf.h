/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* upcall.bpf.h - hands a packet to the daemon through the ring. */
#ifndef SP_BPF_UPCALL_H
#define SP_BPF_UPCALL_H

#include "abi/event.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

/* Classes of packets that share a bucket. */
enum {
	UPCALL_STRANGER,	/* of no known connection */
	UPCALL_BACKEND,		/* SYN and RST of backends: every new connection needs one */
	UPCALL_HANDSHAKE,	/* SYNs of services where the server speaks first */
	UPCALL_PIECES,		/* packets that the daemon cuts */
	UPCALL_RESPONSE,	/* copies of responses */
};

static __always_inline __u64 upcall_rate_per_s(__u32 who)
{
	switch (who) {
	case UPCALL_BACKEND:
	case UPCALL_RESPONSE:
		return 100000;
	case UPCALL_HANDSHAKE:
		return 2000;
	default:
		return 20000;
	}
}

/*
 * Take a token of this CPU's bucket. The bucket holds the tokens of 200 ms. Return: 0 if the
 * bucket is empty.
 */
static __always_inline int upcall_is_allowed(__u32 who, __u64 now_ns)
{
	struct sp_bucket *b = bpf_map_lookup_elem(&sp_buckets, &who);
	__u64 rate = upcall_rate_per_s(who), new;

	if (!b)
		return 0;
	new = (now_ns - b->filled_ns) * rate / 1000000000ULL;
	if (new) {
		b->filled_ns = now_ns;
		b->tokens += new;
		if (b->tokens > rate / 5)
			b->tokens = rate / 5;
	}
	if (!b->tokens)
		return 0;
	b->tokens--;
	return 1;
}

/* A record of @room bytes for the packet. @room is a constant, as the verifier demands. */
static __always_inline int upcall_sized(const struct sp_pkt *pkt, const struct sp_event *head,
					__u32 len, const __u32 room)
{
	struct sp_event *ev = bpf_ringbuf_reserve(&sp_events, sizeof(*ev) + room, 0);
	__u64 last = (__u64)len - 1;

	if (!ev)
		return -SP_DROP_RING_FULL;
	__builtin_memcpy(ev, head, sizeof(*ev));
	ev->len = len;
	/*
	 * Both bounds by one comparison, of 64 bits. A verifier before Linux 6.8 learns no lower
	 * bound from n != 0, which clang 16 makes of n < 1. With 32 bits, the checked register
	 * may differ from the passed register.
	 */
	barrier_var(last);
	if (last >= room ||
	    bpf_skb_load_bytes(pkt->skb, sizeof(struct ethhdr), ev->packet, last + 1)) {
		bpf_ringbuf_discard(ev, 0);
		return -SP_DROP_RING_FULL;
	}
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

/**
 * send_up() - copy the packet into the ring
 * @kind:	enum sp_event_kind
 * @len:	bytes from the IP header on
 * @cookie, @mtu: see struct sp_event
 *
 * A separate function: the verifier walks the size classes once.
 * Return: 0, or a reason.
 */
static __noinline int send_up(const struct sp_pkt *pkt, __u32 kind, __u32 len, __u32 cookie,
			      __u32 mtu)
{
	struct sp_event head = {
		.tuple = pkt->tuple, .kind = kind, .mtu = mtu, .cookie = cookie,
		.l4_off = pkt->l4_off - sizeof(struct ethhdr),
		.came_ms = bpf_ktime_get_coarse_ns() / 1000000,
	};

	if (len <= 256)
		return upcall_sized(pkt, &head, len, 256);
	if (len <= 2048)
		return upcall_sized(pkt, &head, len, 2048);
	if (len <= 16384)
		return upcall_sized(pkt, &head, len, 16384);
	return upcall_sized(pkt, &head, len, SP_EVENT_PACKET_MAX);
}

static __always_inline __u32 upcall_whole(const struct sp_pkt *pkt)
{
	return pkt->skb->len - sizeof(struct ethhdr);
}

static __always_inline int is_to_snat(const struct sp_tuple *t)
{
	const struct sp_snat *snat = bpf_map_lookup_elem(&sp_snats, &t->daddr);
	__u16 port = bpf_ntohs(t->dport);

	return snat && port >= snat->port_first && port <= snat->port_last;
}

/*
 * A backend's packet to a client's own address may belong to a splice that only peers of the
 * cluster have so far.
 */
static __always_inline int is_from_origin(const struct sp_tuple *t)
{
	struct sp_listen from = { .addr = t->saddr, .port = t->sport };

	return !!bpf_map_lookup_elem(&sp_origins, &from);
}

#endif
