/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* payload.bpf.h - bytes of a packet for loops, and a check against damage. */
#ifndef SP_BPF_PAYLOAD_H
#define SP_BPF_PAYLOAD_H

#include "abi/response.h"
#include "abi/siphash.h"
#include "csum.bpf.h"

#define PAYLOAD_MAX	2048
#define PAYLOAD_BLOCK	32	/* zeros behind: a reader takes blocks */

/* @hash, @scan, @at, @digest: of the bytes; here to spare the stack */
struct payload {
	__u8			bytes[PAYLOAD_MAX + PAYLOAD_BLOCK] __attribute__((aligned(8)));
	struct sp_siphash	hash;
	struct sp_response_scan	scan;
	struct sp_boundary	at;
	__u64			digest;
};

/* One entry: programs do not interrupt each other on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct payload);
} sp_payloads SEC(".maps");

static __always_inline struct payload *payload_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sp_payloads, &zero);
}

/* Copy @n bytes at @off of the packet, PAYLOAD_MAX at most. Return: 0: the packet is too short. */
static __always_inline int payload_load(const struct sp_pkt *pkt, __u32 off, __u32 n,
					struct payload *p)
{
	__u64 last = (__u64)n - 1, end;

	barrier_var(last);	/* see upcall_sized() */
	if (last >= PAYLOAD_MAX || bpf_skb_load_bytes(pkt->skb, off, p->bytes, last + 1))
		return 0;
	end = n;
	barrier_var(end);
	if (end > PAYLOAD_MAX)
		return 0;
	__builtin_memset(p->bytes + end, 0, PAYLOAD_BLOCK);
	return 1;
}

static __always_inline __u64 sum_pseudo(const struct sp_pkt *pkt)
{
	const struct sp_tuple *t = &pkt->tuple;
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(pkt->doff_bytes + pkt->payload_bytes);

	sum += t->saddr.w[3];
	sum += t->daddr.w[3];
	if (!pkt->is_v6)
		return sum;
	for (int i = 0; i < 3; i++) {
		sum += t->saddr.w[i];
		sum += t->daddr.w[i];
	}
	return sum;
}

#define SUM_AT_ONCE	512	/* of bpf_csum_diff() */
#define SUM_TURNS	3	/* a packet of 1500 bytes */

static __always_inline int is_sum_right(const struct sp_pkt *pkt, struct payload *p, __u64 sum)
{
	__u32 n = pkt->doff_bytes + pkt->payload_bytes;

	if (n > SUM_AT_ONCE * SUM_TURNS || !payload_load(pkt, pkt->l4_off, n, p))
		return 0;
	for (int i = 0; i < SUM_TURNS; i++) {
		__u64 left = (__u64)n - i * SUM_AT_ONCE;

		if (n <= (__u32)i * SUM_AT_ONCE)
			break;
		left = left > SUM_AT_ONCE ? SUM_AT_ONCE : left + 3;
		left &= SUM_AT_ONCE * 2 - 4;
		barrier_var(left);
		if (left > SUM_AT_ONCE)
			return 0;
		sum += bpf_csum_diff(NULL, 0, (void *)(p->bytes + i * SUM_AT_ONCE), left, 0);
	}
	return csum_fold16(sum) == 0xffff;
}

/*
 * The receiver drops a damaged packet: the bytes must not count. The card has checked the sum, or
 * GRO did for a superpacket. The sum of a packet of this machine is partial. All other sums are
 * checked here. A longer packet counts as damaged: the daemon checks the sum.
 */
static __noinline int is_payload_intact(const struct sp_pkt *pkt)
{
	struct payload *p = payload_room();
	__u64 sum = sum_pseudo(pkt);
	__u16 check;

	if (pkt->skb->gso_size || bpf_csum_level(pkt->skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return 1;
	if (!p || bpf_skb_load_bytes(pkt->skb, pkt->l4_off + offsetof(struct tcphdr, check), &check,
				     sizeof(check)))
		return 0;
	return check == csum_fold16(sum) || is_sum_right(pkt, p, sum);
}

#endif
