// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/synack.h"

#include <stdlib.h>
#include <string.h>

#define RING	1024
#define TIMES	2
#define PAUSE_NS 100000000ULL

static const __u64 wait_ns[TIMES] = { 1000000000ULL, 2000000000ULL };

struct kept_synack {
	struct sp_segment	synack;
	__u64			due_ns;	/* 0: free */
	int			times;
	int			is_asked;
};

struct sp_synacks {
	struct kept_synack	ring[RING];
	unsigned int		next;
	unsigned int		count;
};

struct sp_synacks *sp_synacks_new(void)
{
	return calloc(1, sizeof(struct sp_synacks));
}

void sp_synacks_free(struct sp_synacks *synacks)
{
	free(synacks);
}

void sp_synack_add(struct sp_synacks *synacks, const struct sp_segment *synack, __u64 now_ns)
{
	struct kept_synack *k = &synacks->ring[synacks->next++ % RING];

	synacks->count += !k->due_ns;
	*k = (struct kept_synack){ .synack = *synack, .due_ns = now_ns + wait_ns[0] };
	k->synack.payload = NULL;
	k->synack.payload_len = 0;
}

static void end_entry(struct sp_synacks *synacks, struct kept_synack *k)
{
	k->due_ns = 0;
	synacks->count--;
}

void sp_synack_forget(struct sp_synacks *synacks, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_tuple key = sp_tuple_reverse(front);

	for (unsigned int i = 0; synacks->count && i < RING; i++) {
		struct kept_synack *k = &synacks->ring[i];

		if (k->due_ns && k->synack.ack == client_isn + 1 &&
		    !memcmp(&k->synack.tuple, &key, sizeof(key)))
			end_entry(synacks, k);
	}
}

void sp_synack_tick(struct sp_synacks *synacks, struct sp_wire *wire, __u64 now_ns,
		    sp_synack_fn is_here,
		    void *ctx)
{
	for (unsigned int i = 0; synacks->count && i < RING; i++) {
		struct kept_synack *k = &synacks->ring[i];
		struct sp_tuple front = sp_tuple_reverse(&k->synack.tuple);

		if (!k->due_ns || now_ns < k->due_ns)
			continue;
		if (is_here(ctx, &front)) {
			end_entry(synacks, k);
			continue;
		}
		if (!k->is_asked) {
			k->is_asked = 1;
			k->due_ns = now_ns + PAUSE_NS;
			continue;
		}
		k->is_asked = 0;
		sp_wire_send(wire, &k->synack);
		if (++k->times == TIMES)
			end_entry(synacks, k);
		else
			k->due_ns = now_ns + wait_ns[k->times];
	}
}
