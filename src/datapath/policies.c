// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* policies.c - IPsec policies of this host in the datapath: see policy.h */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/drop.h"
#include "base/log.h"
#include "datapath/internal.h"
#include "base/warnings.h"

static int set_policies(struct sp_datapath *dp)
{
	static const struct sp_policies none;
	const struct sp_policies *table = sp_policy_watch_table(dp->policies);
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_policies), &zero, table ?:
				&none, BPF_ANY))
		return -errno;
	return 0;
}

int sp_datapath_policies_open(struct sp_datapath *dp)
{
	return sp_policy_watch_open(&dp->policies) ?: set_policies(dp);
}

int sp_datapath_policies_fd(const struct sp_datapath *dp)
{
	return dp->policies ? sp_policy_watch_fd(dp->policies) : -1;
}

void sp_datapath_policies_changed(struct sp_datapath *dp, __u64 now_ns)
{
	int err = sp_policy_watch_read(dp->policies, now_ns) ? set_policies(dp) : 0;

	if (err)
		log_err_errno(err,
			      "IPsec policies have changed, but can't be written to the datapath");
}

void sp_datapath_policies_tick(struct sp_datapath *dp, __u64 now_ns)
{
	__u64 pkts = sp_datapath_drop_count(dp, SP_DROP_IPSEC);

	if (pkts > dp->forbidden_pkts)
		sp_warn(SP_WARNING_IPSEC, now_ns, "spliced",
			"IPsec policies of this host forbid packets of spliced connections, "
			"or want them encrypted: %llu dropped so far",
			(unsigned long long)pkts);
	if (sp_policy_watch_beyond(dp->policies))
		sp_warn(SP_WARNING_IPSEC, now_ns, "many",
			"%u IPsec policies for TCP are more than the datapath's table holds: "
			"packets that only the others allow are dropped",
			sp_policy_watch_beyond(dp->policies));
	dp->forbidden_pkts = pkts;
}

int sp_datapath_is_forbidden(const struct sp_datapath *dp, const struct sp_tuple *out)
{
	return sp_policies_forbid(sp_policy_watch_table(dp->policies), out);
}
