// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A tuple may be a client's or a backend's, and the servers of a splice follow
 * from the client's. So all N are asked, and N - K + quorum answers hold a
 * quorum of whichever K it is. Among what they have, a server that missed
 * something may still show an older connection: the newest one counts.
 *
 * May it be relied upon? When one server says that it was chosen, or a quorum
 * of its own servers has noted that it is relied upon: see claim.c.
 */
#include "store/fetch.h"

#include <string.h>

#define PATIENCE_NS	50000000ULL	/* for a server that is slow, when the others have answered */

void sp_fetch_start(struct sp_fetch *l, unsigned int servers, unsigned int copies, unsigned int quorum, __u64 now_ns)
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

static struct sp_found *find(struct sp_fetch *l, const struct sp_vote *answer, const struct sp_splice *splice)
{
	struct sp_found *f;

	for (f = l->found; f < l->found + l->found_count; f++)
		if (!memcmp(&f->splice.front, &splice->front, sizeof(splice->front)) &&
		    sp_record_is_same(&f->record, &answer->record))
			return f;
	if (l->found_count == SP_FETCH_FOUND_MAX)
		return NULL;
	l->found_count++;
	*f = (struct sp_found){ .splice = *splice, .record = answer->record };
	return f;
}

void sp_fetch_value(struct sp_fetch *l, unsigned int server_idx, const struct sp_vote *answer,
		     const struct sp_splice *splice, __u32 servers)
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
	f = find(l, answer, splice);
	if (!f)
		return;
	f->servers = servers;
	f->seen |= bit;
	if (answer->state == 'C')
		f->chosen |= bit;
	else if (answer->state == 'T')
		f->relied |= bit;
}

/* Serial numbers of seconds, which wrap in 2106. Of two of one second, the one that more servers have. */
static int is_newer(const struct sp_found *a, const struct sp_found *b)
{
	__s32 s = a->splice.up.spliced_s - b->splice.up.spliced_s;

	if (s)
		return s > 0;
	return __builtin_popcount(a->seen) > __builtin_popcount(b->seen);
}

static const struct sp_found *newest(const struct sp_fetch *l)
{
	const struct sp_found *best = NULL;

	for (const struct sp_found *f = l->found; f < l->found + l->found_count; f++)
		if (!best || is_newer(f, best))
			best = f;
	return best;
}

static int is_sure(const struct sp_fetch *l, const struct sp_found *f)
{
	return f->chosen || __builtin_popcount(f->relied & f->servers) >= l->quorum;
}

enum sp_fetch_verdict sp_fetch_go(const struct sp_fetch *l, __u64 now_ns, int is_over,
				    const struct sp_found **ret_found)
{
	const struct sp_found *f = newest(l);
	__u32 said = l->nothing;
	int has_enough;

	for (int i = 0; i < l->found_count; i++)
		said |= l->found[i].seen;
	has_enough = __builtin_popcount(said) >= l->needed;
	is_over |= !l->pending || (has_enough && now_ns - l->start_ns >= PATIENCE_NS);
	*ret_found = f;
	if (f && is_sure(l, f) && (has_enough || is_over))
		return SP_FETCH_FOUND;
	if (!is_over)
		return SP_FETCH_WAIT;
	if (f)
		return SP_FETCH_UNSURE;
	return __builtin_popcount(l->nothing) >= l->needed ? SP_FETCH_NOTHING : SP_FETCH_AGAIN;
}
