/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * takeover.h - acknowledged heads without an owner, after the end of another proxy, or of a former
 * daemon of this proxy.
 */
#ifndef SP_PROXY_TAKEOVER_H
#define SP_PROXY_TAKEOVER_H

#include "proxy/connection.h"

struct sp_takeover *sp_takeover_new(void);
void sp_takeover_free(struct sp_takeover *takeover);

/* Resume the heads of a former daemon, on this machine or from the store. */
void sp_takeover_start(struct sp_proxy *p);
/* A proxy is dead: each living proxy notes the name, and the successor resumes the heads. */
void sp_takeover_died(struct sp_proxy *p, const char *name);
void sp_takeover_tick(struct sp_proxy *p, __u64 now_ns);

/*
 * The store has answered a fetch: if no splice was found, a head may be stored. Return: whether the
 * head is fetched now.
 */
int sp_takeover_fetched(struct sp_proxy *p, const struct sp_tuple *key, int err);
/*
 * @seg seems to begin a further request: it waits among the strays while the store is queried for a
 * head that a dead proxy has acknowledged. Return: 0: the store has been queried.
 */
int sp_takeover_query(struct sp_proxy *p, const struct sp_segment *seg);
/*
 * The store has this head from us now: the former owner need not deliver. @left_by: as in struct
 * sp_conn
 */
void sp_takeover_taken(struct sp_proxy *p, const struct sp_tuple *front, __u8 left_by);

/*
 * The store has answered the fetch of a head, see sp_store_events. Return: whether the fetch was
 * begun here; then with @err 0 the head is resumed, in a connection of @front, unless outdated.
 */
int sp_takeover_head(struct sp_proxy *p, const struct sp_tuple *front, int err,
		     const struct sp_stash_offer *offer,
		     const char *bytes, __u32 len);
/* Event of the store. @ctx: struct sp_proxy */
void sp_takeover_heads(void *ctx, const char *owner, int err, const struct sp_tuple *fronts,
		       unsigned int count);

#endif
