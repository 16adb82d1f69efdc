// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/reintroduce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/relay.h"

#define RING		1024
#define FIRST_NS	50000000ULL
#define LAST_NS		3200000000ULL	/* an introduction is fresh for not much longer */
#define BACKOFF		4
#define PER_TICK	64

struct entry {
	struct sp_splice	splice;
	struct sp_segment	ack;
	__u64			due_ns;		/* 0: free */
	__u64			wait_ns;
	int			is_greeting;
};

struct sp_reintroductions {
	struct entry	ring[RING];
	unsigned int	next;
	unsigned int	count;
};

struct sp_reintroductions *sp_reintroductions_new(void)
{
	return calloc(1, sizeof(struct sp_reintroductions));
}

void sp_reintroductions_free(struct sp_reintroductions *reintroductions)
{
	free(reintroductions);
}

void sp_reintroduce_add(struct sp_reintroductions *reintroductions, const struct sp_splice *splice,
			const struct sp_side *client, __u16 window, int is_greeting,
			__u64 now_ns)
{
	struct entry *one = &reintroductions->ring[reintroductions->next++ % RING];

	reintroductions->count += !one->due_ns;
	*one = (struct entry){
		.splice = *splice, .is_greeting = is_greeting, .due_ns = now_ns + FIRST_NS,
		.wait_ns = FIRST_NS,
		.ack = {
			.tuple = splice->front, .flags = SP_TCP_ACK, .window = window, .wscale = -1,
			.seq = client->isn_theirs + 1, .ack = client->isn_ours + 1,
			.has_ts = client->has_ts,
			.tsval = client->tsval_theirs, .tsecr = client->tsval_ours,
		},
	};
}

/*
 * The client has acknowledged data, or the splice is gone. If its packets pass other proxies, the
 * repetition is in vain.
 */
static int is_heard(struct sp_datapath *dp, const struct entry *one)
{
	struct sp_entry e;

	if (sp_datapath_get(dp, &one->splice.front, &e) || !sp_entry_is_live(&e) ||
	    e.meta.client_isn != one->splice.client_isn)
		return 1;
	return e.state.last_ack && e.state.last_ack != one->ack.ack;
}

static void repeat_entry(struct entry *one, struct sp_cluster *cluster, struct sp_wire *wire)
{
	sp_cluster_introduce(cluster, &one->splice, one->splice.up.spliced_s);
	if (one->is_greeting)
		sp_relay(wire, &one->splice.up, &one->ack, SP_RELAY_MSS);
}

static void end_entry(struct sp_reintroductions *reintroductions, struct entry *one)
{
	one->due_ns = 0;
	reintroductions->count--;
}

int sp_reintroduce_take(struct sp_reintroductions *reintroductions, const struct sp_tuple *front,
			__u32 client_isn, struct sp_segment *ret_ack)
{
	for (struct entry *one = reintroductions->ring; one < reintroductions->ring + RING; one++) {
		if (!one->due_ns || one->splice.client_isn != client_isn ||
		    memcmp(&one->splice.front, front, sizeof(*front)))
			continue;
		end_entry(reintroductions, one);
		if (!one->is_greeting)
			return -ENOENT;
		*ret_ack = one->ack;
		return 0;
	}
	return -ENOENT;
}

unsigned int sp_reintroduce_tick(struct sp_reintroductions *reintroductions, struct sp_datapath *dp,
				 struct sp_cluster *cluster,
			     struct sp_wire *wire, __u64 now_ns)
{
	unsigned int n = 0;

	for (unsigned int i = 0; reintroductions->count && i < RING && n < PER_TICK; i++) {
		struct entry *one = &reintroductions->ring[i];

		if (!one->due_ns || now_ns < one->due_ns)
			continue;
		if (is_heard(dp, one)) {
			end_entry(reintroductions, one);
			continue;
		}
		repeat_entry(one, cluster, wire);
		n++;
		one->wait_ns *= BACKOFF;
		one->due_ns = now_ns + one->wait_ns;
		if (one->wait_ns > LAST_NS)
			end_entry(reintroductions, one);
	}
	return n;
}
