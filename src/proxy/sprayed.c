// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sprayed.c - a leg whose packets pass several proxies
 *
 * Theory of operation
 *
 * Routers may spray the packets of a backend over all proxies. Then no proxy sees a whole response,
 * and a late 408 or FIN of an idle server comes to a proxy that can't tell excess from a response.
 * So one proxy reads: the opener of the leg, after the opener's death the home of the client's
 * connection. All others carry bytes up to the boundary, and send the reader all beyond, also FIN
 * and RST. The reader tells all others the new boundary, and then sends the bytes on; of a line
 * that is not complete the others get a copy before. So all bytes at a client are known to all
 * living proxies as read, and the next reader begins behind.
 *
 * A segment sent to the reader is kept for a while: the reader may be dead, and not known to be.
 *
 * Packets that come to the reader directly overtake those of the detour. They are kept with the
 * strays until the bytes before were read. After a second the backend retransmits. A reader that
 * was away, or has just taken over, asks the others how far they have read.
 */
#include "proxy/sprayed.h"

#include <string.h>

#include "proxy/home.h"
#include "proxy/partial.h"
#include "proxy/reader.h"
#include "proxy/reading.h"

#define LOST_NS	100000000ULL
#define PASSES	8	/* segments may be kept in any order */
#define TELL_MAX	8192	/* bytes of a line that peers get again and again */

static int is_beyond(const struct sp_boundary *b, const struct sp_segment *seg)
{
	return b->bound != SP_BOUND_UNKNOWN && !sp_boundary_laps(*b) &&
	       (__s32)(seg->seq + seg->payload_len - b->until) > 0;
}

/* The reader is another proxy. */
static int is_read_elsewhere(struct sp_proxy *p, const struct sp_entry *down,
			     const struct sp_segment *seg)
{
	const struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	const struct sp_half up = { .out = sp_tuple_reverse(&seg->tuple) };

	if (sp_reader_is_here(p, &front, &up))
		return 0;
	if (sp_cluster_has_owner(p->node.cluster, &seg->tuple.daddr))
		return sp_home_is_sprayed(p) || sp_home_has_owner_now(p, &seg->tuple.daddr);
	return sp_home_is_sprayed(p);
}

void sp_sprayed_mark(struct sp_proxy *p, const struct sp_entry *down)
{
	const struct sp_patch patch = {
		.front = sp_tuple_reverse(&down->half.out), .client_isn = down->meta.client_isn,
		.sets = SP_PATCH_ELSEWHERE,
	};

	if (!down->state.is_elsewhere)
		sp_datapath_patch(p->node.dp, &patch);
}

int sp_sprayed_is_of_reader(struct sp_proxy *p, const struct sp_entry *down,
			    const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return b->bound != SP_BOUND_NONE && b->bound != SP_BOUND_GONE &&
	       (is_beyond(b, seg) || seg->flags & SP_TCP_FIN) && is_read_elsewhere(p, down, seg);
}

void sp_sprayed_send(struct sp_proxy *p, const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	const struct sp_half up = { .out = sp_tuple_reverse(&seg->tuple) };

	if (sp_home_has_owner_now(p, &seg->tuple.daddr))
		p->elsewhere_ns = sp_now_ns();
	sp_sprayed_mark(p, down);
	sp_stray_add(p->sent_home, sp_conns_hash(p->conns, &seg->tuple), seg,
		     SP_STRAY_F_BACK | SP_STRAY_F_MINE, sp_now_ns());
	sp_reader_send(p, &front, &up, SP_EVENT_BACK, seg);
}

static __u32 read_end(struct sp_proxy *p, const struct sp_tuple *key, const struct sp_boundary *b)
{
	const struct sp_partial *s = sp_partial_find(p, key);

	return b->until + (s && s->base == b->until ? s->reasm.len : 0);
}

/* Bytes at the boundary are with the client: the backend does not send them again. */
static int is_passed(struct sp_proxy *p, const struct sp_entry *down)
{
	const struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_entry up;

	return !sp_datapath_get(p->node.dp, &front, &up) && up.state.last_ack &&
	       (__s32)(up.state.last_ack - down->meta.boundary.until) > 0;
}

/* No peer has answered, for as long as answers take: then the end of the response is unknown. */
static int is_lost(struct sp_proxy *p, const struct sp_entry *down, const struct sp_segment *seg)
{
	struct sp_gap *gap = &p->gaps[sp_conns_hash(p->conns, &seg->tuple) % SP_GAPS];
	__u64 now_ns = sp_now_ns();

	if (!is_passed(p, down))
		return 0;
	if (memcmp(&gap->key, &seg->tuple, sizeof(gap->key)) ||
	    gap->at != down->meta.boundary.until)
		*gap = (struct sp_gap){ .key = seg->tuple, .at = down->meta.boundary.until,
					.since_ns = now_ns };
	return now_ns - gap->since_ns >= LOST_NS;
}

int sp_sprayed_is_early(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return down->state.is_elsewhere && sp_reading_is_open(b) && !sp_boundary_laps(*b) &&
	       (__s32)(seg->seq - read_end(p, &seg->tuple, b)) > 0 && !is_lost(p, down, seg);
}

int sp_sprayed_is_unread(const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return down->state.is_elsewhere && sp_reading_is_open(b) && is_beyond(b, seg) &&
	       !(seg->flags & SP_TCP_FIN);
}

void sp_sprayed_tell(struct sp_proxy *p, const struct sp_tuple *key, const struct sp_entry *down)
{
	const struct sp_partial *s = sp_partial_find(p, key);
	struct sp_segment seg = { .tuple = *key, .flags = SP_TCP_ACK, .wscale = -1 };

	if (!s || s->base != down->meta.boundary.until || !s->reasm.len ||
	    s->reasm.len > TELL_MAX)
		return;
	seg.seq = s->base;
	seg.payload = s->buf;
	seg.payload_len = s->reasm.len;
	sp_cluster_tell_all(p->node.cluster, SP_EVENT_RESPONSE, &seg);
}

void sp_sprayed_keep(struct sp_proxy *p, const struct sp_segment *seg)
{
	sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, SP_STRAY_F_BACK,
		     sp_now_ns());
}

__u32 sp_sprayed_read_end(struct sp_proxy *p, const struct sp_tuple *key)
{
	struct sp_entry down;

	if (!sp_node_is_shared(&p->node) || sp_datapath_get(p->node.dp, key, &down) ||
	    !down.state.is_elsewhere)
		return 0;
	return read_end(p, key, &down.meta.boundary);
}

void sp_sprayed_release(struct sp_proxy *p, const struct sp_tuple *key, __u32 read_before,
			sp_stray_fn fn)
{
	__u32 end;

	for (int i = 0; read_before && i < PASSES; i++) {
		end = sp_sprayed_read_end(p, key);
		if (end == read_before)
			return;
		read_before = end;
		sp_stray_take(p->node.strays, sp_conns_hash(p->conns, key), key, sp_now_ns(), fn,
			      p);
	}
}
