/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* explain.h - route, pool and backends of a request, by the code that serves clients */
#ifndef SP_NODE_EXPLAIN_H
#define SP_NODE_EXPLAIN_H

#include "control/control.h"
#include "node/role.h"

/* The answer to "explain", see control.h. NULL: out of memory */
json_t *sp_explain(struct sp_node *n, const struct sp_control_wish *wish);

#endif
