/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* report_names.h - names and files of backends, for the status. Context: event loop. */
#ifndef SP_NODE_REPORT_NAMES_H
#define SP_NODE_REPORT_NAMES_H

#include <jansson.h>

#include "node/node.h"

/* Adds "names", "file" and others to the @object of a pool; see control/control.h. */
void sp_report_names(const struct sp_node *node, size_t pool_idx, json_t *object);

/* Return: whether a pool has no backend because no look-up of a name has been answered so far. */
int sp_report_names_wanted(const struct sp_node *node);

#endif
