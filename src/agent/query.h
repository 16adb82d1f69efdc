/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * query.h - an agent's queries to the store, and the servers' segments that wait for the answers.
 * Context: event loop. Segments that can't wait are sent at once; times are CLOCK_BOOTTIME in ns.
 */
#ifndef SP_AGENT_QUERY_H
#define SP_AGENT_QUERY_H

#include "node/node.h"

#define SP_QUERIES_MAX	128	/* open at a time; each has a stray or two */

struct sp_open_query {
	struct sp_tuple	tuple;
	__u64		asked_ns;
};

/**
 * struct sp_queries - the open queries
 * @node:	borrowed; its strays are the waiting segments
 * @key:	of the strays' hashes
 * @away_until_ns: a query has timed out: no query before
 * @ring:	@count queries, the oldest at @first
 */
struct sp_queries {
	struct sp_node	*node;
	__u64			key[2];
	__u64			away_until_ns;
	unsigned int		first, count;
	struct sp_open_query	ring[SP_QUERIES_MAX];
};

/* @q is zeroed. Return: 0 or -EIO. */
int sp_queries_init(struct sp_queries *q, struct sp_node *node);

/* Query the splice of a server's tuple; does nothing if the store can't be queried now. */
void sp_queries_ask(struct sp_queries *q, const struct sp_tuple *tuple);

/*
 * Hold a segment until the answer. It is sent at once if its half has come meanwhile, or no query
 * is possible.
 */
void sp_queries_hold(struct sp_queries *q, const struct sp_segment *seg);

/* The half is installed, or @tuple passes: send the waiting segments. */
void sp_queries_answered(struct sp_queries *q, const struct sp_tuple *tuple);

/* Time out old queries: their tuples pass. */
void sp_queries_tick(struct sp_queries *q, __u64 now_ns);

/* Packets of @tuple pass without a query for so long. */
void sp_queries_pass(struct sp_queries *q, const struct sp_tuple *tuple, __u64 for_ns);

#endif
