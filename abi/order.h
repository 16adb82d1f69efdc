/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * order.h - map sp_ordered: operators' orders about backends, kept over restarts of the daemon. For
 * the daemon alone: no program reads the map.
 */
#ifndef SP_ABI_ORDER_H
#define SP_ABI_ORDER_H

#include "tuple.h"

#define SP_ORDERS_MAX	8192	/* state and weight of 4096 backends */

/* What is ordered: each has its own history, so a state and a weight do not replace each other. */
enum sp_order_what {
	SP_ORDER_STATE,		/* an enum sp_backend_order; 0: auto */
	SP_ORDER_WEIGHT,	/* plus 1; 0: as configured */
	SP_ORDER_RESET,		/* of no backend: all orders with an earlier stamp are void */
	SP_ORDER_WHAT_COUNT
};

#define SP_ORDER_F_HERE	0x80	/* beside the above: of this proxy alone, told to no other */

/**
 * struct sp_order_key - what is ordered, of a backend of a pool
 * @pool_id:	sp_name_id() of the pool
 * @port_be, @addr: of the backend
 * @what:	enum sp_order_what, SP_ORDER_F_*
 */
struct sp_order_key {
	__u32		pool_id;
	__be16		port_be;
	__u16		what;
	struct sp_addr	addr;
};
_Static_assert(sizeof(struct sp_order_key) == 24, "struct sp_order_key is ABI");

/**
 * struct sp_order - the latest order
 * @stamp:	hybrid clock: CLOCK_REALTIME in ms << 16, or the latest known stamp + 1
 * @from:	sp_member_id() of the proxy that was given the order; 0: a proxy without a cluster
 * @value:	see enum sp_order_what
 */
struct sp_order {
	__u64	stamp;
	__u64	from;
	__u32	value;
	__u32	pad;
};
_Static_assert(sizeof(struct sp_order) == 24, "struct sp_order is ABI");

struct sp_order_entry {
	struct sp_order_key	key;
	struct sp_order		order;
};

#endif
