/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access_sink.h - lines of the access log on their way to the writer. Nothing blocks: lines without
 * room are dropped, and counted.
 */
#ifndef SP_NODE_ACCESS_SINK_H
#define SP_NODE_ACCESS_SINK_H

#include <stddef.h>

#include "abi/ktypes.h"

struct sp_access_sink;

/* @fd: the writer's socket; negative: there is no writer. Return: 0 or -ENOMEM. */
int sp_access_sink_new(int fd, struct sp_access_sink **ret_sink);
#define SP_ACCESS_TARGET_NONE	65535	/* of `none` */

/* The index of target @to (see struct sp_access_conf); -ENOSPC: too many. */
int sp_access_sink_target(struct sp_access_sink *sink, const char *to);
/* @line: ends with a line feed */
void sp_access_sink_write(struct sp_access_sink *sink, int target, const char *line, size_t len);
/* A line could not even be made. */
void sp_access_sink_drop(struct sp_access_sink *sink);
/* Call each tick. */
void sp_access_sink_flush(struct sp_access_sink *sink);
/* The writer opens files anew. */
void sp_access_sink_reopen(struct sp_access_sink *sink);
void sp_access_sink_counts(const struct sp_access_sink *sink, __u64 *ret_lines,
			   __u64 *ret_dropped);

#endif
