/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* role.h - what a node does with splices: a proxy makes them (src/proxy), an agent carries one half (src/agent). */
#ifndef SP_NODE_ROLE_H
#define SP_NODE_ROLE_H

#include "node/backends.h"
#include "node/degraded.h"
#include "node/node.h"

/**
 * struct sp_role - one of the two
 * @name:	of the program
 * @config_path: of its configuration
 * @load:	read that; see sp_config_load()
 * @warn_of_host: at --check: log what this host lacks for the role; may be NULL
 * @open:	@parts are borrowed, and a reference to @config is taken. Return: 0 or -ENOMEM
 * @close:	of NULL, too
 * @recover:	once, when the splices of the machine were counted: resume what a former daemon left; may be NULL
 * @configure:	new connections follow @config. Return: 0 or -errno; then the former one is followed
 * @event:	a packet from the datapath
 * @tick:	each SP_TICK_MS
 * @is_in_sync:	the store's splices on our ports are known, or the store was out of reach for too long
 * @pending:	connections, or segments, that wait for a decision
 * @backends, @degraded: NULL: the role has none
 */
struct sp_role {
	const char	*name;
	const char	*config_path;
	int		(*load)(const char *path, char error[SP_CONFIG_ERROR_MAX], struct sp_config **ret_config);
	void		(*warn_of_host)(const struct sp_config *config);
	int		(*open)(const struct sp_node_parts *parts, struct sp_config *config, struct sp_node **ret_node);
	void		(*close)(struct sp_node *node);
	void		(*recover)(struct sp_node *node);
	int		(*configure)(struct sp_node *node, struct sp_config *config);
	void		(*event)(struct sp_node *node, const struct sp_event *ev);
	void		(*tick)(struct sp_node *node);
	int		(*is_in_sync)(const struct sp_node *node);
	unsigned int	(*pending)(const struct sp_node *node);
	const struct sp_backends *(*backends)(const struct sp_node *node);
	const struct sp_degraded *(*degraded)(const struct sp_node *node);
};

#define SP_TICK_MS 20

/* main() of both programs. */
int sp_main(const struct sp_role *role, int argc, char **argv);

#endif
