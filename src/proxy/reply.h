/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reply.h - replies of our own (RFC 9110, 15); RST where the protocol has no words for them. */
#ifndef SP_PROXY_REPLY_H
#define SP_PROXY_REPLY_H

#include "proxy/connection.h"

/* @status: of HTTP, or SP_REPLY_NOTHING */
struct sp_next sp_reply_begin(struct sp_proxy *p, struct sp_conn *c, int status, const char *why);
/* State ASKING: the store knows no splice of @c (-ENOENT), or is out of reach (-EAGAIN). */
struct sp_next sp_reply_asked(struct sp_proxy *p, struct sp_conn *c, int err);
/* State REPLIED: the client retransmits, sends more, or closes. */
struct sp_next sp_reply_segment(struct sp_proxy *p, struct sp_conn *c,
				const struct sp_segment *seg);
/* Reply once, and end @c: another connection needs its place. */
void sp_reply_last(struct sp_proxy *p, struct sp_conn *c, int status);

/* The client of a former daemon's reply retransmits, sends more, or closes. */
void sp_reply_end(struct sp_proxy *p, const struct sp_segment *seg);
/* Answer a keepalive probe before the client's first byte. */
void sp_reply_probe(struct sp_proxy *p, const struct sp_segment *seg);

/* Since the first reply of a connection's first request; 0: no such reply. */
__u32 sp_reply_age_ms(const struct sp_conn *c, __u64 now_ns);

#endif
