/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * setup.h - `spliced --init`: a configuration for a single machine, out of the addresses of a
 * service and of backends. init.c calls plan.c (interfaces and source addresses), text.c (the
 * file), key.c (the key), steps.c (commands for the operator), in this order. For main.c of
 * src/proxy.
 */
#ifndef SP_SETUP_SETUP_H
#define SP_SETUP_SETUP_H

#include <stdio.h>

#include "config/config.h"

#define SP_SETUP_MAX	64	/* of each kind of option */

/**
 * struct sp_setup - the options, then the plan
 * @protocol:	of the service
 * @output:	the file; "-": standard output
 * @key_file:	beside @output
 * @port_first, @port_last: of source addresses
 * @is_reserved: the kernel never chooses these ports by itself
 */
struct sp_setup {
	const char		*protocol;
	const char		*output;
	char			key_file[256];
	size_t			listen_count;
	struct sp_endpoint	listens[SP_SETUP_MAX];
	size_t			backend_count;
	struct sp_endpoint	backends[SP_SETUP_MAX];
	size_t			snat_count;
	struct sp_addr		snat[SP_SETUP_MAX];
	size_t			interface_count;
	char			interfaces[SP_SETUP_MAX][16];
	unsigned int		port_first, port_last;
	int			is_reserved;
};

/* The program with `--init` as its first argument. Return: the exit status. */
int sp_setup_main(int argc, char **argv);

/* Complete the options. Return: 0; -EINVAL: a line on standard error has said why. */
int sp_setup_plan(struct sp_setup *s);

void sp_setup_print(const struct sp_setup *s, FILE *out);

/* Make key_file, for root alone. An old file stays. Return: 1: made; 0: was there; -errno. */
int sp_setup_key(const struct sp_setup *s);

/* Print the commands that machine, routers and backends still need. */
void sp_setup_steps(const struct sp_setup *s, const struct sp_config *config, FILE *out);

#endif
