// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* decisions.c - requests that the datapath carries by itself, see abi/decision.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "datapath/internal.h"

#define NOTED_NS	1000000000ULL

/* SPLICED_DECISIONS=no: the daemon reads every request, for comparisons. */
static int is_refused(void)
{
	const char *wish = getenv("SPLICED_DECISIONS");

	return wish && !strcmp(wish, "no");
}

/* Without a key no decision is written. One of the key before is never found. */
int sp_datapath_forget_decisions(struct sp_datapath *dp)
{
	struct sp_decision_key key;
	__u32 zero = 0;

	dp->has_decisions = 0;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_decision_key), &zero, &key, BPF_ANY))
		return -errno;
	dp->decision_key = key;
	dp->has_decisions = !is_refused();
	return 0;
}

/* Whether the decision was written within a second. The kernel forgets old decisions. */
static int is_noted(struct sp_datapath *dp, const struct sp_digest *d,
		    const struct sp_decision *decision)
{
	struct sp_noted *n = &dp->noted[d->check % SP_NOTED_SLOTS];
	__u64 now_ns = sp_now_ns();

	if (n->at_ns && now_ns - n->at_ns < NOTED_NS && !memcmp(&n->digest, d, sizeof(*d)) &&
	    !memcmp(&n->decision, decision, sizeof(*decision)))
		return 1;
	*n = (struct sp_noted){ .digest = *d, .decision = *decision, .at_ns = now_ns };
	return 0;
}

__u64 sp_datapath_decide(struct sp_datapath *dp, const struct sp_tuple *front, const void *bytes,
			__u32 n, __u16 pool_id, __u8 reading)
{
	struct sp_digest d;
	struct sp_decision decision = { .pool_id = pool_id, .reading = reading };

	if (!dp->has_decisions || !n || n > SP_DECISION_BYTES_MAX)
		return 0;
	d = sp_decision_digest(&dp->decision_key, front, bytes, n);
	decision.check = d.check;
	if (!is_noted(dp, &d, &decision))
		bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_decisions), &d.key, &decision,
				    BPF_ANY);
	return d.key;
}

/* The next such request is decided anew: no slot may say that the decision is there. */
void sp_datapath_undecide(struct sp_datapath *dp, __u64 key)
{
	bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.sp_decisions), &key);
	for (unsigned int i = 0; i < SP_NOTED_SLOTS; i++)
		if (dp->noted[i].digest.key == key)
			dp->noted[i].at_ns = 0;
}
