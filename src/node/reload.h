/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reload.h - from one configuration to the next: as a whole, or not at all */
#ifndef SP_NODE_RELOAD_H
#define SP_NODE_RELOAD_H

#include "node/role.h"

/* Read a file again and follow it. Return: 0 or -errno, logged. */
int sp_reload(const char *path, struct sp_node *node);

#endif
