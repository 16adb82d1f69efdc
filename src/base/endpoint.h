/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* endpoint.h - an address and a port */
#ifndef SP_BASE_ENDPOINT_H
#define SP_BASE_ENDPOINT_H

#include <string.h>

#include "abi/tuple.h"

struct sp_endpoint {
	struct sp_addr	addr;
	__be16		port_be;
};

/* As memcmp(), in some order. */
sp_inline int sp_endpoint_compare(const struct sp_endpoint *a, const struct sp_endpoint *b)
{
	if (a->port_be != b->port_be)
		return a->port_be < b->port_be ? -1 : 1;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

#endif
