/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * count.h - number of splices in the table. Only for src/datapath and its fakes in tests.
 */
#ifndef SP_DATAPATH_COUNT_H
#define SP_DATAPATH_COUNT_H

#include "datapath/datapath.h"

/* A splice is counted by its half from the backend. @e: may be NULL */
int sp_count_of(const struct sp_entry *e);

/* Read the datapath's counts, which is a change, too. Return: @count. */
const struct sp_count *sp_count_read(struct sp_count *count, const struct sp_control *control);

/* So many more, or fewer. The datapath refuses SYNs while the table is full. */
void sp_count_add(struct sp_count *count, struct sp_control *control, int splices);

typedef void (*sp_count_watch_fn)(void *ctx, const struct sp_tuple *key, const struct sp_entry *e,
				  int change);
void sp_count_watch(struct sp_count *count, sp_count_watch_fn watch, void *ctx);
/* A splice that was in the table before. */
void sp_count_found(const struct sp_count *count, const struct sp_tuple *key,
		    const struct sp_entry *e);
/* @old gives way to @new, either of which may be NULL. Calls @count->watch. */
void sp_count_replace(struct sp_count *count, struct sp_control *control,
		      const struct sp_tuple *key, const struct sp_entry *old,
		      const struct sp_entry *new);

#endif
