/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * order_table.h - orders of operators. Proxies of a cluster merge their orders to the same table: for
 * each key the order with the latest stamp holds. No I/O, no clock: CLOCK_REALTIME is passed in.
 */
#ifndef SP_NODE_ORDER_TABLE_H
#define SP_NODE_ORDER_TABLE_H

#include "abi/order.h"

/* Age of an order `auto` that is forgotten. Before, earlier orders of absent proxies stay void. */
#define SP_ORDER_AUTO_KEPT_MS	(7 * 24 * 3600 * 1000ULL)
/* Lead of a stamp that is refused: a clock is wrong. */
#define SP_ORDER_AHEAD_MS	(24 * 3600 * 1000ULL)

/*
 * Each change; @order: NULL: removed. Return: 0 or -errno: then the change does not happen.
 */
typedef int (*sp_order_save_fn)(void *ctx, const struct sp_order_key *key,
				const struct sp_order *order);

/**
 * struct sp_order_table - all orders
 * @entries:	sorted by key, room for SP_ORDERS_MAX
 * @digest:	of all entries but those of this proxy alone; equal tables have equal digests
 * @latest:	the latest stamp seen
 */
struct sp_order_table {
	struct sp_order_entry	*entries;
	unsigned int		count;
	__u64			digest, latest;
	sp_order_save_fn	save;
	void			*ctx;
};

/* Return: 0 or -ENOMEM. */
int sp_order_table_init(struct sp_order_table *t, sp_order_save_fn save, void *ctx);
void sp_order_table_fini(struct sp_order_table *t);
/* The stamp of a new order: later than all stamps seen. */
__u64 sp_order_table_stamp(struct sp_order_table *t, __u64 now_ms);
/*
 * Return: 1: taken; 0: the table has the same order or a later one; -E2BIG: full; -ERANGE: the
 * stamp is too far ahead; -errno of the save.
 */
int sp_order_table_merge(struct sp_order_table *t, const struct sp_order_entry *said,
			 __u64 now_ms);
void sp_order_table_remove(struct sp_order_table *t, const struct sp_order_key *key);
/* Remove old orders `auto`: now and then. */
void sp_order_table_expire(struct sp_order_table *t, __u64 now_ms);
/* The order in effect: of this proxy alone, else of the cluster; NULL: none. Borrowed. */
const struct sp_order_entry *sp_order_table_get(const struct sp_order_table *t,
						const struct sp_order_key *key);

#endif
