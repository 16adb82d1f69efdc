// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* orders.c - the map of operators' orders about backends, see abi/order.h */
#include <errno.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int orders_fd(const struct sp_datapath *dp)
{
	return bpf_map__fd(dp->skel->maps.sp_ordered);
}

int sp_datapath_order_put(struct sp_datapath *dp, const struct sp_order_key *key,
			  const struct sp_order *order)
{
	if (!order)
		return bpf_map_delete_elem(orders_fd(dp), key) && errno != ENOENT ? -errno : 0;
	return bpf_map_update_elem(orders_fd(dp), key, order, BPF_ANY) ? -errno : 0;
}

int sp_datapath_order_next(struct sp_datapath *dp, const struct sp_order_key *after,
			   struct sp_order_entry *ret_entry)
{
	struct sp_order_entry e;

	if (bpf_map_get_next_key(orders_fd(dp), after, &e.key) ||
	    bpf_map_lookup_elem(orders_fd(dp), &e.key, &e.order))
		return -ENOENT;
	*ret_entry = e;
	return 0;
}
