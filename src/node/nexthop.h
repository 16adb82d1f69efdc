/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nexthop.h - the machine's route to an address, by rtnetlink. Needs no privileges. A confined
 * daemon can query only if there was a query before.
 */
#ifndef SP_NODE_NEXTHOP_H
#define SP_NODE_NEXTHOP_H

#include <net/if.h>

#include "abi/tuple.h"

enum sp_nexthop_kind {
	SP_NEXTHOP_UNKNOWN,	/* no answer of the kernel */
	SP_NEXTHOP_NONE,	/* no route, or a refusal: blackhole, unreachable, prohibit */
	SP_NEXTHOP_LOCAL,	/* an own address */
	SP_NEXTHOP_LINK,	/* a neighbour at @interface */
	SP_NEXTHOP_GATEWAY,	/* by a router at @interface */
};

/* @source: own address, as chosen by the kernel; zero: none */
struct sp_nexthop {
	enum sp_nexthop_kind	kind;
	int			is_refused;	/* SP_NEXTHOP_NONE: there is a route */
	char			interface[IF_NAMESIZE];
	struct sp_addr		gateway;
	struct sp_addr		source;
};

struct sp_nexthop sp_nexthop_get(const struct sp_addr *to);

#endif
