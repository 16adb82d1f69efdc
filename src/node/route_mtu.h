/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * route_mtu.h - the MTU of the route to a backend, in bytes. The kernel's forwarding heeds the MTU
 * of the interface and the MTU of the route. But bpf_fib_lookup() returns the interface's MTU, and
 * the route's MTU only if it is locked.
 */
#ifndef SP_NODE_ROUTE_MTU_H
#define SP_NODE_ROUTE_MTU_H

#include "abi/tuple.h"

#define SP_ROUTE_MTUS	256	/* entries of the cache; each is valid for ten seconds */

struct sp_route_mtu {
	struct sp_addr	to;
	__u64		until_ns;
	__u32		mtu;
};

/* @of: indexed by a hash of the address; zeroed at first */
struct sp_route_mtus {
	struct sp_route_mtu of[SP_ROUTE_MTUS];
};

/* Return: the MTU; 0: not known. @now_ns: any monotonic clock */
__u32 sp_route_mtu(struct sp_route_mtus *mtus, const struct sp_addr *to, __u64 now_ns);

#endif
