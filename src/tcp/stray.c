// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A ring in order of arrival, and a chain for each bucket of hashes, oldest first: so the ring
 * always overwrites the first stray of a chain. Payloads lie in a ring of bytes: most segments
 * have few or none. An overwritten payload is cut off from its stray.
 *
 * Sized for a neighbour's death, when all its connections arrive at once: each waits here for the
 * store's answer, and a segment without a place has to be retransmitted. 1 MiB for the ring, 4
 * MiB for the payloads; the memory is not touched before use.
 */
#include "tcp/stray.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RING		8192
#define NONE		RING
#define BYTES		(4U << 20)
#define BYTES_MAX	16384	/* of a segment; a longer segment is not kept: TCP retransmits */
#define DEAD_MAX_NS	60000000000ULL
#define NEAR		(1U << 24)
#define YOUNG_NS	300000000ULL
_Static_assert(!(RING & (RING - 1)), "indices wrap");

/*
 * @nobody_ns: time of the store's first "not found"; 0: none
 * @at: of the payload, in bytes since the start
 */
struct stray {
	__u64			hash;
	__u64			came_ns;	/* 0: never used */
	__u64			nobody_ns;
	__u64			at;
	__u16			next;
	__u8			flags;
	__u8			is_here;	/* in its chain */
	struct sp_segment	seg;
};

struct chain {
	__u16	first, last;
};

struct sp_strays {
	struct stray	ring[RING];
	struct chain	chains[RING];
	unsigned int	next;		/* to be overwritten: the oldest one */
	__u64		used;		/* bytes since the start */
	char		bytes[BYTES];
};

struct sp_strays *sp_strays_new(void)
{
	struct sp_strays *s = calloc(1, sizeof(*s));

	for (unsigned int i = 0; s && i < RING; i++)
		s->chains[i] = (struct chain){ NONE, NONE };
	return s;
}

void sp_strays_free(struct sp_strays *s)
{
	free(s);
}

/* Memory that was never used is not touched. */
void sp_strays_clear(struct sp_strays *s)
{
	for (unsigned int i = 0; i < RING; i++) {
		for (unsigned int at = s->chains[i].first; at != NONE; at = s->ring[at].next)
			s->ring[at].is_here = 0;
		s->chains[i] = (struct chain){ NONE, NONE };
	}
}

static struct chain *chain_of(struct sp_strays *s, __u64 hash)
{
	return &s->chains[hash % RING];
}

static void append_stray(struct sp_strays *s, unsigned int idx)
{
	struct chain *c = chain_of(s, s->ring[idx].hash);

	s->ring[idx].next = NONE;
	s->ring[idx].is_here = 1;
	if (c->first == NONE)
		c->first = idx;
	else
		s->ring[c->last].next = idx;
	c->last = idx;
}

/* @before: predecessor in the chain; NONE for the first */
static void unlink_stray(struct sp_strays *s, unsigned int idx, unsigned int before)
{
	struct chain *c = chain_of(s, s->ring[idx].hash);

	if (before == NONE)
		c->first = s->ring[idx].next;
	else
		s->ring[before].next = s->ring[idx].next;
	if (c->last == idx)
		c->last = before;
	s->ring[idx].is_here = 0;
}

/* Room for a payload, in one piece. */
static __u64 take_room(struct sp_strays *s, size_t len)
{
	__u64 at = s->used;

	if (at % BYTES + len > BYTES)
		at += BYTES - at % BYTES;
	s->used = at + len;
	return at;
}

static void keep_payload(struct sp_strays *s, struct stray *stray)
{
	size_t len = stray->seg.payload_len;

	if (len > BYTES_MAX) {
		stray->flags |= SP_STRAY_F_CUT;
		len = 0;
	}
	stray->at = take_room(s, len);
	if (len)
		memcpy(s->bytes + stray->at % BYTES, stray->seg.payload, len);
	stray->seg.payload = s->bytes + stray->at % BYTES;
}

void sp_stray_add(struct sp_strays *s, __u64 hash, const struct sp_segment *seg, __u8 flags,
		  __u64 now_ns)
{
	struct stray *stray = &s->ring[s->next];

	if (stray->is_here)
		unlink_stray(s, s->next, NONE);
	*stray = (struct stray){ .hash = hash, .came_ns = now_ns, .flags = flags, .seg = *seg };
	keep_payload(s, stray);
	append_stray(s, s->next);
	s->next = (s->next + 1) % RING;
}

static int is_of(const struct stray *stray, __u64 hash, const struct sp_tuple *tuple)
{
	return stray->hash == hash && !memcmp(&stray->seg.tuple, tuple, sizeof(*tuple));
}

int sp_stray_flags(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u8 *ret_flags)
{
	int err = -ENOENT;

	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next) {
		if (!is_of(&s->ring[i], hash, tuple))
			continue;
		*ret_flags = s->ring[i].flags;
		err = 0;
	}
	return err;
}

/* Else the port was used again: state of the earlier connection says nothing about the new. */
static int is_same_connection(const struct sp_segment *a, const struct sp_segment *b)
{
	return a->seq - b->seq + NEAR < 2 * NEAR && a->ack - b->ack + NEAR < 2 * NEAR;
}

static const struct sp_segment *latest_stray(struct sp_strays *s, __u64 hash,
					     const struct sp_tuple *tuple)
{
	const struct sp_segment *seg = NULL;

	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next)
		if (is_of(&s->ring[i], hash, tuple))
			seg = &s->ring[i].seg;
	return seg;
}

int sp_stray_nobody(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns)
{
	const struct sp_segment *last = latest_stray(s, hash, tuple);
	int is_dead = 0;

	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next) {
		struct stray *stray = &s->ring[i];

		if (!is_of(stray, hash, tuple) || !is_same_connection(&stray->seg, last))
			continue;
		if (!stray->nobody_ns)
			stray->nobody_ns = now_ns;
		is_dead |= now_ns - stray->nobody_ns >= SP_STRAY_DEAD_NS &&
			now_ns - stray->nobody_ns < DEAD_MAX_NS;
	}
	return is_dead;
}

static int is_early(const struct stray *stray, __u64 now_ns, __u64 limit_ns)
{
	return now_ns - stray->came_ns < limit_ns;
}

int sp_stray_isn(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		 __u32 *ret_isn)
{
	int err = -ENOENT;

	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next) {
		const struct stray *stray = &s->ring[i];

		if (!is_of(stray, hash, tuple) || !(stray->flags & SP_STRAY_F_FIRST) ||
		    !is_early(stray, now_ns, SP_STRAY_EARLY_NS))
			continue;
		*ret_isn = stray->seg.seq - 1;
		err = 0;
	}
	return err;
}

int sp_stray_since(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   __u64 *ret_came_ns)
{
	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next)
		if (is_of(&s->ring[i], hash, tuple) &&
		    is_early(&s->ring[i], now_ns, SP_STRAY_EARLY_NS)) {
			*ret_came_ns = s->ring[i].came_ns;
			return 0;
		}
	return -ENOENT;
}

static void hand_over(struct sp_strays *s, const struct stray *stray, sp_stray_fn fn, void *ctx)
{
	__u8 flags = stray->flags;

	if (s->used - stray->at > BYTES)
		flags |= SP_STRAY_F_CUT;
	fn(ctx, &stray->seg, flags);
}

/* Return: index, now out of its chain; NONE */
static unsigned int take_first(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple)
{
	unsigned int before = NONE, i = chain_of(s, hash)->first;

	while (i != NONE && !is_of(&s->ring[i], hash, tuple)) {
		before = i;
		i = s->ring[i].next;
	}
	if (i != NONE)
		unlink_stray(s, i, before);
	return i;
}

static unsigned int count_of(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple)
{
	unsigned int n = 0;

	for (unsigned int i = chain_of(s, hash)->first; i != NONE; i = s->ring[i].next)
		n += is_of(&s->ring[i], hash, tuple);
	return n;
}

/* Strays that @fn adds again stay: each is handed over once. */
void sp_stray_take(struct sp_strays *s, __u64 hash, const struct sp_tuple *tuple, __u64 now_ns,
		   sp_stray_fn fn, void *ctx)
{
	unsigned int i, left = count_of(s, hash, tuple);

	while (left-- && (i = take_first(s, hash, tuple)) != NONE)
		if (is_early(&s->ring[i], now_ns, SP_STRAY_EARLY_NS))
			hand_over(s, &s->ring[i], fn, ctx);
}

/* Longer without an answer of the store than after "not found". */
static int is_asked_for(const struct stray *stray, __u64 now_ns)
{
	__u8 ours = stray->flags & (SP_STRAY_F_BACK | SP_STRAY_F_MINE);

	return stray->is_here && ours == SP_STRAY_F_MINE &&
	       is_early(stray, now_ns, stray->nobody_ns ? YOUNG_NS : SP_STRAY_EARLY_NS);
}

void sp_stray_young(struct sp_strays *s, __u64 now_ns, unsigned int max, sp_stray_fn fn, void *ctx)
{
	unsigned int n = 0;

	while (n < RING && is_early(&s->ring[(s->next - n - 1) % RING], now_ns, SP_STRAY_EARLY_NS))
		n++;
	for (; n && max; n--) {
		const struct stray *stray = &s->ring[(s->next - n) % RING];

		if (!is_asked_for(stray, now_ns))
			continue;
		hand_over(s, stray, fn, ctx);
		max--;
	}
}
