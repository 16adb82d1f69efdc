/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * order.h - map sp_orders: operators' orders about backends, kept over restarts of the daemon. The
 * value has an enum sp_backend_order in the lowest bits, and the ordered weight, plus 1; 0: no
 * weight. For the daemon alone: no program reads the map.
 */
#ifndef SP_ABI_ORDER_H
#define SP_ABI_ORDER_H

#include "tuple.h"

#define SP_ORDERS_MAX	4096
#define SP_ORDER_WEIGHT_SHIFT	16
#define SP_ORDER_STATE_MASK	0xff

/**
 * struct sp_order_key - a backend of a pool
 * @pool_id:	sp_name_id() of the pool
 * @port_be, @addr: of the backend
 */
struct sp_order_key {
	__u32		pool_id;
	__be16		port_be;
	__u16		pad;
	struct sp_addr	addr;
};
_Static_assert(sizeof(struct sp_order_key) == 24, "struct sp_order_key is ABI");

#endif
