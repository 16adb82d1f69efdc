/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* claim.h - commits, and claims on the wire. The op may have ended when a function returns. */
#ifndef SP_STORE_REDIS_CLAIM_H
#define SP_STORE_REDIS_CLAIM_H

#include "store/redis/op.h"

/* Return: -EINPROGRESS: the event follows, or has come; -EAGAIN: the table is full. */
int sp_op_commit(struct sp_store_redis *l, const struct sp_splice *splice, __u64 ref);
/* Begin the claim of a WAITING commit, if its servers have greeted. @is_over: in any case. */
void sp_op_commit_await(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns, int is_over);

/*
 * Claim @splice, whose record is @record. @is_own: this proxy has made the splice; else the claim
 * asks whether it was chosen. op->done() is called when the claim is decided.
 */
void sp_op_claim(struct sp_store_redis *l, struct sp_op *op, const struct sp_splice *splice,
		 const struct sp_record *record, int is_own, __u64 now_ns);
int sp_op_claim_reply(struct sp_store_redis *l, struct sp_op *op, __u32 round,
		      unsigned int server_idx, const redisReply *reply);
void sp_op_claim_go(struct sp_store_redis *l, struct sp_op *op, __u64 now_ns);

#endif
