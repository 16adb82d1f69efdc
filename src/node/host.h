/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host.h - settings that a proxy's machine lacks: forwarding, routes. Warnings with a remedy. Needs
 * no privileges.
 */
#ifndef SP_NODE_HOST_H
#define SP_NODE_HOST_H

#include "config/config.h"

/* Return: whether @interface forwards packets of the family; 1 also if unknown. */
int sp_host_forwards(const char *interface, int is_v4);

/* Return: whether the configuration has a service of the family. */
int sp_host_has_family(const struct sp_config *config, int is_v4);

/* Whether the machine has an interface of @config. */
int sp_host_is_here(const struct sp_config *config);
/* Warn of a backend without a route. */
void sp_host_warn_of_backend(const struct sp_pool_conf *pool,
			     const struct sp_backend_conf *backend);

/*
 * Warn of missing settings, at the start and at a reload. For an agent, or on a machine without the
 * interfaces, nothing happens.
 */
void sp_host_warn(const struct sp_config *config);

/* Once a second: forwarding, and routes as long as there is a warning about one. */
void sp_host_tick(const struct sp_config *config);

#endif
