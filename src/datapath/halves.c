// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* halves.c - the table of halves, and the count of splices in it */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "datapath/count.h"
#include "datapath/internal.h"

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	return bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_halves), key, ret_entry) ? -errno :
	       0;
}

const struct sp_count *sp_datapath_count(struct sp_datapath *dp)
{
	return sp_count_read(&dp->count, dp->control);
}

void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices)
{
	sp_count_add(&dp->count, dp->control, splices - sp_datapath_count(dp)->splices);
}

/* Return: 0 or -errno; *@ret_counted: whether the replaced entry was counted. */
static int replace_entry(int fd, const struct sp_tuple *key, const struct sp_entry *e,
			 unsigned int *ret_counted)
{
	struct sp_entry old;

	*ret_counted = 0;
	if (!bpf_map_update_elem(fd, key, e, BPF_NOEXIST))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (!bpf_map_lookup_elem(fd, key, &old))
		*ret_counted = sp_count_of(&old);
	return bpf_map_update_elem(fd, key, e, BPF_ANY) ? -errno : 0;
}

int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *meta)
{
	struct sp_entry e = { .half = *half };
	unsigned int counted;
	int err;

	if (sp_count_of(&e) && sp_datapath_count(dp)->splices >= dp->count.max)
		return -E2BIG;
	if (start)
		e.state = *start;
	if (meta)
		e.meta = *meta;
	sp_state_begin(&e.state, key, half, sp_now_ns());
	err = replace_entry(bpf_map__fd(dp->skel->maps.sp_halves), key, &e, &counted);
	if (!err)
		sp_count_add(&dp->count, dp->control, sp_count_of(&e) - (int)counted);
	return err;
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	struct sp_entry old;

	if (bpf_map_lookup_and_delete_elem(bpf_map__fd(dp->skel->maps.sp_halves), key, &old))
		return -errno;
	sp_count_add(&dp->count, dp->control, -sp_count_of(&old));
	if (dp->has_names)
		bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.sp_named), key);
	return 0;
}

int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *keys,
		     struct sp_entry *entries, int max, int *ret_end)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = max, out;
	int err;

	err = bpf_map_lookup_batch(bpf_map__fd(dp->skel->maps.sp_halves), is_first ? NULL :
				   cursor, &out,
				   keys, entries, &count, &opts);
	*ret_end = err && errno == ENOENT;
	if (err && !*ret_end)
		return -errno;
	*cursor = out;
	return count;
}
