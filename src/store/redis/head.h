/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* head.h - the table of operations on heads under way: stored, read or listed */
#ifndef SP_STORE_REDIS_HEAD_H
#define SP_STORE_REDIS_HEAD_H

#include "store/chunk.h"
#include "store/redis/redis.h"

#define SP_HEAD_OPS_MAX		1024
#define SP_HEAD_READS_MAX	32
#define SP_HEAD_LISTS_MAX	8
#define SP_HEAD_LIST_MAX	256			/* fronts in a server's answer */
#define SP_HEAD_UNDERWAY_MAX	(16 * 1024 * 1024)	/* bytes */

struct sp_head_op;

/**
 * struct sp_head_kind - what an op does
 * @reply:	a server has answered. Return: as sp_redis_events.reply()
 * @go:		end the op if the answers suffice; @is_over: in any case
 */
struct sp_head_kind {
	int (*reply)(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		     const redisReply *reply);
	void (*go)(struct sp_store_redis *l, struct sp_head_op *op, int is_over);
};

/* A pool of buffers, at most 32. @used: a bit each */
struct sp_head_slots {
	__u32		used;
	unsigned int	max;
};

/* The heads of an owner ("": this proxy), from several servers. @is_cut: a server may have more */
struct sp_head_list {
	char		owner[SP_OWNER_MAX + 1];
	unsigned int	count;
	int		is_cut;
	struct sp_tuple	fronts[SP_SERVERS_MAX * SP_HEAD_LIST_MAX];
};

/**
 * struct sp_head_op - heads are stored, read, or listed
 * @kind:	NULL: free
 * @slots:	pool of the op's buffer, which is number @slot there; NULL: none
 * @waiting:	servers without an answer, a bit each
 * @yes:	servers that have the bytes, or part of the head, or have listed
 * @no:		servers that have nothing, and were not restarted lately
 * @bytes:	on the wire
 * @is_here:	this machine has part of the head
 * @is_done:	the event is being called
 */
struct sp_head_op {
	const struct sp_head_kind *kind;
	struct sp_head_slots	*slots;
	__u32			gen;
	struct sp_tuple		front;
	__u64			ref, deadline_ns;
	__u32			waiting;
	unsigned int		yes, no, bytes, slot;
	__u8			is_here, is_done;
};

/* @top: ops from here on are free. @bytes: under way */
struct sp_heads {
	struct sp_head_op	ops[SP_HEAD_OPS_MAX];
	unsigned int		top;
	unsigned int		bytes;
	struct sp_head_slots	read_slots, list_slots;
	struct sp_gather	reads[SP_HEAD_READS_MAX];
	struct sp_head_list	lists[SP_HEAD_LISTS_MAX];
};

int sp_heads_new(struct sp_heads **ret_heads);
void sp_heads_free(struct sp_heads *heads);
int sp_heads_reply(struct sp_store_redis *l, unsigned int server_idx, __u64 ref,
		   const redisReply *reply);
void sp_heads_tick(struct sp_store_redis *l, __u64 now_ns);

/* Return: NULL if the table is full, or @slots (may be NULL), which is counted. */
struct sp_head_op *sp_head_op_begin(struct sp_store_redis *l, const struct sp_head_kind *kind,
				    struct sp_head_slots *slots, const struct sp_tuple *front);
void sp_head_op_end(struct sp_store_redis *l, struct sp_head_op *op);
/* Return: 0: an answer will come. */
int sp_head_op_ask(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		   const struct sp_cmd *cmd);
/* Append the key of the index of @owner (NULL or "": this proxy). */
void sp_head_put_owner(const struct sp_store_redis *l, struct sp_cmd *cmd, const char *owner);

#endif
