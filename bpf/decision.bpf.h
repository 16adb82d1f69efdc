/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decision.bpf.h - a request that the daemon has read before, and stays with the backend, is
 * carried without the daemon.
 *
 * The client must not get other bytes past the boundary, by a packet that the backend refuses and a
 * different repetition. So a packet counts only if a backend takes it: the sum is right, flags and
 * options are usual, the acknowledgement is exact, routers further on have hops left. A forged old
 * timestamp is the exception: the client reaches a pool that was open anyway.
 *
 * Three sides change the two boundaries: this CPU, a second CPU, and the daemon.
 *
 *	second CPU	both swap the boundary of the half up, and one fails
 *	daemon holds	HELD is set: the swap fails
 *	backend ends	the daemon changes the half up, or the half down before this CPU does. Then
 *			the half up goes back. Meanwhile MOVING keeps the daemon from holding bytes
 */
#ifndef SP_BPF_DECISION_H
#define SP_BPF_DECISION_H

#include "abi/decision.h"
#include "access.bpf.h"
#include "maps.bpf.h"
#include "nexthop.bpf.h"
#include "payload.bpf.h"
#include "word.bpf.h"

/* Filled by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SP_DECISIONS_MAX);
	__type(key, __u64);
	__type(value, struct sp_decision);
} sp_decisions SEC(".maps");

/* A single entry; while the daemon writes, a torn key is of no decision. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_decision_key);
} sp_decision_key SEC(".maps");

#define DECIDED		(1 << 8)	/* with SP_READING_* of the response */
#define TTL_LEAST	16		/* more routers are behind no proxy */
#define PLAIN_TS	bpf_htonl(0x0101080a)

static long hash_block(__u32 i, struct payload **payload)
{
	struct payload *p = *payload;
	struct sp_siphash s = p->hash;

	sp_decision_add(&s, (const __u64 *)(p->bytes +
			(i & (SP_DECISION_BYTES_MAX / SP_DECISION_BLOCK - 1)) * SP_DECISION_BLOCK));
	p->hash = s;
	return 0;
}

static __noinline const struct sp_decision *find_decision(const struct sp_pkt *pkt)
{
	struct payload *p = payload_room();
	__u32 n = pkt->payload_bytes, zero = 0;
	const struct sp_decision_key *key = bpf_map_lookup_elem(&sp_decision_key, &zero);
	const struct sp_decision *found;
	struct sp_digest d;

	if (!p || !key || n > SP_DECISION_BYTES_MAX ||
	    !payload_load(pkt, pkt->l4_off + pkt->doff_bytes, n, p))
		return NULL;
	p->hash = sp_decision_begin(key, &pkt->tuple, n);
	bpf_loop((n + SP_DECISION_BLOCK - 1) / SP_DECISION_BLOCK, hash_block, &p, 0);
	d = sp_decision_end(&p->hash);
	p->digest = d.key;
	found = bpf_map_lookup_elem(&sp_decisions, &d.key);
	return found && found->check == d.check ? found : NULL;
}

/* The response before is complete, for certain, and the backend still there. */
static __always_inline int is_answered(const struct sp_entry *down, struct sp_boundary b)
{
	return !(down->half.flags & SP_HALF_F_FETCHED) && !down->state.is_elsewhere &&
	       b.bound == SP_BOUND_STOP && !b.laps && down->state.next_seq == b.until &&
	       !(b.reading & (SP_READING_ENDED | SP_READING_CLOSES | SP_READING_HELD));
}

static __always_inline int has_usual_options(const struct sp_pkt *pkt)
{
	__be32 word = 0;

	if (pkt->doff_bytes == sizeof(struct tcphdr))
		return 1;
	return pkt->doff_bytes == sizeof(struct tcphdr) + 12 &&
	       !bpf_skb_load_bytes(pkt->skb, pkt->l4_off + sizeof(struct tcphdr), &word,
				   sizeof(word)) && word == PLAIN_TS;
}

static __always_inline int is_plain(const struct sp_pkt *pkt)
{
	return pkt->flags & TH_ACK && !(pkt->flags & ~(TH_ACK | TH_PSH | TH_ECE | TH_CWR)) &&
	       pkt->ttl > TTL_LEAST && has_usual_options(pkt);
}

/**
 * decide_request() - a request at the boundary of its half
 * Return: DECIDED and the reading of the response; 0: the daemon has to read the request.
 */
static __noinline int decide_request(const struct sp_pkt *pkt, const struct sp_entry *e,
			     const struct sp_entry *down)
{
	const struct sp_decision *found;
	struct sp_boundary b;

	if (!e || !down)
		return 0;
	b = boundary_read(&down->meta.boundary);
	if (!is_answered(down, b) || pkt->ack + e->half.ack_delta != b.until || !is_plain(pkt))
		return 0;
	found = find_decision(pkt);
	if (!found || found->pool_id != e->half.pool_id || !is_payload_intact(pkt))
		return 0;
	return DECIDED | found->reading;
}

static __always_inline int is_at_request(const struct sp_pkt *pkt, struct sp_boundary b)
{
	return b.bound == SP_BOUND_STOP && !b.laps && !b.reading && b.until == pkt->seq;
}

/* Before this swap all see a complete response, behind the swap an awaited response. */
static __always_inline int await_response(struct sp_entry *down, int decided)
{
	struct sp_boundary was = boundary_read(&down->meta.boundary), is = was;

	is.bound = SP_BOUND_HEAD;
	is.reading = decided;
	return is_answered(down, was) && boundary_swap(&down->meta.boundary, was, is);
}

/* The digest is that of find_decision(), for this packet. */
static __always_inline void log_carried(const struct sp_pkt *pkt)
{
	const struct payload *p = payload_room();

	if (p)
		log_request(pkt, p->digest);
}

/*
 * The packet goes out now: boundaries move. A packet dropped before has moved nothing.
 * Return: 0, or a reason: the boundaries have changed since decide_request().
 */
static __noinline int move_on(const struct sp_pkt *pkt, struct sp_entry *e, struct sp_entry *down,
			      int decided)
{
	struct sp_boundary was, is;

	if (!e || !down)
		return -SP_DROP_BEYOND;
	was = is = boundary_read(&e->meta.boundary);
	is.until += pkt->payload_bytes;
	is.reading = SP_ASKING_MOVING;
	if (!is_at_request(pkt, was) || !boundary_swap(&e->meta.boundary, was, is))
		return -SP_DROP_BEYOND;
	if (!await_response(down, decided)) {
		__sync_fetch_and_add(&e->meta.boundary.until, -pkt->payload_bytes);
		boundary_unmark(&e->meta.boundary, SP_ASKING_MOVING);
		return -SP_DROP_BEYOND;
	}
	boundary_unmark(&e->meta.boundary, SP_ASKING_MOVING);
	count_stat(SP_STAT_REQUESTS_CARRIED, 1);
	if (e->state.is_logged)
		log_carried(pkt);
	return 0;
}

#endif
