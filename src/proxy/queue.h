/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* queue.h - connections without room at any backend, first come, first served */
#ifndef SP_PROXY_QUEUE_H
#define SP_PROXY_QUEUE_H

#include <linux/types.h>

struct sp_queue;

/* @slots: connections of all pools. A pool gets a quarter. */
struct sp_queue *sp_queue_new(unsigned int slots);
void sp_queue_free(struct sp_queue *queue);

/* @ref: see sp_conn_ref(). Return: 0; -ENOBUFS: the pool has its quarter. */
int sp_queue_add(struct sp_queue *queue, __u64 ref, __u32 pool_id);
/* Return: whether a connection of the pool waits; sometimes true without. */
int sp_queue_has(const struct sp_queue *queue, __u32 pool_id);

/* @fn returns whether the connection waits on, and may add connections. */
typedef int (*sp_queue_fn)(void *ctx, __u64 ref);
void sp_queue_each(struct sp_queue *queue, sp_queue_fn fn, void *ctx);

#endif
