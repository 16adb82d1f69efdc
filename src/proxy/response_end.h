/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* response_end.h - behind a response: excess, FIN and RST of its backend. For response.c */
#ifndef SP_PROXY_RESPONSE_END_H
#define SP_PROXY_RESPONSE_END_H

#include "proxy/proxy.h"
#include "proxy/reading.h"

/*
 * Set the boundary of @down to that of @r. @sent: goes on to the client afterwards; NULL: nothing.
 * Return: 0; -EAGAIN: the boundary has moved meanwhile; -ENOENT.
 */
int sp_response_set(struct sp_proxy *p, const struct sp_entry *down, const struct sp_reading *r,
		    const struct sp_segment *sent);
void sp_response_forward(struct sp_proxy *p, const struct sp_entry *down,
			 const struct sp_segment *seg);
/* Return: whether @seg reaches beyond the end of the response. */
int sp_response_is_excess(const struct sp_entry *down, const struct sp_segment *seg);

/* Each returns 0, or -EAGAIN: the boundary has moved. */
int sp_response_rst(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg);
int sp_response_fin(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg);
int sp_response_data(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg);
/* By a half of the store. */
int sp_response_fetched(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg,
			int is_copy);
/* Excess is with the client already. */
void sp_response_spoiled(struct sp_proxy *p, struct sp_entry *down, const struct sp_segment *seg);

#endif
