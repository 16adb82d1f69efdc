/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* miss.h - packets of connections that are unknown here, and the store's answers about them */
#ifndef SP_PROXY_MISS_H
#define SP_PROXY_MISS_H

#include "proxy/proxy.h"

/* A SYN whose tuple has a live entry @e. */
void sp_miss_challenge(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *syn);
/* An ICMP error quotes a packet to which a packet of tuple @key would be the answer. */
void sp_miss_quoted(struct sp_proxy *p, const struct sp_tuple *key);

/*
 * The store has no splice under @key (-ENOENT), or is out of reach (-EAGAIN): decide about the
 * strays of @key.
 */
void sp_miss_not_found(struct sp_proxy *p, const struct sp_tuple *key, int err);
/* The store has @splice under @key, now installed: forward the strays of @key. */
void sp_miss_release(struct sp_proxy *p, const struct sp_tuple *key,
		     const struct sp_splice *splice);
/* Return: whether the strays under the tuple of @splice are of a newer connection. */
int sp_miss_is_older(struct sp_proxy *p, const struct sp_splice *splice);
/* A newer connection of this tuple is known. */
void sp_miss_leave_behind(struct sp_proxy *p, const struct sp_splice *old);
/* Query the store again about strays that have just come. */
void sp_miss_tick(struct sp_proxy *p);

#endif
