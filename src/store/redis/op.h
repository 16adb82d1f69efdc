/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* op.h - the table of commits and fetches under way */
#ifndef SP_STORE_REDIS_OP_H
#define SP_STORE_REDIS_OP_H

#include "store/claim.h"
#include "store/fetch.h"
#include "store/redis/redis.h"

#define SP_OPS_MAX	8192

/*
 * WAITING	a commit whose servers may still greet for the first time
 * FETCHING	a fetch
 * CLAIMING	a commit, or a fetch whose splice may not have been chosen
 */
enum sp_op_state { SP_OP_FREE, SP_OP_WAITING, SP_OP_FETCHING, SP_OP_CLAIMING };

/**
 * struct sp_op - a commit or a fetch
 * @bucket:	chain of fetches with this hash; NULL: a commit
 * @done:	called when the claim is decided; ends the op
 * @ref:	of a commit's caller
 * @key:	of a fetch
 * @front:	when WAITING or CLAIMING
 * @client_isn, @servers: when CLAIMING
 * @follows:	of a commit: see struct sp_splice
 * @claim:	when CLAIMING; its first record also when WAITING
 * @fetch:	when FETCHING
 */
struct sp_op {
	struct sp_op		*next, *prev, *bucket_next;
	struct sp_op		**bucket;
	void			(*done)(struct sp_store_redis *l, struct sp_op *op);
	enum sp_op_state	state;
	__u8			servers[SP_COPIES_MAX];
	__u8			follows;
	__u32			gen;
	__u64			ref;
	__u64			deadline_ns;
	struct sp_tuple		key;
	struct sp_tuple		front;
	__u32			client_isn;
	struct sp_claim		claim;
	struct sp_fetch		fetch;
};

/* Rounds of a claim in references: 1 or more, modulo 2^16; 0: a fetch. */
#define SP_OP_ROUND_BITS	16
#define SP_OP_ROUND(round)	((round) & ((1u << SP_OP_ROUND_BITS) - 1))

int sp_ops_new(struct sp_ops **ret_ops);
void sp_ops_free(struct sp_ops *ops);

/* An op with the store's time-out. Return: NULL if the table is full, which is counted. */
struct sp_op *sp_op_begin(struct sp_store_redis *l, __u64 now_ns);
struct sp_op *sp_op_begin_fetch(struct sp_store_redis *l, const struct sp_tuple *key, __u64 now_ns);
void sp_op_end(struct sp_store_redis *l, struct sp_op *op);

/* The fetch of @key that is under way, or NULL. */
struct sp_op *sp_op_find_fetch(struct sp_store_redis *l, const struct sp_tuple *key);
/* The reference of the op's commands, and the op of a reference: NULL if it has ended. */
__u64 sp_op_ref(const struct sp_store_redis *l, const struct sp_op *op);
struct sp_op *sp_op_of_ref(struct sp_store_redis *l, __u64 ref, __u32 *ret_round);
typedef void (*sp_op_fn)(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns);
/* Call @fn for all ops in the order of their beginning; @fn may end its op. */
void sp_ops_each(struct sp_store_redis *l, sp_op_fn fn, __u64 now_ns);

#endif
