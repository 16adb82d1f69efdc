/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.h - comparison of hosts. The forwarded bytes never change. */
#ifndef SP_L7_HOST_H
#define SP_L7_HOST_H

#include <netinet/in.h>
#include <stdbool.h>

#include "l7/head.h"

#define SP_HOST_LITERAL_MAX	(INET6_ADDRSTRLEN + 2)

/*
 * The canonical spelling of an IPv6 literal, "[2001:db8::1]" for "[2001:DB8:0::1]" (RFC 5952, 4),
 * in @buf, with NUL behind; any other host unchanged.
 */
struct sp_str sp_host_normalize(struct sp_str host, char buf[SP_HOST_LITERAL_MAX]);

/* Hosts are compared without case, addresses in any spelling. A dot at the end counts. */
bool sp_host_is_same(struct sp_str a, struct sp_str b);

#endif
