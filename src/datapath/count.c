// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/count.h"

#include "abi/service.h"

int sp_count_of(const struct sp_entry *e)
{
	return e && e->half.flags & SP_HALF_F_FROM_BACKEND;
}

const struct sp_count *sp_count_read(struct sp_count *count, const struct sp_control *control)
{
	__u32 introduced = __atomic_load_n(&control->introduced, __ATOMIC_RELAXED);

	count->splices = __atomic_load_n(&control->splices, __ATOMIC_RELAXED);
	count->changes += introduced - count->introduced;
	count->introduced = introduced;
	return count;
}

void sp_count_add(struct sp_count *count, struct sp_control *control, int splices)
{
	__u32 now = __atomic_add_fetch(&control->splices, splices, __ATOMIC_RELAXED);

	count->changes += !!splices;
	control->is_full = now >= count->max;
}

void sp_count_replace(struct sp_count *count, struct sp_control *control,
		      const struct sp_tuple *key, const struct sp_entry *old,
		      const struct sp_entry *new)
{
	sp_count_add(count, control, sp_count_of(new) - sp_count_of(old));
	if (!count->watch)
		return;
	if (sp_count_of(old))
		count->watch(count->watch_ctx, key, old, -1);
	if (sp_count_of(new))
		count->watch(count->watch_ctx, key, new, 1);
}

void sp_count_watch(struct sp_count *count, sp_count_watch_fn watch, void *ctx)
{
	count->watch = watch;
	count->watch_ctx = ctx;
}

void sp_count_found(const struct sp_count *count, const struct sp_tuple *key,
		    const struct sp_entry *e)
{
	if (count->watch)
		count->watch(count->watch_ctx, key, e, 1);
}
