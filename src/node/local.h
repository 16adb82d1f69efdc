/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * local.h - addresses of this machine. Backends on the proxy itself are a fault: the datapath never
 * gets their packets. Needs no privileges; system calls don't block.
 */
#ifndef SP_NODE_LOCAL_H
#define SP_NODE_LOCAL_H

#include "config/config.h"

/*
 * Connect a datagram socket to @addr: looks up the route, sends no packet. Return: descriptor for
 * the caller, or -errno.
 */
int sp_local_connect(const struct sp_addr *addr);

/* Return: whether @addr is an address of this machine. */
int sp_local_is(const struct sp_addr *addr);

/**
 * struct sp_local_walk - over the backends of a configuration, some at each tick: an examination
 * takes some microseconds, and there may be thousands
 * @left:	examinations; 0: the walk is over
 * @is_found:	only backends found by names or in files
 * @has_routes:	to look for: the machine has an interface of the configuration
 */
struct sp_local_walk {
	size_t		pool, backend;
	unsigned int	left;
	int		is_found, has_routes;
};

/*
 * Begin anew, and end warnings about backends now gone or elsewhere. @is_same_file: the written
 * backends were, or are being, examined; else sp_host_warn(), too
 */
void sp_local_begin(struct sp_local_walk *walk, const struct sp_config *config, int is_same_file);
/* Warn of local backends among the next ones, and of those without a route. */
void sp_local_tick(struct sp_local_walk *walk, const struct sp_config *config);

#endif
