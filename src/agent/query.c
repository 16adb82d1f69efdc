// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* query.c - see query.h */
#include "agent/query.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "abi/query.h"
#include "abi/siphash.h"
#include "base/clock.h"
#include "tcp/relay.h"

#define TIMEOUT_NS	50000000ULL
#define AWAY_NS		1000000000ULL

static __u64 hash_tuple(const struct sp_queries *q, const struct sp_tuple *tuple)
{
	__u64 words[5] = { 0 };

	memcpy(words, tuple, sizeof(*tuple));
	return sp_siphash_words(q->key, words, 5);
}

/* Unchanged, but without SACK blocks. A superpacket is sent as segments of @seg->mss bytes. */
static void send_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	const struct sp_half same = { .out = seg->tuple };
	struct sp_queries *q = ctx;

	if (flags & SP_STRAY_F_CUT)
		return;
	q->node->counters.relayed++;
	sp_relay(q->node->wire, &same, seg, seg->mss ?: UINT16_MAX);
}

static void release_strays(struct sp_queries *q, const struct sp_tuple *tuple)
{
	sp_stray_take(q->node->strays, hash_tuple(q, tuple), tuple, sp_now_ns(), send_again, q);
}

void sp_queries_pass(struct sp_queries *q, const struct sp_tuple *tuple, __u64 for_ns)
{
	sp_datapath_pass(q->node->dp, tuple, sp_now_ns() + for_ns);
	q->node->counters.agent_passed++;
}

static int is_waiting(const struct sp_queries *q, const struct sp_tuple *tuple)
{
	__u8 flags;

	return !sp_stray_flags(q->node->strays, hash_tuple(q, tuple), tuple, &flags);
}

static void pop_oldest(struct sp_queries *q)
{
	q->first = (q->first + 1) % SP_QUERIES_MAX;
	q->count--;
}

static int may_query(const struct sp_queries *q)
{
	return sp_node_is_shared(q->node) && q->count < SP_QUERIES_MAX &&
	       sp_now_ns() >= q->away_until_ns;
}

static void send_query(struct sp_queries *q, const struct sp_tuple *tuple)
{
	struct sp_store *store = q->node->store;

	q->ring[(q->first + q->count++) % SP_QUERIES_MAX] =
		(struct sp_open_query){ .tuple = *tuple, .asked_ns = sp_now_ns() };
	q->node->counters.agent_asked++;
	sp_store_fetch(store, tuple);
}

void sp_queries_ask(struct sp_queries *q, const struct sp_tuple *tuple)
{
	if (may_query(q))
		send_query(q, tuple);
}

void sp_queries_hold(struct sp_queries *q, const struct sp_segment *seg)
{
	struct sp_entry e;
	int is_first;

	if (!sp_datapath_get(q->node->dp, &seg->tuple, &e) && !(e.state.flags & SP_STATE_REUSED)) {
		send_again(q, seg, 0);
		return;
	}
	is_first = !is_waiting(q, &seg->tuple);
	if (is_first && !may_query(q)) {
		sp_queries_pass(q, &seg->tuple, SP_QUERY_PASS_NS);
		send_again(q, seg, 0);
		return;
	}
	sp_stray_add(q->node->strays, hash_tuple(q, &seg->tuple), seg, SP_STRAY_F_BACK,
		     sp_now_ns());
	q->node->counters.stray_kept++;
	if (is_first)
		send_query(q, &seg->tuple);
}

/* A query behind an older open one stays in the ring until that one ends. */
void sp_queries_answered(struct sp_queries *q, const struct sp_tuple *tuple)
{
	release_strays(q, tuple);
	while (q->count && !is_waiting(q, &q->ring[q->first].tuple))
		pop_oldest(q);
}

void sp_queries_tick(struct sp_queries *q, __u64 now_ns)
{
	while (q->count && now_ns - q->ring[q->first].asked_ns >= TIMEOUT_NS) {
		const struct sp_open_query *oldest = &q->ring[q->first];

		pop_oldest(q);
		if (!is_waiting(q, &oldest->tuple))
			continue;
		q->node->counters.agent_unanswered++;
		q->away_until_ns = now_ns + AWAY_NS;
		sp_queries_pass(q, &oldest->tuple, SP_QUERY_PASS_NS);
		release_strays(q, &oldest->tuple);
	}
}

int sp_queries_init(struct sp_queries *q, struct sp_node *node)
{
	q->node = node;
	return getrandom(q->key, sizeof(q->key), 0) == sizeof(q->key) ? 0 : -EIO;
}
