// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* counters.c - counters of the datapath, for each CPU */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/internal.h"

static __u64 percpu_sum(int fd, __u32 key)
{
	static __u64 values[1024];
	int cpus = libbpf_num_possible_cpus();
	__u64 sum = 0;

	if (cpus > 1024 || bpf_map_lookup_elem(fd, &key, values))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

__u64 sp_datapath_drop_count(struct sp_datapath *dp, __u32 reason)
{
	return percpu_sum(bpf_map__fd(dp->skel->maps.sp_drops), reason);
}

__u64 sp_datapath_stat(struct sp_datapath *dp, __u32 stat)
{
	return percpu_sum(bpf_map__fd(dp->skel->maps.sp_stats), stat);
}
