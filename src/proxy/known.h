/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* known.h - a splice of the store beside the splice here: the later version counts */
#ifndef SP_PROXY_KNOWN_H
#define SP_PROXY_KNOWN_H

#include "proxy/proxy.h"

/* Return: whether the datapath has @splice, or a later version. */
int sp_known_has(struct sp_proxy *p, const struct sp_splice *splice);

/* Return: whether the response is read further with @a than with @b. Unknown is not further. */
int sp_known_is_further(const struct sp_boundary *a, const struct sp_boundary *b);

/*
 * Install a later version of a splice. The half down of the version before goes, unless the leg is
 * the same: then the response is as the store says, or as read here, if further. Return: 0;
 * -E2BIG: the table is full.
 */
int sp_known_replace(struct sp_proxy *p, const struct sp_splice *splice);

/* A proxy has sent a reply of its own, which ends the connection: a splice of requests goes. */
void sp_known_over(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn);

/* Some proxy has a later version: the splice here goes. @version: the lowest bits */
void sp_known_moved(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn,
		    __u8 version);

#endif
