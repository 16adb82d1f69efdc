// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/partial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS		256
#define SLOT_NS		3000000000ULL	/* longer than a retransmission takes: another may have it */
#define LOST_NS		200000000ULL	/* the ring was read since */

struct sp_partials {
	struct sp_partial	slots[SLOTS];
};

int sp_partials_new(struct sp_partials **ret_partials)
{
	*ret_partials = calloc(1, sizeof(**ret_partials));
	return *ret_partials ? 0 : -ENOMEM;
}

void sp_partial_drop(struct sp_partial *s)
{
	free(s->buf);
	s->buf = NULL;
}

void sp_partials_free(struct sp_partials *partials)
{
	for (int i = 0; partials && i < SLOTS; i++)
		sp_partial_drop(&partials->slots[i]);
	free(partials);
}

static struct sp_partial *slot_of(struct sp_proxy *p, const struct sp_tuple *key)
{
	return &p->partials->slots[sp_conns_hash(p->conns, key) % SLOTS];
}

struct sp_partial *sp_partial_find(struct sp_proxy *p, const struct sp_tuple *key)
{
	struct sp_partial *s = slot_of(p, key);

	return s->buf && !memcmp(&s->key, key, sizeof(*key)) ? s : NULL;
}

struct sp_partial *sp_partial_take(struct sp_proxy *p, const struct sp_tuple *key, __u32 base)
{
	struct sp_partial *s = slot_of(p, key);
	__u64 now_ns = sp_now_ns();

	if (s->buf && now_ns - s->used_ns < SLOT_NS)
		return NULL;
	sp_partial_drop(s);
	*s = (struct sp_partial){ .key = *key, .base = base, .used_ns = now_ns,
				  .buf = malloc(SP_PARTIAL_ROOM) };
	return s->buf ? s : NULL;
}

int sp_partial_is_lost(struct sp_proxy *p, const struct sp_tuple *key,
		       const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;
	const struct sp_partial *s = sp_partial_find(p, key);

	return (__s32)(down->state.next_seq - b->until) > 0 && (!s || s->base != b->until || !s->reasm.len) &&
	       sp_now_ns() - down->state.seen_ns >= LOST_NS;
}
