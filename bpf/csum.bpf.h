/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* csum.bpf.h - differences of the Internet checksum (RFC 1624), collected and applied once. */
#ifndef SP_BPF_CSUM_H
#define SP_BPF_CSUM_H

/*
 * A difference is collected in 64 bits out of 32-bit or 16-bit words as they
 * are in the packet (network byte order), and folded once at the end.
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

/* Of a word that begins at an odd offset, its bytes count in the other place. */
static __always_inline __u32 csum_swap(__u64 sum)
{
	__u32 s = csum_fold32(sum);

	return s << 8 | s >> 24;
}

#endif
