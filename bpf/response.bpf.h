/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response.bpf.h - the end of a usual response, found by its head without the daemon. */
#ifndef SP_BPF_RESPONSE_H
#define SP_BPF_RESPONSE_H

#include "abi/response.h"
#include "maps.bpf.h"
#include "payload.bpf.h"
#include "word.bpf.h"

#ifndef SP_RODATA
#define SP_RODATA const volatile
#endif

/* Filled by the daemon before loading. */
SP_RODATA struct sp_response_table response_table = {};

static long read_block(__u32 i, struct payload **payload)
{
	struct payload *p = *payload;
	const __u8 *at = p->bytes + SP_RESPONSE_VERSION_LEN +
		(i & (SP_RESPONSE_READ_MAX / SP_RESPONSE_BLOCK - 1)) * SP_RESPONSE_BLOCK;
	struct sp_response_scan s = p->scan;

#pragma clang loop unroll(disable)
	for (int n = 0; n < SP_RESPONSE_BLOCK; n++)
		sp_response_take(&response_table, &s, at[n]);
	p->scan = s;
	return s.state <= SP_RESPONSE_END_LENGTH;
}

/* @off: of the head in the payload. Return: 0: not a usual head, or not all of it. */
static __noinline int read_response(const struct sp_pkt *pkt, __u32 off, struct sp_boundary *b)
{
	struct payload *p = payload_room();
	__u32 n = pkt->payload_bytes - off;

	if (!p || !b || !is_payload_intact(pkt))
		return 0;
	if (n > SP_RESPONSE_READ_MAX)
		n = SP_RESPONSE_READ_MAX;
	if (!payload_load(pkt, pkt->l4_off + pkt->doff_bytes + off, n, p))
		return 0;
	p->scan = sp_response_begin(p->bytes);
	if (p->scan.state == SP_RESPONSE_BAD)
		return 0;
	bpf_loop(n / SP_RESPONSE_BLOCK + 1, read_block, &p, 0);
	return sp_response_settle(&p->scan, p->bytes, b);
}

/*
 * @was: the boundary, bound HEAD. The daemon reads the head if it has to know more of the response
 * than the end, or if unasked bytes follow.
 *
 * Return: whether the boundary is at the end of the response now. Two CPUs with the same head find
 * the same end. The daemon may have read the head before: then its boundary stays.
 */
static __always_inline int settle_response(const struct sp_pkt *pkt, struct sp_boundary *at,
					   struct sp_boundary was, struct sp_boundary *ret_is)
{
	__u32 off = was.until - pkt->seq;

	*ret_is = was;
	if (was.laps || was.reading & ~(SP_READING_NO_BODY | SP_READING_WAKE) ||
	    off >= pkt->payload_bytes || !read_response(pkt, off, ret_is) ||
	    (__s32)(pkt->seq + pkt->payload_bytes - ret_is->until) > 0)
		return 0;
	if (!boundary_swap(at, was, *ret_is))
		return 0;
	count_stat(SP_STAT_RESPONSES_READ, 1);
	return 1;
}

#endif
