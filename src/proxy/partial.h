/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * partial.h - heads and size lines of responses, until the rest has come: a fixed table
 */
#ifndef SP_PROXY_PARTIAL_H
#define SP_PROXY_PARTIAL_H

#include "proxy/proxy.h"

#define SP_PARTIAL_ROOM	(128 * 1024)	/* a head of 64 KiB, and bytes behind a gap */

/**
 * struct sp_partial
 * @key:	what the half from the backend matches
 * @base:	number of the first byte in @buf, where a head or a size line begins
 * @buf:	of SP_PARTIAL_ROOM bytes; NULL: free
 */
struct sp_partial {
	struct sp_tuple	key;
	__u32		base;
	__u64		used_ns;
	struct sp_reasm	reasm;
	char		*buf;
};

struct sp_partials;

int sp_partials_new(struct sp_partials **ret_partials);
void sp_partials_free(struct sp_partials *partials);

/* Return: NULL: not found. */
struct sp_partial *sp_partial_find(struct sp_proxy *p, const struct sp_tuple *key);
/* Return: NULL: another response has the place. */
struct sp_partial *sp_partial_take(struct sp_proxy *p, const struct sp_tuple *key, __u32 base);
void sp_partial_drop(struct sp_partial *s);

/*
 * Return: whether bytes behind the boundary of @down went by unread, as the daemon with the copies
 * is gone. @acked: by the client, as the backend counts
 */
int sp_partial_is_lost(struct sp_proxy *p, const struct sp_tuple *key,
		       const struct sp_entry *down, __u32 acked);

#endif
