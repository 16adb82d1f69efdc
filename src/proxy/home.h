/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * home.h - segments of connections unknown here: the store is queried, or the home of the
 * connection gets them.
 *
 * The home is the proxy that puts the head of a connection together if segments come to several
 * proxies (ARCHITECTURE.md).
 */
#ifndef SP_PROXY_HOME_H
#define SP_PROXY_HOME_H

#include "proxy/proxy.h"

/* Hold @seg while the store is queried for a splice. @flags: SP_STRAY_F_* */
void sp_home_keep(struct sp_proxy *p, const struct sp_segment *seg, __u8 flags);

/*
 * Send @seg to the home of its connection, and hold a copy in case the home is dead. @kind: FRONT,
 * MISS
 */
void sp_home_send(struct sp_proxy *p, enum sp_event_kind kind, const struct sp_segment *seg);

/*
 * A backend's segment goes to the proxy that opened the connection: the owner of the address.
 * Without an owner, all proxies get the segment.
 */
void sp_home_send_opener(struct sp_proxy *p, const struct sp_segment *seg);

/* Return: whether @addr is among this proxy's own source addresses. */
int sp_home_owns(const struct sp_proxy *p, const struct sp_addr *addr);

/* Query for another proxy's splice of @c, once for newly arrived data, see home.c. */
void sp_home_ask(struct sp_proxy *p, struct sp_conn *c);
/* The same for a further request. */
void sp_home_ask_next(struct sp_proxy *p, struct sp_conn *c);

#endif
