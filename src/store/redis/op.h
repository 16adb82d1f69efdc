/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* op.h - one commit or fetch under way. Only for store/redis/op.c, _claim.c and _look.c. */
#ifndef SP_STORE_REDIS_OP_H
#define SP_STORE_REDIS_OP_H

#include "store/redis/engine.h"

#define SP_OPS_MAX	8192

enum sp_op_state { SP_OP_FREE, SP_OP_WAITING, SP_OP_LOOKING, SP_OP_CLAIMING };

/**
 * struct sp_op - a commit, or a fetch
 * @key:	of a fetch
 * @front, @down, @client_isn, @servers: when CLAIMING; @front and the claim's own record when WAITING, too
 */
struct sp_op {
	struct sp_op		*next, *prev, *bucket_next;
	enum sp_op_state	state;
	__u8			is_commit;
	__u8			servers[SP_COPIES_MAX];
	__u32			gen;
	__u64			ref;
	__u64			deadline_ns;
	struct sp_tuple		key;
	struct sp_tuple		front;
	struct sp_tuple		down;
	__u32			client_isn;
	struct sp_claim		claim;
	struct sp_fetch	lookup;
};

/* store/redis/op.c. NULL: the table is full. */
struct sp_op *sp_op_begin_commit(struct sp_store_redis *l, __u64 ref, __u64 now_ns);
struct sp_op *sp_op_begin_fetch(struct sp_store_redis *l, const struct sp_tuple *key, __u64 now_ns);
struct sp_op *sp_op_find_fetch(struct sp_store_redis *l, const struct sp_tuple *key);
__u64 sp_op_ref(const struct sp_store_redis *l, const struct sp_op *op);
void sp_op_end(struct sp_store_redis *l, struct sp_op *op);

/* store/redis/claim.c. The op may have ended when they return. */
void sp_op_claim_await(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over);
void sp_op_claim(struct sp_store_redis *l, struct sp_op *op, const struct sp_splice *splice,
		 const struct sp_record *record, __u64 now_ns);
int sp_op_claim_reply(struct sp_store_redis *l, struct sp_op *op, __u32 round, unsigned int server_idx,
		      const redisReply *reply);
void sp_op_claim_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns);

/* store/redis/fetch.c */
int sp_op_look_reply(struct sp_store_redis *l, struct sp_op *op, unsigned int server_idx, const redisReply *reply);
void sp_op_look_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over);
/* The claim that a look-up has led to is done. */
void sp_op_look_settled(struct sp_store_redis *l, struct sp_op *op);

/* Of references; a round is 1 or more, a look-up's is 0. */
#define SP_OP_ROUND_BITS 16

#endif
