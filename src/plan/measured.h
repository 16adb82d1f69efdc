/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* measured.h - what a torture run has measured. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_MEASURED_H
#define SP_PLAN_MEASURED_H

#include "cluster.h"

/**
 * sp_measured_read() - coverage, detect and reboot of a table
 * @path:	CSV as tests/torture writes it: id (SHOT-CLIENT), fault, outcome and stall_ms are
 *		read
 * @params:	a struct sp_plan_cluster
 * @error:	what is wrong
 *
 * A shot that took a host (host_lost, host_back, two_hosts) is a fault. It was detected in time
 * if no client of it stalled for longer than @in_time or lost its connection. coverage is the
 * share of these, detect the mean stall of their clients, reboot the mean of the longest stall of
 * each other fault; what there was none of stays as it is.
 *
 * Return: 0; -EINVAL; -errno.
 */
int sp_measured_read(const char *path, void *params, char error[SP_PLAN_ERROR_MAX]);

/* The coverage that is exceeded with a confidence of 95 %, given so many of so many. */
double sp_measured_bound(unsigned int in_time, unsigned int faults);

#endif
