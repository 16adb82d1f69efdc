/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_pools.h - pools and their backends, in parts of a millisecond. For report.c. */
#ifndef SP_NODE_REPORT_POOLS_H
#define SP_NODE_REPORT_POOLS_H

#include "control/control.h"
#include "node/node.h"

/*
 * Append the next backends of the configuration in @place, which may be older than the
 * configuration in effect. Return: 1: backends are left; 0; -errno.
 */
int sp_report_pools(struct sp_node *node, struct sp_control_place *place,
		    struct sp_control_output *out);

#endif
