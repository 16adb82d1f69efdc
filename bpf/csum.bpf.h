/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* csum.bpf.h - differences of the Internet checksum (RFC 1624), collected and applied once. */
#ifndef SP_BPF_CSUM_H
#define SP_BPF_CSUM_H

#include "parse.bpf.h"

/*
 * A difference is collected in 64 bits, and folded once at the end. The words of 32 or 16 bits are
 * as in the packet (network byte order).
 */
static __always_inline void csum_word(__u64 *sum, __u32 from, __u32 to)
{
	*sum += (__u32)~from;
	*sum += to;
}

static __always_inline void csum_half_word(__u64 *sum, __u16 from, __u16 to)
{
	*sum += (__u16)~from;
	*sum += to;
}

static __always_inline __u32 csum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline __u16 csum_fold16(__u64 sum)
{
	__u32 s = csum_fold32(sum);

	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

/* Difference of a word at an odd offset: bytes swapped. */
static __always_inline __u32 csum_swap(__u64 sum)
{
	__u32 s = csum_fold32(sum);

	return s << 8 | s >> 24;
}

/* ECN is in the third of four digits of an IPv6 header's first word: version, class, flow label. */
static __always_inline __be16 csum_ecn_v6(const struct sp_pkt *pkt)
{
	return bpf_htons(pkt->ecn << 4);
}

/* Difference of the word "next header, hop limit" after a hop. */
#define CSUM_HOP_LESS	bpf_htons(0xfffe)

/**
 * csum_replace_pseudo() - the pseudo header's part of a checksum
 * @off:	of the checksum
 * @pseudo:	difference of the pseudo header
 * @header:	difference of the IPv6 header as a whole
 *
 * For CHECKSUM_PARTIAL the kernel must be told that the change is of the pseudo header. For
 * CHECKSUM_COMPLETE the kernel then takes the difference out of the sum over the packet. For IPv4
 * this is right, since the header's own checksum balances the change. For IPv6 it is wrong: only
 * fields outside of the pseudo header are out of balance. (The flag BPF_F_IPV6 is younger than
 * Linux 6.1.)
 */
static __always_inline int csum_replace_pseudo(const struct sp_pkt *pkt, __u32 off, __u32 pseudo,
					       __u64 header)
{
	if (bpf_l4_csum_replace(pkt->skb, off, 0, pseudo, BPF_F_PSEUDO_HDR))
		return -SP_DROP_REWRITE_FAILED;
	if (pkt->is_v6)
		/* refused if the packet has no such sum */
		bpf_csum_update(pkt->skb, csum_fold32(header));
	return 0;
}

#endif
