/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access.bpf.h - reports exchanges and ends of logged connections. The daemon reads the ring at
 * each tick, and no record wakes the daemon. A full ring loses records; the losses are counted.
 */
#ifndef SP_BPF_ACCESS_H
#define SP_BPF_ACCESS_H

#include "abi/access.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} sp_exchanges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sp_log_lost SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&sp_log_lost, &zero);

	if (n)
		(*n)++;
}

static __always_inline struct sp_access_event *access_begin(const struct sp_tuple *front,
							    __u32 kind, __u32 flags)
{
	struct sp_access_event *ev = bpf_ringbuf_reserve(&sp_exchanges, sizeof(*ev), 0);

	if (!ev) {
		count_lost();
		return NULL;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->front = *front;
	ev->kind = kind;
	ev->flags = flags;
	ev->ns = bpf_ktime_get_ns();
	return ev;
}

/* @digest: of the decision. Separate functions take no stack of the fast path. */
static __noinline int log_request(const struct sp_pkt *pkt, __u64 digest)
{
	struct sp_access_event *ev = access_begin(&pkt->tuple, SP_ACCESS_REQUEST, 0);

	if (!ev)
		return 0;
	ev->digest = digest;
	ev->bytes = pkt->payload_bytes;
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	return 0;
}

/* @head_at: of the head in the payload, with HEAD */
static __noinline int log_response(const struct sp_pkt *pkt, const struct sp_entry *e, __u32 flags,
				   __u32 head_at)
{
	struct sp_access_event *ev;
	__u32 off = pkt->l4_off + pkt->doff_bytes + head_at;

	if (!e)
		return 0;
	ev = access_begin(&e->half.out, SP_ACCESS_RESPONSE, flags | SP_ACCESS_F_FROM_BACKEND);
	if (!ev)
		return 0;
	ev->at = pkt->seq + pkt->payload_bytes + e->half.seq_delta;
	ev->bytes = pkt->payload_bytes;
	if (flags & SP_ACCESS_F_HEAD)
		bpf_skb_load_bytes(pkt->skb, off, ev->head, sizeof(ev->head));
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	return 0;
}

static __noinline int log_end(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	__u32 flags = pkt->flags & TH_RST ? SP_ACCESS_F_RST : 0;
	struct sp_access_event *ev;

	if (!e)
		return 0;
	if (e->half.flags & SP_HALF_F_FROM_BACKEND)
		ev = access_begin(&e->half.out, SP_ACCESS_END, flags | SP_ACCESS_F_FROM_BACKEND);
	else
		ev = access_begin(&pkt->tuple, SP_ACCESS_END, flags);
	if (ev)
		bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	return 0;
}

#endif
