/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reload.h - a new configuration: in effect as a whole, or not at all. Context: event loop. */
#ifndef SP_NODE_RELOAD_H
#define SP_NODE_RELOAD_H

#include "node/role.h"

/*
 * Use @next, which was loaded from @path, and put the reference. Return: 0 or -errno, logged;
 * -EBUSY: a changed setting needs a restart. @error: set with an errno
 */
int sp_reload(const char *path, struct sp_node *node, struct sp_config *next,
	      char error[SP_CONFIG_ERROR_MAX]);

/* Use the present backends of names and files. Return: 0; -errno, logged: nothing has changed. */
int sp_reload_names(struct sp_node *node);

/* Return: the first setting of @next for which a reload is refused; NULL: none. */
const char *sp_reload_needs_start(const struct sp_node *node, const struct sp_config *next);

#endif
