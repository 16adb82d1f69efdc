/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * orders.h - orders of `splicectl backend`, for all proxies of the cluster or for this proxy alone. A
 * pinned map keeps orders over restarts of the daemon. Proxies tell each other new orders at once,
 * and a digest of all orders twice a second. If digests differ, both send their tables. Context:
 * event loop.
 */
#ifndef SP_NODE_ORDERS_H
#define SP_NODE_ORDERS_H

#include <jansson.h>

#include "node/role.h"

/* For a role with backends. Reads the map. Return: 0 or -ENOMEM. */
int sp_orders_open(struct sp_node *node);
void sp_orders_close(struct sp_node *node);

/* Give backends the orders of the table: at the start, and after a reload. */
void sp_orders_apply(struct sp_node *node);
/* The same, also if the table is empty. @rows: gets the backends with a new order; or NULL. */
void sp_orders_reapply(struct sp_node *node, json_t *rows);

/*
 * @name: "POOL/NAME"; @order: a state, or "weight N" or "weight auto"; @is_here: for this proxy
 * alone. Return: the answer, see control/control.h; with "error" if nothing has changed.
 */
json_t *sp_orders_give(struct sp_node *node, const char *name, const char *order, int is_here);
/*
 * All orders end, also about backends that are not configured. @is_here: only orders of this proxy
 * alone.
 */
json_t *sp_orders_reset(struct sp_node *node, int is_here);

const char *sp_order_name(enum sp_backend_order order);
/* @weight: plus 1; 0: none. Return: a new number, or null. */
json_t *sp_order_weight(__u32 weight);
/* Return: a new object, giver and age of the order; null: no order. */
json_t *sp_orders_explain(struct sp_node *node, const struct sp_pool_conf *pool, size_t idx);

#endif
