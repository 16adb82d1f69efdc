/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cluster_params.h - parameters of a cluster. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_CLUSTER_PARAMS_H
#define SP_PLAN_CLUSTER_PARAMS_H

#include "cluster.h"
#include "params.h"

extern const struct sp_param sp_plan_cluster_params[]; /* up to one without a name */

/* proxy, store, backend; NULL */
const char *sp_plan_machine_name(int machine);

#endif
