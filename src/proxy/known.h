/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* known.h - a splice of the store against the one that is here: the later version counts */
#ifndef SP_PROXY_KNOWN_H
#define SP_PROXY_KNOWN_H

#include "proxy/proxy.h"

/* Return: whether the datapath has this splice, or a later one of the connection. */
int sp_known_has(struct sp_proxy *p, const struct sp_splice *splice);

/*
 * Install a later splice in the place of the one that is here, whose half down goes unless it is
 * the same leg. Return: 0; -E2BIG: the table is full.
 */
int sp_known_replace(struct sp_proxy *p, const struct sp_splice *splice);

/* Another proxy has answered the client itself: a splice of requests goes. */
void sp_known_over(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn);

/* Another proxy has a later splice of the connection: ours goes. @version: its lowest bits */
void sp_known_moved(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn,
		    __u8 version);

#endif
