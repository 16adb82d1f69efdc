// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* access.c - exchanges that the datapath reports for the access log, see abi/access.h. */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

#define ACCESSES_AT_ONCE	16384	/* then the loop turns */

static int on_access(void *ctx, void *data, size_t size)
{
	struct sp_datapath *dp = ctx;

	if (size >= sizeof(struct sp_access_event))
		dp->access_fn(dp->access_ctx, data);
	return --dp->accesses_left ? 0 : -EAGAIN;
}

int sp_datapath_access_subscribe(struct sp_datapath *dp, sp_access_fn fn, void *ctx)
{
	dp->access_fn = fn;
	dp->access_ctx = ctx;
	dp->accesses = ring_buffer__new(bpf_map__fd(dp->skel->maps.sp_exchanges), on_access, dp,
					NULL);
	return dp->accesses ? 0 : -errno;
}

void sp_datapath_access_consume(struct sp_datapath *dp)
{
	if (!dp->accesses)
		return;
	dp->accesses_left = ACCESSES_AT_ONCE;
	ring_buffer__consume(dp->accesses);
}

__u64 sp_datapath_access_lost(struct sp_datapath *dp)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *each = cpus > 0 ? calloc(cpus, sizeof(*each)) : NULL, sum = 0;
	__u32 zero = 0;

	if (each && !bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_log_lost), &zero, each))
		for (int i = 0; i < cpus; i++)
			sum += each[i];
	free(each);
	return sum;
}
