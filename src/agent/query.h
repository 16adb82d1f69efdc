/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* questions.h - what an agent asks the store, and the segments of servers that wait for its answers. */
#ifndef SP_AGENT_QUESTIONS_H
#define SP_AGENT_QUESTIONS_H

#include "node/node.h"

#define SP_QUERIES_MAX	128	/* at once; a stray or two for each */

struct sp_open_query {
	struct sp_tuple	tuple;
	__u64		asked_ns;
};

/**
 * struct sp_queries - those that are open
 * @node:	borrowed; what waits is among its strays
 * @key:	of the strays' hashes
 * @away_until_ns: the store has left one unanswered: none is asked before
 * @ring:	oldest at @first, @count of them
 */
struct sp_queries {
	struct sp_node	*node;
	__u64			key[2];
	__u64			away_until_ns;
	unsigned int		first, count;
	struct sp_open_query	ring[SP_QUERIES_MAX];
};

/* @q is zeroed. Return: 0 or -errno. */
int sp_queries_init(struct sp_queries *q, struct sp_node *node);

/* Whose is what this server sends? Nothing, when the store can't be asked now. */
void sp_queries_ask(struct sp_queries *q, const struct sp_tuple *tuple);

/* A segment waits for the answer. It goes on at once if its half has come meanwhile, or the store can't be asked. */
void sp_queries_hold(struct sp_queries *q, const struct sp_segment *seg);

/* The answer is there, and its half installed, or @tuple passes: what waits goes on. */
void sp_queries_answered(struct sp_queries *q, const struct sp_tuple *tuple);

/* Now and then: what has waited for too long passes. */
void sp_queries_tick(struct sp_queries *q, __u64 now_ns);

/* What has this tuple is not asked about for so long. */
void sp_queries_pass(struct sp_queries *q, const struct sp_tuple *tuple, __u64 for_ns);

#endif
