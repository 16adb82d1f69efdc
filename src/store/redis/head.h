/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* head.h - something under way about heads. Only for store/redis/head.c and store/redis/orphan.c. */
#ifndef SP_STORE_REDIS_HEAD_H
#define SP_STORE_REDIS_HEAD_H

#include "store/chunk.h"
#include "store/redis/engine.h"

#define SP_HEAD_OPS_MAX		1024
#define SP_HEAD_READS_MAX	32
#define SP_HEAD_LISTS_MAX	8
#define SP_HEAD_LIST_MAX	256			/* fronts that one server is asked for at a time */
#define SP_HEAD_UNDERWAY_MAX	(16 * 1024 * 1024)	/* bytes */

enum sp_head_kind { SP_HEAD_FREE, SP_HEAD_STASH, SP_HEAD_READ, SP_HEAD_LIST };

/* The heads of an owner, as several servers name them. */
struct sp_head_list {
	char		owner[SP_OWNER_MAX + 1];	/* "": this proxy */
	unsigned int	count;
	int		is_cut;				/* a server may have more */
	struct sp_tuple	fronts[SP_SERVERS_MAX * SP_HEAD_LIST_MAX];
};

/**
 * struct sp_head_op - heads given, read, or listed
 * @waiting:	servers that have not answered, a bit each
 * @yes:	servers that have what was given, or some of what was asked for
 * @no:		servers that have nothing, and have not forgotten anything
 * @bytes:	STASH: on the wire
 * @slot:	READ, LIST: which gather or list is its own
 * @is_here:	READ: this box has some of it
 * @is_done:	its event is being told
 */
struct sp_head_op {
	enum sp_head_kind	kind;
	__u32			gen;
	struct sp_tuple		front;
	__u64			ref, deadline_ns;
	__u32			waiting;
	unsigned int		yes, no, bytes, slot;
	__u8			is_here, is_done;
};

struct sp_store_heads {
	struct sp_head_op	ops[SP_HEAD_OPS_MAX];
	unsigned int		top;			/* no op is in use from here on */
	unsigned int		bytes;			/* under way */
	__u32			reads_used, lists_used;	/* a bit each */
	struct sp_gather	reads[SP_HEAD_READS_MAX];
	struct sp_head_list	lists[SP_HEAD_LISTS_MAX];
};

/* store/redis/head.c. NULL: the table is full. */
struct sp_head_op *sp_head_op_begin(struct sp_store_redis *l, enum sp_head_kind kind, const struct sp_tuple *front);
void sp_head_op_end(struct sp_store_redis *l, struct sp_head_op *op);
/* Return: 0; else this server won't answer. */
int sp_head_op_ask(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx, const struct sp_cmd *cmd);
void sp_head_put_owner(const struct sp_store_redis *l, struct sp_cmd *cmd, const char *owner);

/* store/redis/orphan.c. @is_over: no more answers are waited for */
int sp_head_left_reply(struct sp_store_redis *l, struct sp_head_op *op, unsigned int server_idx,
		       const redisReply *reply);
void sp_head_left_go(struct sp_store_redis *l, struct sp_head_op *op, int is_over);

#endif
