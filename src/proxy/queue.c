// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/queue.h"

#include <errno.h>
#include <stdlib.h>

#define POOL_SLOTS	1024	/* pools of one slot share a count */
#define POOL_PART	4

struct waiting {
	__u64	ref;
	__u32	pool_id;
};

struct sp_queue {
	unsigned int	room, count;
	__u32		by_pool[POOL_SLOTS];
	struct waiting	all[];
};

struct sp_queue *sp_queue_new(unsigned int slots)
{
	struct sp_queue *q = calloc(1, sizeof(*q) + slots * sizeof(q->all[0]));

	if (q)
		q->room = slots;
	return q;
}

void sp_queue_free(struct sp_queue *q)
{
	free(q);
}

int sp_queue_add(struct sp_queue *q, __u64 ref, __u32 pool_id)
{
	__u32 *of_pool = &q->by_pool[pool_id % POOL_SLOTS];

	if (q->count == q->room || *of_pool > q->room / POOL_PART)
		return -ENOBUFS;
	q->all[q->count++] = (struct waiting){ ref, pool_id };
	++*of_pool;
	return 0;
}

int sp_queue_has(const struct sp_queue *q, __u32 pool_id)
{
	return q->by_pool[pool_id % POOL_SLOTS] > 0;
}

void sp_queue_each(struct sp_queue *q, sp_queue_fn fn, void *ctx)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < q->count; i++) {
		struct waiting w = q->all[i];

		if (fn(ctx, w.ref))
			q->all[kept++] = w;
		else
			q->by_pool[w.pool_id % POOL_SLOTS]--;
	}
	q->count = kept;
}
