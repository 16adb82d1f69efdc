// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* admission.c - connections that count for a service and a source, until they leave */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/internal.h"

void sp_datapath_leave(struct sp_datapath *dp, const struct sp_tuple *front)
{
	struct sp_leave leave = { .front = *front };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &leave, .data_size_in = sizeof(leave));

	if (dp->has_admitted)
		bpf_prog_test_run_opts(dp->programs.fd[SP_PROGRAM_LEAVE], &opts);
}

unsigned int sp_datapath_service_connections(struct sp_datapath *dp, const char *service)
{
	__u32 id = sp_name_id(service);
	__s32 total = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_totals), &id, &total))
		return 0;
	return total > 0 ? total : 0;
}
