/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* back.h - from a whole head to a connected backend (state CONNECTING). */
#ifndef SP_PROXY_BACK_H
#define SP_PROXY_BACK_H

#include "proxy/connection.h"

/* The head is whole. @pool_idx: -1: no route matches */
struct sp_next sp_back_start(struct sp_proxy *p, struct sp_conn *c, int pool_idx);
/* A segment of the backend of @c that no half carries. */
struct sp_next sp_back_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
/* An ICMP error about the connection to the backend. */
struct sp_next sp_back_quoted(struct sp_proxy *p, struct sp_conn *c, const struct sp_quote *quote);
struct sp_next sp_back_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

/* A connection that waits for a backend with room looks again, or has waited for too long. */
int sp_back_is_queued(const struct sp_conn *c);
struct sp_next sp_back_queued(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

#endif
