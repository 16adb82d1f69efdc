/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* heir.h - heads that were acknowledged by somebody who is gone: another proxy, or a daemon before us. */
#ifndef SP_PROXY_HEIR_H
#define SP_PROXY_HEIR_H

#include "store/store.h"

struct sp_front;
struct sp_heir;

struct sp_heir *sp_heir_new(void);
void sp_heir_free(struct sp_heir *heir);

/* Go on with the heads of a daemon before us, on this box or as the store has them. */
void sp_heir_start(struct sp_front *f);
/* A proxy is dead: those that live remember it, and one of them goes on with what it has left. */
void sp_heir_died(struct sp_front *f, const char *name);
void sp_heir_tick(struct sp_front *f, __u64 now_ns);

/* The store has answered a fetch: when no splice is there, a head may be. Return: whether one is looked for. */
int sp_heir_fetched(struct sp_front *f, const struct sp_tuple *key, int err);
/* This head was given to the store as ours. @left_by: as in struct sp_conn */
void sp_heir_taken(struct sp_front *f, const struct sp_tuple *front, __u8 left_by);

/* Events of the store. @ctx: struct sp_front */
void sp_heir_head(void *ctx, const struct sp_tuple *front, int err, const struct sp_stash_offer *offer,
		  const char *bytes, __u32 len);
void sp_heir_heads(void *ctx, const char *owner, int err, const struct sp_tuple *fronts, unsigned int count);

#endif
