/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * limit.bpf.h - clients that a service refuses: at a SYN, and at the first segment with a cookie.
 * See abi/limit.h.
 */
#ifndef SP_BPF_LIMIT_H
#define SP_BPF_LIMIT_H

#include "maps.bpf.h"
#include "parse.bpf.h"
#include "word.bpf.h"

#define RATE_TRIES	4	/* of a compare and swap with other CPUs */

static __always_inline const __u32 *find_range(const struct sp_limit *limit,
					       const struct sp_range *range)
{
	return limit->list ? bpf_map_lookup_elem(&sp_ranges_1, range) :
	       bpf_map_lookup_elem(&sp_ranges_0, range);
}

static __noinline int is_denied(const struct sp_pkt *pkt, const struct sp_service *svc)
{
	struct sp_range range = { .bits = SP_RANGE_BITS_ALL + SP_ADDR_BITS };
	const __u32 *verdict;

	if (!pkt || !svc || !(svc->flags & SP_SERVICE_F_LISTED))
		return 0;
	range.service_id = svc->limit.service_id;
	range.addr = pkt->tuple.saddr;
	verdict = find_range(&svc->limit, &range);
	return verdict && *verdict == SP_RANGE_DENY;
}

static __always_inline struct sp_source_key source_of(const struct sp_pkt *pkt,
						      const struct sp_limit *limit)
{
	return (struct sp_source_key){
		.addr = sp_addr_prefix(&pkt->tuple.saddr, pkt->is_v6 ? limit->bits_v6 :
				       limit->bits_v4),
		.service_id = limit->service_id,
	};
}

/* GCRA: a connection is within the rate unless the source is more than a burst ahead of it. */
static __always_inline int is_too_fast(const struct sp_limit *limit, __u64 next_ns, __u64 now_ns)
{
	return limit->spacing_ns && next_ns > now_ns && next_ns - now_ns > limit->burst_ns;
}

/* If other CPUs always come first, the connection is as good as too fast. */
static __always_inline int take_turn(const struct sp_limit *limit, struct sp_source_state *s,
				     __u64 now_ns)
{
	for (int i = 0; limit->spacing_ns && i < RATE_TRIES; i++) {
		__u64 was = *(volatile __u64 *)&s->next_ns, from = was > now_ns ? was : now_ns;

		if (is_too_fast(limit, was, now_ns))
			return -SP_DROP_SOURCE_RATE;
		if (word_swap(&s->next_ns, was, from + limit->spacing_ns) == was)
			return 0;
	}
	return limit->spacing_ns ? -SP_DROP_SOURCE_RATE : 0;
}

static __always_inline int is_reached(__u32 max, const __u32 *count)
{
	__s32 n = *(const volatile __u32 *)count;

	return max && n > 0 && (__u32)n >= max;
}

static __always_inline void count_down(__u32 *count)
{
	if ((__s32)*(volatile __u32 *)count > 0)
		__sync_fetch_and_add(count, -1);
}

/* Return: 0, or the limit that the next connection of the source would break. */
static __always_inline int find_excess(const struct sp_limit *limit,
				       const struct sp_source_state *s, const __u32 *total,
				       __u64 now_ns)
{
	if (s && is_reached(limit->source_connections, &s->connections))
		return -SP_DROP_SOURCE_FULL;
	if (total && is_reached(limit->connections, total))
		return -SP_DROP_SERVICE_FULL;
	return s && is_too_fast(limit, s->next_ns, now_ns) ? -SP_DROP_SOURCE_RATE : 0;
}

/* Return: 1: counts and rates are left to be looked at; 0: none; or a reason. */
static __always_inline int find_denial(const struct sp_pkt *pkt, const struct sp_service *svc)
{
	if (!pkt || !svc)
		return 0;
	if (is_denied(pkt, svc))
		return -SP_DROP_DENIED;
	return !!(svc->flags & SP_SERVICE_F_LIMITED);
}

/**
 * limit_syn() - a SYN of a source that is refused, or has no connection left
 * Return: 0 or a reason. Nothing is counted: the source of a SYN may be forged.
 */
static __noinline int limit_syn(const struct sp_pkt *pkt, const struct sp_service *svc,
				__u64 now_ns)
{
	struct sp_source_key key;
	int err = find_denial(pkt, svc);

	if (err <= 0)
		return err;
	key = source_of(pkt, &svc->limit);
	return find_excess(&svc->limit, bpf_map_lookup_elem(&sp_sources, &key),
			   bpf_map_lookup_elem(&sp_totals, &key.service_id), now_ns);
}

static __always_inline struct sp_source_state *make_source(const struct sp_source_key *key)
{
	struct sp_source_state none = {}, *s = bpf_map_lookup_elem(&sp_sources, key);

	if (s)
		return s;
	bpf_map_update_elem(&sp_sources, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sp_sources, key);
}

/* Counted first, then compared: two CPUs never admit one too many. */
static __always_inline int count_up(__u32 *count, __u32 max)
{
	__sync_fetch_and_add(count, 1);
	if (!max || (__s32)*(volatile __u32 *)count <= (__s32)max)
		return 1;
	count_down(count);
	return 0;
}

static __always_inline int count_both(const struct sp_limit *limit, struct sp_source_state *s,
				      __u32 *total)
{
	if (!count_up(total, limit->connections))
		return -SP_DROP_SERVICE_FULL;
	if (count_up(&s->connections, limit->source_connections))
		return 0;
	count_down(total);
	return -SP_DROP_SOURCE_FULL;
}

/* The map is as large as the table: without room, the connection goes uncounted. */
static __noinline int admit_new(const struct sp_pkt *pkt, const struct sp_service *svc,
				__u64 now_ns)
{
	struct sp_admitted a = { .at_ns = now_ns };
	struct sp_source_state *s;
	__u32 *total;
	int err;

	if (!pkt || !svc)
		return 0;
	a.client_isn = pkt->seq - 1;
	a.source = source_of(pkt, &svc->limit);
	s = make_source(&a.source);
	total = bpf_map_lookup_elem(&sp_totals, &a.source.service_id);
	if (!s || !total)
		return 0;
	err = find_excess(&svc->limit, s, total, now_ns);
	err = err ? err : take_turn(&svc->limit, s, now_ns);
	err = err ? err : count_both(&svc->limit, s, total);
	if (!err && bpf_map_update_elem(&sp_admitted, &pkt->tuple, &a, BPF_NOEXIST)) {
		count_down(&s->connections);
		count_down(total);
	}
	return err;
}

/**
 * limit_first() - a first segment, whose cookie is valid: the connection is admitted once
 * Return: 0 or a reason. A further connection of the same tuple takes the place of the older.
 */
static __noinline int limit_first(const struct sp_pkt *pkt, const struct sp_service *svc,
				  __u64 now_ns)
{
	struct sp_admitted *a;
	int err = find_denial(pkt, svc);

	if (err <= 0)
		return err;
	a = bpf_map_lookup_elem(&sp_admitted, &pkt->tuple);
	if (!a)
		return admit_new(pkt, svc, now_ns);
	a->client_isn = pkt->seq - 1;
	a->at_ns = now_ns;
	return 0;
}

/* Of two CPUs, the deleting CPU counts. */
static __noinline int limit_leave(const struct sp_tuple *front)
{
	const struct sp_admitted *a;
	struct sp_source_key key;
	struct sp_source_state *s;
	__u32 *total;

	if (!front)
		return 0;
	a = bpf_map_lookup_elem(&sp_admitted, front);
	if (!a)
		return 0;
	key = a->source;
	if (bpf_map_delete_elem(&sp_admitted, front))
		return 0;
	s = bpf_map_lookup_elem(&sp_sources, &key);
	total = bpf_map_lookup_elem(&sp_totals, &key.service_id);
	if (s)
		count_down(&s->connections);
	if (total)
		count_down(total);
	return 1;
}

/* After an end that @pkt carried. */
static __noinline int leave_if_closed(const struct sp_pkt *pkt, const struct sp_entry *e)
{
	struct sp_tuple front;

	if (!pkt || !e || !sp_state_is_closed(&e->state))
		return 0;
	if (!(e->half.flags & SP_HALF_F_FROM_BACKEND))
		return limit_leave(&pkt->tuple);
	front = sp_tuple_reverse(&e->half.out);
	return limit_leave(&front);
}

/* Of type "tc" for the same reason as sp_patch. Return: whether the connection was counted. */
SEC("tc")
int sp_leave(struct __sk_buff *skb)
{
	const struct sp_leave *leave = (const void *)(long)skb->data;
	struct sp_tuple front;

	if ((const void *)(leave + 1) > (const void *)(long)skb->data_end)
		return 0;
	front = leave->front;
	return limit_leave(&front);
}

#endif
