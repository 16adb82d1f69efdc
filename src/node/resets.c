// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* resets.c - see resets.h */
#include "node/resets.h"

#include "base/log.h"

#define AT_ONCE		1024	/* halves of a batch */
#define BATCHES		8	/* of a tick */
#define AGAIN_NS	1000000000ULL

static int is_of_marked(struct sp_backends *b, const struct sp_tuple *key,
			const struct sp_entry *e)
{
	return e->half.flags & SP_HALF_F_FROM_BACKEND && sp_entry_is_live(e) &&
	       sp_backends_is_marked(b, key, &e->half);
}

/* Return: whether the walk goes on. */
static int walk_batch(struct sp_resets *r, struct sp_node *n, struct sp_backends *b)
{
	static struct sp_tuple keys[AT_ONCE];
	static struct sp_entry entries[AT_ONCE];
	int is_end, count;

	count = sp_datapath_walk(n->dp, &r->cursor, r->is_first, keys, entries, AT_ONCE, &is_end);
	r->is_first = 0;
	for (int i = 0; i < count; i++)
		if (is_of_marked(b, &keys[i], &entries[i]))
			n->counters.reset_down += sp_ager_break(&n->ager, &keys[i]);
	return count >= 0 && !is_end;
}

void sp_resets_tick(struct sp_resets *r, struct sp_node *n, __u64 now_ns)
{
	struct sp_backends *b = n->role->backends(n);

	if (!r->is_walking) {
		if (now_ns < r->at_ns || !sp_backends_mark(b))
			return;
		r->is_walking = r->is_first = 1;
	}
	for (int i = 0; i < BATCHES && r->is_walking; i++)
		r->is_walking = walk_batch(r, n, b);
	if (!r->is_walking)
		r->at_ns = now_ns + AGAIN_NS;
}
