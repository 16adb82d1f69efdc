/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* heir.h - heads that were acknowledged by somebody who is gone: another proxy, or a daemon before us. */
#ifndef SP_PROXY_HEIR_H
#define SP_PROXY_HEIR_H

#include "store/store.h"

struct sp_proxy;
struct sp_takeover;

struct sp_takeover *sp_takeover_new(void);
void sp_takeover_free(struct sp_takeover *heir);

/* Go on with the heads of a daemon before us, on this box or as the store has them. */
void sp_takeover_start(struct sp_proxy *p);
/* A proxy is dead: those that live remember it, and one of them goes on with what it has left. */
void sp_takeover_died(struct sp_proxy *p, const char *name);
void sp_takeover_tick(struct sp_proxy *p, __u64 now_ns);

/* The store has answered a fetch: when no splice is there, a head may be. Return: whether one is looked for. */
int sp_takeover_fetched(struct sp_proxy *p, const struct sp_tuple *key, int err);
/* This head was given to the store as ours. @left_by: as in struct sp_conn */
void sp_takeover_taken(struct sp_proxy *p, const struct sp_tuple *front, __u8 left_by);

/* Events of the store. @ctx: struct sp_proxy */
void sp_takeover_head(void *ctx, const struct sp_tuple *front, int err, const struct sp_stash_offer *offer,
		  const char *bytes, __u32 len);
void sp_takeover_heads(void *ctx, const char *owner, int err, const struct sp_tuple *fronts, unsigned int count);

#endif
