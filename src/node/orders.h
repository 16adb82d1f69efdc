/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * orders.h - orders of `splicectl backend`, for this proxy. A pinned map keeps orders over restarts
 * of the daemon. Context: event loop.
 */
#ifndef SP_NODE_ORDERS_H
#define SP_NODE_ORDERS_H

#include <jansson.h>

#include "node/role.h"

/* Give backends the orders of the map: at the start, and after a reload. */
void sp_orders_apply(struct sp_node *node);

/*
 * @name: "POOL/NAME"; @order: a state, or "weight N" or "weight auto". Return: the answer, see
 * control/control.h; with "error" if nothing has changed.
 */
json_t *sp_orders_give(struct sp_node *node, const char *name, const char *order);
/* Each backend is auto again, also if it is not configured now. */
json_t *sp_orders_reset(struct sp_node *node);

const char *sp_order_name(enum sp_backend_order order);
/* @weight: plus 1; 0: none. Return: a new number, or null. */
json_t *sp_order_weight(__u32 weight);

#endif
