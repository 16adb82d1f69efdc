/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * align.h - a response of which the client has a part begins again at another backend: both are
 * compared, and aligned
 */
#ifndef SP_PROXY_ALIGN_H
#define SP_PROXY_ALIGN_H

#include "proxy/connection.h"

/* Return: whether the response of @down has to be compared first. No byte of it is carried. */
int sp_align_is_for(const struct sp_entry *down);

/* Return: whether the response is complete with @seg. */
int sp_align_is_whole(const struct sp_entry *down, const struct sp_segment *seg);

/*
 * Return: whether a backend that is not continued has ended a response of which the client has more
 * already: an RST with the backend's number would not end the client.
 */
int sp_align_is_over(const struct sp_entry *down, const struct sp_segment *seg);

/* A packet of such a response. */
void sp_align_segment(struct sp_proxy *p, const struct sp_entry *down,
		      const struct sp_segment *seg);

/* Not continued: the connection ends. @acked: by the client */
void sp_align_close(struct sp_proxy *p, const struct sp_tuple *front, __u32 acked);
/* The same, with the last acknowledgement that has passed. */
void sp_align_end(struct sp_proxy *p, const struct sp_tuple *front);

#endif
