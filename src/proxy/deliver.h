/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * deliver.h - the splice exists: forward the held bytes, and retransmit bytes that were
 * acknowledged to the client.
 */
#ifndef SP_PROXY_DELIVER_H
#define SP_PROXY_DELIVER_H

#include "proxy/connection.h"

/* The halves are installed. Ends @c, unless acknowledged bytes have to reach the backend. */
struct sp_next sp_deliver_begin(struct sp_proxy *p, struct sp_conn *c);
/* @c->up is a half of another proxy's splice, installed here. */
struct sp_next sp_deliver_join(struct sp_proxy *p, struct sp_conn *c);
/*
 * Deliver from the next tick on, through the splice of @c in the datapath. Return: 0; -ENOENT: no
 * such splice.
 */
int sp_deliver_through_known(struct sp_proxy *p, struct sp_conn *c);
/*
 * Another proxy, or a former daemon, has committed this further request, and may be dead. The
 * splice is installed here: held bytes go through it, and the backend drops duplicates.
 */
struct sp_next sp_deliver_overtaken(struct sp_proxy *p, struct sp_conn *c);
struct sp_next sp_deliver_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

#endif
