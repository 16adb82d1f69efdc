/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* local.h - backends on the proxy itself, whose packets never come to the datapath. */
#ifndef SP_NODE_LOCAL_H
#define SP_NODE_LOCAL_H

#include "config/config.h"

/* A datagram socket connected to @addr, which looks the route up and sends nothing. Return: it, or -errno. */
int sp_local_connect(const struct sp_addr *addr);

/* Whether the kernel takes @addr for one of this machine. Needs no privileges. */
int sp_local_is(const struct sp_addr *addr);

/* Warn of such backends, and no longer of those that are gone or elsewhere. */
void sp_local_warn(const struct sp_config *config);

#endif
