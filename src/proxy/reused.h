/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reused.h - splices left behind: by a report of another proxy, the client has opened a new
 * connection from the same port. Every proxy that fetches such a splice gets it, until the new
 * splice is committed.
 */
#ifndef SP_PROXY_REUSED_H
#define SP_PROXY_REUSED_H

#include "abi/tuple.h"

/* A fixed table of the latest, for some seconds: a new splice displaces an older. */
#define SP_REUSED_SLOTS	256

struct sp_reused {
	struct {
		struct sp_tuple	front;
		__u32		client_isn;
		__u64		until_ns;
	} slots[SP_REUSED_SLOTS];
};

/* @hash: of @front */
void sp_reused_add(struct sp_reused *r, __u64 hash, const struct sp_tuple *front, __u32 client_isn,
		   __u64 now_ns);
int sp_reused_has(const struct sp_reused *r, __u64 hash, const struct sp_tuple *front,
		  __u32 client_isn, __u64 now_ns);

#endif
