/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options.bpf.h - finds the TCP options in any order and at any offset. */
#ifndef SP_BPF_OPTIONS_H
#define SP_BPF_OPTIONS_H

#include "parse.bpf.h"

enum {
	TCPOPT_END = 0, TCPOPT_NOP = 1, TCPOPT_MSS = 2, TCPOPT_WSCALE = 3,
	TCPOPT_SACK_OK = 4, TCPOPT_SACK = 5, TCPOPT_TS = 8,
};

#define TCP_NO_WSCALE 0xff
#define SACK_BLOCKS_MAX	4	/* in all of a header */

/**
 * struct sp_options - a TCP header and the places of its options
 * @hdr:	copy of the header, zero behind its end
 * @len:	bytes of the header
 * @off:	start of the next step
 * @tsval:	as in the packet
 * @ts_off:	offset in @hdr of the option's first byte, 0: absent
 * @sack_at:	offsets of the SACK blocks of all options; @sack_blocks: number of blocks
 * @is_bad:	an option runs over the end, or has a wrong length
 */
struct sp_options {
	__u8	hdr[TCP_HEADER_MAX + 4];
	__u32	len;
	__u32	off;
	__u16	mss;
	__u8	tsval[4];
	__u8	ts_off;
	__u8	sack_at[SACK_BLOCKS_MAX];
	__u8	sack_blocks;
	__u8	wscale;
	__u8	is_sack_ok;
	__u8	is_bad;
};

static __always_inline void option_take(struct sp_options *o, __u32 off, __u8 kind, __u8 len)
{
	switch (kind) {
	case TCPOPT_MSS:
		o->is_bad |= len != 4;
		o->mss = o->hdr[off + 2] << 8 | o->hdr[off + 3];
		break;
	case TCPOPT_WSCALE:
		o->is_bad |= len != 3;
		o->wscale = o->hdr[off + 2] > SP_WSCALE_MAX ? SP_WSCALE_MAX : o->hdr[off + 2];
		break;
	case TCPOPT_SACK_OK:
		o->is_bad |= len != 2;
		o->is_sack_ok = 1;
		break;
	case TCPOPT_SACK:
		o->is_bad |= len < 10 || len > 34 || (len & 7) != 2;
		for (__u32 end = 10; end <= 34; end += 8)
			if (end <= len)
				o->sack_at[o->sack_blocks++ & (SACK_BLOCKS_MAX - 1)] = off + end -
					8;
		break;
	case TCPOPT_TS:
		o->is_bad |= len != 10;
		o->ts_off = off;
		for (int i = 0; i < 4; i++)
			o->tsval[i] = o->hdr[off + 2 + i];
		break;
	}
}

/*
 * A callback of bpf_loop(), for a single option: the verifier (6.1 to 6.18) does not follow a
 * plain loop over options.
 */
static long option_step(__u32 i, struct sp_options *o)
{
	__u64 off = o->off;
	__u8 kind, len;

	barrier_var(off);
	if (off < sizeof(struct tcphdr) || off >= TCP_HEADER_MAX || off >= o->len)
		return 1;
	off &= 63;	/* redundant, but the verifier needs the bound */
	kind = o->hdr[off];
	if (kind == TCPOPT_END)
		return 1;
	if (kind == TCPOPT_NOP) {
		o->off = off + 1;
		return 0;
	}
	len = o->hdr[off + 1];
	if (len < 2 || off + len > o->len) {
		o->is_bad = 1;
		return 1;
	}
	option_take(o, off, kind, len);
	o->off = off + len;
	return 0;
}

/* Return: 0, or a reason when the header can't be read or an option is damaged. */
static __always_inline int options_find(const struct sp_pkt *pkt, struct sp_options *o)
{
	__u64 len = pkt->doff_bytes;

	__builtin_memset(o, 0, sizeof(*o));
	o->wscale = TCP_NO_WSCALE;
	/* clang 16 would check a byte of @len in a way that the verifier does not follow */
	barrier_var(len);
	if (len < sizeof(struct tcphdr) || len > TCP_HEADER_MAX)
		return -SP_DROP_BAD_HEADER;
	if (bpf_skb_load_bytes(pkt->skb, pkt->l4_off, o->hdr, len))
		return -SP_DROP_BAD_HEADER;
	o->len = len;
	o->off = sizeof(struct tcphdr);
	bpf_loop(TCP_HEADER_MAX - sizeof(struct tcphdr), option_step, o, 0);
	return o->is_bad ? -SP_DROP_BAD_HEADER : 0;
}

#endif
