/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sync.h - our source ports on which the store has splices */
#ifndef SP_PROXY_SYNC_H
#define SP_PROXY_SYNC_H

#include "proxy/proxy.h"

void sp_sync_start(struct sp_proxy *p);
void sp_sync_tick(struct sp_proxy *p, __u64 now_ns);
/* See sp_role.is_in_sync. */
int sp_sync_is_done(const struct sp_proxy *p);
/* A splice was fetched or joined: its port is in use. */
void sp_sync_fetched(struct sp_proxy *p, const struct sp_splice *splice);

/* Events of the store, see there. @ctx: struct sp_proxy */
void sp_sync_found(void *ctx, const struct sp_splice *splice);
void sp_sync_scanned(void *ctx, int err);

#endif
