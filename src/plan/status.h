/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* status.h - what a running cluster says of itself. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_STATUS_H
#define SP_PLAN_STATUS_H

#include "cluster.h"

/**
 * sp_status_read() - counts of machines and connections
 * @path:	what `splicectl --json status` has printed (store servers, backends, connections
 *		of one proxy), or `splicectl --json cluster` (proxies, and connections of all)
 * @params:	a struct sp_plan_cluster
 * @error:	what is wrong
 *
 * Return: 0; -EINVAL.
 */
int sp_status_read(const char *path, void *params, char error[SP_PLAN_ERROR_MAX]);

#endif
