/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_pools.h - pools and their backends, in parts that take a millisecond. For report.c. */
#ifndef SP_NODE_REPORT_POOLS_H
#define SP_NODE_REPORT_POOLS_H

#include "control/control.h"
#include "node/node.h"

/*
 * Append the next pools of the configuration that @place holds, which a reload may have followed.
 * Return: 1: more are left; 0; -errno.
 */
int sp_report_pools(struct sp_node *node, struct sp_control_place *place,
		    struct sp_control_output *out);

#endif
