/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * role.h - the role of a node: a proxy (src/proxy) makes splices, an agent (src/agent) carries the
 * halves from backends. Each program has one constant struct sp_role.
 */
#ifndef SP_NODE_ROLE_H
#define SP_NODE_ROLE_H

#include "node/backends.h"
#include "node/degraded.h"
#include "node/node.h"

/**
 * struct sp_role - functions and constants of a role; all are called from the event loop
 * @name:	of the program
 * @config_path: default path of its configuration
 * @first_steps: the remedy if nothing is configured yet
 * @state_dir:	default, for --unload if nothing is configured
 * @load:	see sp_config_load()
 * @unload_delay_us: wait of --unload before the datapath is removed
 * @warn_of_host: at --check: log features that this host lacks for the role; may be NULL
 * @open:	borrows @parts, takes a reference to @config. Return: 0 or -ENOMEM
 * @close:	@node may be NULL
 * @recover:	once, after the splices of the machine were counted: resume the connections of the
 *		daemon before; may be NULL
 * @configure:	use @config for new connections. Return: 0, or -errno and nothing has changed
 * @event:	a packet from the datapath
 * @tick:	each SP_TICK_MS
 * @is_in_sync:	the store's splices on our ports are known, or the store was out of reach for too
 *		long
 * @pending:	number of connections (an agent: segments) that wait for a decision
 * @exchanges:	of a connection; 0: not known; may be NULL
 * @backends, @degraded: borrowed; NULL: the role has none
 */
struct sp_role {
	const char	*name;
	const char	*config_path;
	const char	*first_steps;
	const char	*state_dir;
	int		(*load)(const char *path, char error[SP_CONFIG_ERROR_MAX],
				struct sp_config **ret_config);
	unsigned int	unload_delay_us;
	void		(*warn_of_host)(const struct sp_config *config);
	int		(*open)(const struct sp_node_parts *parts, struct sp_config *config,
				struct sp_node **ret_node);
	void		(*close)(struct sp_node *node);
	void		(*recover)(struct sp_node *node);
	int		(*configure)(struct sp_node *node, struct sp_config *config);
	void		(*event)(struct sp_node *node, const struct sp_event *ev);
	void		(*tick)(struct sp_node *node);
	int		(*is_in_sync)(const struct sp_node *node);
	unsigned int	(*pending)(const struct sp_node *node);
	struct sp_backends *(*backends)(const struct sp_node *node);
	const struct sp_degraded *(*degraded)(const struct sp_node *node);
	__u32		(*exchanges)(struct sp_node *node, const struct sp_tuple *front);
};

#define SP_TICK_MS 20

/* main() of both programs. Return: the exit status. */
int sp_main(const struct sp_role *role, int argc, char **argv);

#endif
