/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* again.h - a changed head that the client retransmits */
#ifndef SP_PROXY_AGAIN_H
#define SP_PROXY_AGAIN_H

#include "proxy/connection.h"

/* Whether @seg begins with bytes of a changed head, which the half @up does not carry. */
int sp_again_is_for(const struct sp_entry *up, const struct sp_segment *seg);

/*
 * Such a segment. Return: whether the changed bytes are at the backend, or on their way: then
 * @ret_rest are the bytes behind, for the half.
 */
int sp_again_segment(struct sp_proxy *p, const struct sp_entry *up, const struct sp_entry *down,
		     const struct sp_segment *seg, struct sp_segment *ret_rest);

#endif
