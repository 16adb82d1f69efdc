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

void sp_datapath_watch(struct sp_datapath *dp, void (*watch)(void *ctx, const struct sp_tuple *key,
							    const struct sp_entry *e, int change),
		       void *ctx)
{
	sp_count_watch(&dp->count, watch, ctx);
}

void sp_datapath_found(struct sp_datapath *dp, const struct sp_tuple *key,
		       const struct sp_entry *e)
{
	sp_count_found(&dp->count, key, e);
}

/*
 * Return: 0 or -errno. @ret_old: the replaced entry; all zero: none. The half of a later version
 * replaces the earlier half: the first try would fail.
 */
static int replace_entry(int fd, const struct sp_tuple *key, const struct sp_entry *e,
			 struct sp_entry *ret_old)
{
	*ret_old = (struct sp_entry){ 0 };
	if (e->meta.version <= 1 || e->half.flags & SP_HALF_F_FROM_BACKEND) {
		if (!bpf_map_update_elem(fd, key, e, BPF_NOEXIST))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	if (bpf_map_lookup_elem(fd, key, ret_old))
		*ret_old = (struct sp_entry){ 0 };
	return bpf_map_update_elem(fd, key, e, BPF_ANY) ? -errno : 0;
}

int sp_datapath_replace(struct sp_datapath *dp, const struct sp_tuple *key,
			const struct sp_half *half, const struct sp_half_state *start,
			const struct sp_meta *meta, struct sp_entry *ret_old)
{
	struct sp_entry e = { .half = *half };
	int err;

	if (sp_count_of(&e) && sp_datapath_count(dp)->splices >= dp->count.max)
		return -E2BIG;
	if (start)
		e.state = *start;
	if (meta)
		e.meta = *meta;
	sp_state_begin(&e.state, key, half, sp_now_ns());
	err = replace_entry(bpf_map__fd(dp->skel->maps.sp_halves), key, &e, ret_old);
	if (!err)
		sp_count_replace(&dp->count, dp->control, key, ret_old, &e);
	return err;
}

int sp_datapath_put(struct sp_datapath *dp, const struct sp_tuple *key, const struct sp_half *half,
		    const struct sp_half_state *start, const struct sp_meta *meta)
{
	struct sp_entry old;

	return sp_datapath_replace(dp, key, half, start, meta, &old);
}

int sp_datapath_take(struct sp_datapath *dp, const struct sp_tuple *key, struct sp_entry *ret_old)
{
	if (bpf_map_lookup_and_delete_elem(bpf_map__fd(dp->skel->maps.sp_halves), key, ret_old))
		return -errno;
	sp_count_replace(&dp->count, dp->control, key, ret_old, NULL);
	if (!(ret_old->half.flags & (SP_HALF_F_FROM_BACKEND | SP_HALF_F_TO_DAEMON)))
		sp_datapath_leave(dp, key);
	if (dp->has_names)
		bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.sp_named), key);
	return 0;
}

int sp_datapath_del(struct sp_datapath *dp, const struct sp_tuple *key)
{
	struct sp_entry old;

	return sp_datapath_take(dp, key, &old);
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
