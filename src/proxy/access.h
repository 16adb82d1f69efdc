/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access.h - the access log: what becomes of the connections and exchanges of services that have
 * one. A service without a log costs a comparison.
 */
#ifndef SP_PROXY_ACCESS_H
#define SP_PROXY_ACCESS_H

#include "proxy/connection.h"

struct sp_access;
struct sp_http1;
struct sp_tls_hello;
struct sp_reading;

/* Return: 0 or -ENOMEM. @p->access is NULL before. */
int sp_access_open(struct sp_proxy *p);
void sp_access_close(struct sp_access *access);

/* A whole head. Its text is kept in @c until the connection ends here. */
void sp_access_http(struct sp_conn *c, const struct sp_http1 *head);
void sp_access_tls(struct sp_conn *c, const struct sp_tls_hello *hello);
/* The head is routed: the time counts from here. */
void sp_access_heard(struct sp_conn *c);
/* The datapath may carry the same request by itself, as decision @key says. */
void sp_access_decided(struct sp_proxy *p, const struct sp_conn *c, __u64 key);
/* The request is forwarded now. */
void sp_access_forward(struct sp_proxy *p, const struct sp_conn *c);
void sp_access_replied(struct sp_proxy *p, const struct sp_conn *c);
/* The daemon has read a part of a response, from @was on, and sends @seg on. */
void sp_access_response(struct sp_proxy *p, const struct sp_entry *down,
			const struct sp_boundary *was, const struct sp_reading *r,
			const struct sp_segment *seg);

/* Return: whether the service of a connection has a log. */
int sp_access_wants(const struct sp_proxy *p, const struct sp_tuple *front);

/* Lines of what the datapath has reported since the last tick. */
void sp_access_tick(struct sp_proxy *p);

/* Return: exchanges of a connection so far; 0: not known. */
__u32 sp_access_exchanges(struct sp_proxy *p, const struct sp_tuple *front);

static inline int sp_access_is_on(const struct sp_conn *c)
{
	return !!c->service->access.to;
}

#endif
