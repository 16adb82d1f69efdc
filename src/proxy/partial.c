// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/partial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS		1024
#define WAYS		8	/* slots that a response may have */
#define SLOT_NS		3000000000ULL	/* longer than a retransmission takes */
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

static struct sp_partial *slot_of(struct sp_proxy *p, const struct sp_tuple *key, int way)
{
	return &p->partials->slots[(sp_conns_hash(p->conns, key) + way) % SLOTS];
}

struct sp_partial *sp_partial_find(struct sp_proxy *p, const struct sp_tuple *key)
{
	for (int way = 0; way < WAYS; way++) {
		struct sp_partial *s = slot_of(p, key, way);

		if (s->buf && !memcmp(&s->key, key, sizeof(*key)))
			return s;
	}
	return NULL;
}

struct sp_partial *sp_partial_take(struct sp_proxy *p, const struct sp_tuple *key, __u32 base)
{
	struct sp_partial *oldest = slot_of(p, key, 0);
	__u64 now_ns = sp_now_ns();

	for (int way = 0; way < WAYS && oldest->buf; way++) {
		struct sp_partial *s = slot_of(p, key, way);

		if (!s->buf || s->used_ns < oldest->used_ns)
			oldest = s;
	}
	if (oldest->buf && now_ns - oldest->used_ns < SLOT_NS)
		return NULL;
	sp_partial_drop(oldest);
	*oldest = (struct sp_partial){ .key = *key, .base = base, .used_ns = now_ns,
				       .buf = malloc(SP_PARTIAL_ROOM) };
	return oldest->buf ? oldest : NULL;
}

int sp_partial_is_lost(struct sp_proxy *p, const struct sp_tuple *key,
		       const struct sp_entry *down, __u32 acked)
{
	const struct sp_partial *s = sp_partial_find(p, key);
	__u32 read = down->meta.boundary.until;

	if (s && s->base == read)
		read += s->reasm.len;
	return (__s32)(acked - read) > 0 && sp_now_ns() - down->state.seen_ns >= LOST_NS;
}
