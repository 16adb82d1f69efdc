// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* orders.c - the map of operators' orders about backends, see abi/order.h */
#include <errno.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int orders_fd(const struct sp_datapath *dp)
{
	return bpf_map__fd(dp->skel->maps.sp_orders);
}

int sp_datapath_order_put(struct sp_datapath *dp, const struct sp_order_key *key, __u32 order)
{
	if (!order)
		return bpf_map_delete_elem(orders_fd(dp), key) && errno != ENOENT ? -errno : 0;
	return bpf_map_update_elem(orders_fd(dp), key, &order, BPF_ANY) ? -errno : 0;
}

int sp_datapath_has_orders(struct sp_datapath *dp)
{
	struct sp_order_key key;

	return !bpf_map_get_next_key(orders_fd(dp), NULL, &key);
}

__u32 sp_datapath_order_get(struct sp_datapath *dp, const struct sp_order_key *key)
{
	__u32 order = 0;

	if (bpf_map_lookup_elem(orders_fd(dp), key, &order))
		return 0;
	return order;
}

void sp_datapath_orders_clear(struct sp_datapath *dp)
{
	struct sp_order_key key;

	for (int i = 0; i < SP_ORDERS_MAX &&
	     !bpf_map_get_next_key(orders_fd(dp), NULL, &key); i++)
		bpf_map_delete_elem(orders_fd(dp), &key);
}
