/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * route_mtu.h - the MTU that routes say there is towards a backend. bpf_fib_lookup() tells that of the interface, and a
 * route's only where it is locked, while the kernel's forwarding heeds both.
 */
#ifndef SP_NODE_ROUTE_MTU_H
#define SP_NODE_ROUTE_MTU_H

#include "abi/tuple.h"

#define SP_ROUTE_MTUS	256	/* backends that are remembered; the kernel is asked about each once in ten seconds */

struct sp_route_mtu {
	struct sp_addr	to;
	__u64		until_ns;
	__u32		mtu;
};

/* @of: each at the place of its address's hash */
struct sp_route_mtus {
	struct sp_route_mtu of[SP_ROUTE_MTUS];
};

/* Return: bytes; 0: the kernel does not tell. */
__u32 sp_route_mtu(struct sp_route_mtus *mtus, const struct sp_addr *to, __u64 now_ns);

#endif
