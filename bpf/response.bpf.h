/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response.bpf.h - the end of a usual response, found without the daemon. */
#ifndef SP_BPF_RESPONSE_H
#define SP_BPF_RESPONSE_H

#include "abi/response.h"
#include "maps.bpf.h"
#include "payload.bpf.h"
#include "word.bpf.h"

#define LINES_MAX	1024	/* size lines in a packet */
#define HEAD_USUAL	512	/* bytes */

#ifndef SP_RODATA
#define SP_RODATA const volatile
#endif

/* Filled by the daemon before loading. */
SP_RODATA struct sp_response_table response_table = {};

static long read_step(__u32 i, struct payload **payload)
{
	struct payload *p = *payload;

	return sp_response_take(&response_table, &p->scan, p->bytes);
}

/* The packet has bytes at the boundary. */
static __always_inline int reaches_boundary(const struct sp_pkt *pkt, struct sp_boundary b)
{
	return !sp_boundary_laps(b) && b.until - pkt->seq < pkt->payload_bytes;
}

/* Return: 0: not a usual head, or @n bytes at @off are not all of it. */
static __always_inline int read_head(const struct sp_pkt *pkt, __u32 off, __u32 n,
				     struct payload *p, struct sp_boundary *b)
{
	if (!payload_load(pkt, off, n, p))
		return 0;
	p->scan = sp_response_begin(p->bytes);
	if (p->scan.state == SP_RESPONSE_BAD)
		return 0;
	bpf_loop(n, read_step, &p, 0);
	return sp_response_settle(&p->scan, p->bytes, b);
}

/* Few heads are longer than HEAD_USUAL: the body is not copied with the head. */
static __noinline int read_response(const struct sp_pkt *pkt, struct sp_boundary *b)
{
	struct payload *p = payload_room();
	__u32 off = b ? b->until - pkt->seq : 0, n = pkt->payload_bytes - off;

	if (!p || !b)
		return 0;
	off += pkt->l4_off + pkt->doff_bytes;
	if (n > HEAD_USUAL && read_head(pkt, off, HEAD_USUAL, p, b))
		return 1;
	if (n > SP_RESPONSE_READ_MAX)
		n = SP_RESPONSE_READ_MAX;
	return read_head(pkt, off, n, p, b);
}

/* The boundary lies in the room, to spare the stack. */
struct lines {
	const struct sp_pkt	*pkt;
	struct payload		*payload;
};

static long read_line(__u32 i, struct lines *l)
{
	struct sp_boundary b = l->payload->at;
	__u32 off = b.until - l->pkt->seq, n = l->pkt->payload_bytes - off;

	if (!sp_boundary_is_line(b) || !reaches_boundary(l->pkt, b))
		return 1;
	if (n > SP_CHUNK_LINE_MAX)
		n = SP_CHUNK_LINE_MAX;
	if (!payload_load(l->pkt, l->pkt->l4_off + l->pkt->doff_bytes + off, n, l->payload) ||
	    !sp_chunk_settle(&response_table, l->payload->bytes, n, &b))
		return 1;
	l->payload->at = b;
	return 0;
}

/* Size lines, as far as they are usual. */
static __noinline int read_lines(const struct sp_pkt *pkt, struct sp_boundary *b)
{
	struct lines l = { .pkt = pkt, .payload = payload_room() };

	if (!b || !l.payload)
		return 0;
	l.payload->at = *b;
	bpf_loop(LINES_MAX, read_line, &l, 0);
	*b = l.payload->at;
	return 0;
}

/* The daemon need not know more of the response than its end. */
static __always_inline int is_usual(struct sp_boundary b)
{
	__u8 known = SP_READING_NO_BODY | SP_READING_WAKE;

	if (sp_boundary_is_line(b))
		known |= SP_READING_UPGRADE | SP_READING_CONNECT;
	return (b.bound == SP_BOUND_HEAD || sp_boundary_is_line(b)) && !(b.reading & ~known);
}

/* The request has said that the connection ends with this response. */
static __always_inline int is_last_response(struct sp_boundary b)
{
	return b.bound == SP_BOUND_HEAD &&
	       !(b.reading & ~(SP_READING_NO_BODY | SP_READING_WAKE | SP_READING_CLOSES)) &&
	       b.reading & SP_READING_CLOSES;
}

/* Return: whether @b is behind the packet, or at the end of the response and of the packet. */
static __always_inline int find_end(const struct sp_pkt *pkt, struct sp_boundary *b)
{
	if (is_last_response(*b)) {
		b->bound = SP_BOUND_NONE;
		return 1;
	}
	if (!is_usual(*b) || !is_payload_intact(pkt) ||
	    (b->bound == SP_BOUND_HEAD && !read_response(pkt, b)))
		return 0;
	if (sp_boundary_is_line(*b))
		read_lines(pkt, b);
	return b->bound == SP_BOUND_NONE ||
	       (__s32)(pkt->seq + pkt->payload_bytes - b->until) <= 0;
}

/*
 * @was: the boundary. The daemon reads if it has to know more of the response than the end, or if
 * unasked bytes follow.
 *
 * Return: whether the boundary is behind the packet now. Two CPUs with the same packet find the
 * same. The daemon may have read it before: then its boundary stays.
 */
static __always_inline int settle_response(const struct sp_pkt *pkt, struct sp_boundary *at,
					   struct sp_boundary was, struct sp_boundary *ret_is)
{
	*ret_is = was;
	if (!reaches_boundary(pkt, was) || !find_end(pkt, ret_is) ||
	    !boundary_swap(at, was, *ret_is))
		return 0;
	if (was.bound == SP_BOUND_HEAD)
		count_stat(SP_STAT_RESPONSES_READ, 1);
	return 1;
}

#endif
