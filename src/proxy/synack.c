// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/synack.h"

#include <stdlib.h>
#include <string.h>

#define RING	1024
#define TIMES	2
#define PAUSE_NS 100000000ULL

static const __u64 wait_ns[TIMES] = { 1000000000ULL, 2000000000ULL };

struct nudge {
	struct sp_segment	synack;
	__u64			due_ns;	/* 0: free */
	int			times;
	int			is_asked;
};

struct sp_synacks {
	struct nudge	ring[RING];
	unsigned int	next;
	unsigned int	count;
};

struct sp_synacks *sp_synacks_new(void)
{
	return calloc(1, sizeof(struct sp_synacks));
}

void sp_synacks_free(struct sp_synacks *n)
{
	free(n);
}

void sp_synack_add(struct sp_synacks *n, const struct sp_segment *synack, __u64 now_ns)
{
	struct nudge *nudge = &n->ring[n->next++ % RING];

	n->count += !nudge->due_ns;
	*nudge = (struct nudge){ .synack = *synack, .due_ns = now_ns + wait_ns[0] };
	nudge->synack.payload = NULL;
	nudge->synack.payload_len = 0;
}

static void done(struct sp_synacks *n, struct nudge *nudge)
{
	nudge->due_ns = 0;
	n->count--;
}

void sp_synack_forget(struct sp_synacks *n, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_tuple key = sp_tuple_reverse(front);

	for (unsigned int i = 0; n->count && i < RING; i++) {
		struct nudge *nudge = &n->ring[i];

		if (nudge->due_ns && nudge->synack.ack == client_isn + 1 &&
		    !memcmp(&nudge->synack.tuple, &key, sizeof(key)))
			done(n, nudge);
	}
}

void sp_synack_tick(struct sp_synacks *n, struct sp_wire *wire, __u64 now_ns, sp_synack_fn is_here,
		    void *ctx)
{
	for (unsigned int i = 0; n->count && i < RING; i++) {
		struct nudge *nudge = &n->ring[i];
		struct sp_tuple front = sp_tuple_reverse(&nudge->synack.tuple);

		if (!nudge->due_ns || now_ns < nudge->due_ns)
			continue;
		if (is_here(ctx, &front)) {
			done(n, nudge);
			continue;
		}
		if (!nudge->is_asked) {
			nudge->is_asked = 1;
			nudge->due_ns = now_ns + PAUSE_NS;
			continue;
		}
		nudge->is_asked = 0;
		sp_wire_send(wire, &nudge->synack);
		if (++nudge->times == TIMES)
			done(n, nudge);
		else
			nudge->due_ns = now_ns + wait_ns[nudge->times];
	}
}
