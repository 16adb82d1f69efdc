// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fetch.c - the splice under a tuple
 *
 * The tuple may be a client's or a backend's, and only the client's names the servers of a splice.
 * So all N servers are asked, and N - K + quorum answers include a quorum of the K servers,
 * wherever those are. A server that missed an update may still have an older connection, or an
 * earlier version of the splice: the newest splice counts.
 *
 * A splice can be relied upon if a server has it as chosen, or a quorum of its own servers has
 * marked it as relied upon: see claim.c. If a later version may follow, enough servers must have
 * answered, too. A server without the pointer says nothing of the front key: where the key is a
 * pointer, a quorum must have led to the front key, else a claim asks.
 *
 * The pointer of a leg that was left leads to the front key, whose splice has another leg. Such an
 * answer shows only that the splice with that leg is over.
 */
#include "store/fetch.h"

#include <string.h>

#define PATIENCE_NS	50000000ULL	/* with slow servers, after enough answers */

void sp_fetch_start(struct sp_fetch *l, unsigned int servers, unsigned int copies,
		    unsigned int quorum, __u64 now_ns)
{
	memset(l, 0, offsetof(struct sp_fetch, found));
	l->servers = servers;
	l->quorum = quorum;
	l->needed = servers - copies + copies / 2 + 1;
	l->pending = (1u << servers) - 1;
	l->start_ns = now_ns;
}

void sp_fetch_absent(struct sp_fetch *l, unsigned int server_idx)
{
	l->pending &= ~(1u << server_idx);
}

void sp_fetch_nothing(struct sp_fetch *l, unsigned int server_idx)
{
	l->nothing |= l->pending & 1u << server_idx;
	sp_fetch_absent(l, server_idx);
}

static struct sp_found *find_or_add(struct sp_fetch *l, const struct sp_vote *vote,
				    const struct sp_splice *splice)
{
	struct sp_found *f;

	for (f = l->found; f < l->found + l->found_count; f++)
		if (!memcmp(&f->splice.front, &splice->front, sizeof(splice->front)) &&
		    sp_record_is_same(&f->record, &vote->record))
			return f;
	if (l->found_count == SP_FETCH_FOUND_MAX)
		return NULL;
	l->found_count++;
	*f = (struct sp_found){ .splice = *splice, .record = vote->record };
	return f;
}

void sp_fetch_value(struct sp_fetch *l, unsigned int server_idx, const struct sp_vote *vote,
		     const struct sp_splice *splice, enum sp_found_half half, __u32 servers)
{
	__u32 bit = 1u << server_idx;
	struct sp_found *f;

	if (!(l->pending & bit))
		return;
	if (!(servers & bit)) {
		sp_fetch_nothing(l, server_idx);
		return;
	}
	sp_fetch_absent(l, server_idx);
	f = find_or_add(l, vote, splice);
	if (!f)
		return;
	f->servers = servers;
	f->half = half;
	f->seen |= bit;
	if (vote->state == 'C')
		f->chosen |= bit;
	else if (vote->state == 'T')
		f->relied |= bit;
}

static int is_same_front(const struct sp_found *a, const struct sp_found *b)
{
	return !memcmp(&a->splice.front, &b->splice.front, sizeof(a->splice.front));
}

/*
 * Of a connection, the later version. Else seconds, serial numbers which wrap in 2106. Within a
 * second, the more frequent splice counts as newer.
 */
static int is_newer(const struct sp_found *a, const struct sp_found *b)
{
	__s32 s = a->splice.up.spliced_s - b->splice.up.spliced_s;

	if (is_same_front(a, b) && a->splice.client_isn == b->splice.client_isn &&
	    a->splice.version != b->splice.version)
		return a->splice.version > b->splice.version;
	if (s)
		return s > 0;
	return __builtin_popcount(a->seen) > __builtin_popcount(b->seen);
}

/* @front: only splices of its client tuple; NULL: only splices with a half under the key */
static const struct sp_found *newest_found(const struct sp_fetch *l, const struct sp_found *front)
{
	const struct sp_found *best = NULL;

	for (const struct sp_found *f = l->found; f < l->found + l->found_count; f++)
		if ((front ? is_same_front(f, front) : f->half != SP_FOUND_NONE) &&
		    (!best || is_newer(f, best)))
			best = f;
	return best;
}

static int is_final(const struct sp_found *f)
{
	return !(f->splice.up.flags & SP_HALF_F_REQUESTS) ||
	       f->splice.boundary.bound == SP_BOUND_NONE;
}

/* Whether a quorum would show a later version. */
static int is_latest(const struct sp_fetch *l, const struct sp_found *f)
{
	__u32 seen = 0;

	for (int i = 0; i < l->found_count; i++)
		if (is_same_front(&l->found[i], f))
			seen |= l->found[i].seen;
	return is_final(f) || f->half != SP_FOUND_DOWN || __builtin_popcount(seen) >= l->quorum;
}

static int is_sure(const struct sp_fetch *l, const struct sp_found *f)
{
	if (!is_latest(l, f))
		return 0;
	return f->chosen || __builtin_popcount(f->relied & f->servers) >= l->quorum;
}

enum sp_fetch_verdict sp_fetch_go(const struct sp_fetch *l, __u64 now_ns, int is_over,
				    const struct sp_found **ret_found)
{
	const struct sp_found *f = newest_found(l, NULL);
	__u32 said = l->nothing;
	int has_enough;

	for (int i = 0; i < l->found_count; i++)
		said |= l->found[i].seen;
	has_enough = __builtin_popcount(said) >= l->needed;
	is_over |= !l->pending || (has_enough && now_ns - l->start_ns >= PATIENCE_NS);
	f = f ? newest_found(l, f) : NULL;
	*ret_found = f;
	if (f && is_sure(l, f) && (has_enough || (is_over && is_final(f))))
		return SP_FETCH_FOUND;
	if (!is_over)
		return SP_FETCH_WAIT;
	if (f)
		return SP_FETCH_UNSURE;
	return __builtin_popcount(said) >= l->needed ? SP_FETCH_NOTHING : SP_FETCH_AGAIN;
}
