/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * program.h - main.c is that of two daemons: spliced on a proxy, spliced-agent on a backend's host. Each links one of
 * these, and one of two sets of functions of front.h.
 */
#ifndef SP_NODE_PROGRAM_H
#define SP_NODE_PROGRAM_H

#include "config/config.h"

struct sp_program {
	const char	*name;
	const char	*config_path;
	void		(*tell_host)(void);	/* at --check: logs what this host does not offer; may be NULL */
	int		(*load)(const char *path, char error[SP_CONFIG_ERROR_MAX], struct sp_config **ret_config);
};
extern const struct sp_program sp_program;

#endif
