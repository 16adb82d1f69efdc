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

/*
 * Warn of local backends of @config; end warnings about backends now gone or elsewhere.
 * @is_same_file: the written backends were examined before; else sp_host_warn(), too
 */
void sp_local_warn(const struct sp_config *config, int is_same_file);

#endif
