/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reload.h - a new configuration: in effect as a whole, or not at all. Context: event loop. */
#ifndef SP_NODE_RELOAD_H
#define SP_NODE_RELOAD_H

#include "node/role.h"

/*
 * Read @path again and use it. Return: 0 or -errno, logged; -EBUSY: a changed setting needs a
 * restart.
 */
int sp_reload(const char *path, struct sp_node *node);

#endif
