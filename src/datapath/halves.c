// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* halves.c - the table of halves, and how many splices are in it */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "datapath/internal.h"

int sp_datapath_get(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_entry)
{
	return bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_halves), key, ret_entry) ? -errno : 0;
}

/* What the datapath has counted is a change, too. */
const struct sp_count *sp_datapath_count(struct sp_datapath *dp)
{
	__u32 introduced = __atomic_load_n(&dp->control->introduced, __ATOMIC_RELAXED);

	dp->count.splices = __atomic_load_n(&dp->control->splices, __ATOMIC_RELAXED);
	dp->count.changes += introduced - dp->introduced;
	dp->introduced = introduced;
	return &dp->count;
}

static void count_by(struct sp_datapath *dp, int splices)
{
	__u32 now = __atomic_add_fetch(&dp->control->splices, splices, __ATOMIC_RELAXED);

	dp->count.changes += !!splices;
	dp->control->is_full = now >= dp->count.max;
}

void sp_datapath_counted(struct sp_datapath *dp, unsigned int splices)
{
	count_by(dp, splices - sp_datapath_count(dp)->splices);
}

static int is_counted(const struct sp_entry *e)
{
	return !!(e->half.flags & SP_HALF_F_FROM_BACKEND);
}

/* Return: 0 with what was there before in the table's count, or -errno. */
static int replace(int fd, const struct sp_tuple *key, const struct sp_entry *e, unsigned int *ret_counted)
{
	struct sp_entry old;

	*ret_counted = 0;
	if (!bpf_map_update_elem(fd, key, e, BPF_NOEXIST))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (!bpf_map_lookup_elem(fd, key, &old))
		*ret_counted = is_counted(&old);
	return bpf_map_update_elem(fd, key, e, BPF_ANY) ? -errno : 0;
}

int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *tag)
{
	struct sp_entry e = { .half = *half };
	unsigned int counted;
	int err;

	if (is_counted(&e) && sp_datapath_count(dp)->splices >= dp->count.max)
		return -E2BIG;
	if (start)
		e.state = *start;
	if (tag)
		e.meta = *tag;
	sp_state_begin(&e.state, key, half, sp_now_ns());
	err = replace(bpf_map__fd(dp->skel->maps.sp_halves), key, &e, &counted);
	if (!err)
		count_by(dp, is_counted(&e) - (int)counted);
	return err;
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	struct sp_entry old;

	if (bpf_map_lookup_and_delete_elem(bpf_map__fd(dp->skel->maps.sp_halves), key, &old))
		return -errno;
	count_by(dp, -is_counted(&old));
	return 0;
}

int sp_datapath_walk(struct sp_datapath *dp, __u32 *cursor, int is_first, struct sp_tuple *keys,
		     struct sp_entry *entries, int max, int *ret_end)
{
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = max, out;
	int err;

	err = bpf_map_lookup_batch(bpf_map__fd(dp->skel->maps.sp_halves), is_first ? NULL : cursor, &out,
				   keys, entries, &count, &opts);
	*ret_end = err && errno == ENOENT;
	if (err && !*ret_end)
		return -errno;
	*cursor = out;
	return count;
}
