/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* check_list.h - the checks of a configuration, as records for spliced-check. For checker.c. */
#ifndef SP_NODE_CHECK_LIST_H
#define SP_NODE_CHECK_LIST_H

#include "config/config.h"

struct sp_check_target {
	__u32	pool_idx, backend_idx;
};

/* @targets: by id */
struct sp_check_targets {
	unsigned int		generation, at_once;
	unsigned int		count;
	struct sp_check_target	*targets;
};

/* @list: zero, or filled before. Return: 0; -ENOMEM: @list is empty. */
int sp_check_targets_fill(struct sp_check_targets *list, const struct sp_config *config,
			  unsigned int generation, unsigned int at_once);

/* Number of records: begin, checks, end. */
unsigned int sp_check_targets_lines(const struct sp_check_targets *list);
/* @idx: of a record; @buf: SP_CHECK_LINE_MAX bytes. Return: its length. */
int sp_check_targets_format(const struct sp_check_targets *list, const struct sp_config *config,
			    unsigned int idx, char *buf);

#endif
