/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* back.h - from a whole head to a committed splice (states CONNECTING, COMMITTING, LATE). */
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

/*
 * The store has answered the commit; see sp_store_events. sp_back_late(): of a connection in state
 * LATE.
 */
struct sp_next sp_back_committed(struct sp_proxy *p, struct sp_conn *c, int err,
				 const struct sp_splice *winner);
struct sp_next sp_back_late(struct sp_proxy *p, struct sp_conn *c, int err,
			    const struct sp_splice *winner);

/* Give up the connection to the backend and its port; sp_back_reset(): and tell the backend. */
void sp_back_release(struct sp_proxy *p, struct sp_conn *c);
void sp_back_reset(struct sp_proxy *p, struct sp_conn *c);

#endif
