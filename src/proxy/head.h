/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* head.h - the first bytes of a connection: held, parsed, routed (state HEAD). */
#ifndef SP_PROXY_HEAD_H
#define SP_PROXY_HEAD_H

#include "proxy/connection.h"

/*
 * Begin a connection with its first segment, which is held. @cookie: as the datapath has read it;
 * SP_COOKIE_INVALID: read here. Return: NULL: no such service, or no room (counted).
 */
struct sp_conn *sp_head_begin(struct sp_proxy *p, const struct sp_segment *seg,
			      enum sp_cookie cookie);
/* Return: whether @seg is the first segment of @c, or a retransmission. */
int sp_head_is_first(const struct sp_conn *c, const struct sp_segment *seg);
/* Return: whether @c can go on at this proxy even if another proxy is its home. */
int sp_head_is_whole(struct sp_proxy *p, struct sp_conn *c);
/* Take segments that came before the first segment, then parse. */
struct sp_next sp_head_start(struct sp_proxy *p, struct sp_conn *c);
struct sp_next sp_head_parse(struct sp_proxy *p, struct sp_conn *c);

/* A later segment, held in each state before the splice. */
struct sp_next sp_head_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
/* The client's RST. END: the RST fits, and no commit was begun. */
struct sp_next sp_head_rst(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg);
struct sp_next sp_head_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns);

/* The commit failed, and bytes were acknowledged: HEAD again, with a retry after a pause. */
void sp_head_retry(struct sp_proxy *p, struct sp_conn *c);
/*
 * The held bytes as sent by the client, for another proxy. Bytes behind a hole are left to the
 * client's retransmission.
 */
struct sp_segment sp_head_as_segment(struct sp_proxy *p, const struct sp_conn *c);

#endif
