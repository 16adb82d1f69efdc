// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * plan.c - interfaces and source addresses that follow from the routes of this machine
 *
 * Theory of operation. Packets of backends come in by the interface of the route to the backend.
 * Packets of clients come in by the interface of the route to the service's address. If that route
 * is a blackhole, the default route has the interface. Without a default route all Ethernet
 * interfaces are taken.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "node/nexthop.h"
#include "setup/setup.h"

/* the ports that the kernel chooses by itself */
#define PORT_RANGE	"/proc/sys/net/ipv4/ip_local_port_range"
#define PORTS_MIN	4096
#define PORT_FIRST	16384
#define PORT_LAST	59999
#define DEFAULT_LOCAL	32768

static int add_interface(struct sp_setup *s, const char *name)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (!strcmp(s->interfaces[i], name))
			return 0;
	if (s->interface_count == SP_SETUP_MAX) {
		fprintf(stderr, "spliced --init: more than %d interfaces\n", SP_SETUP_MAX);
		return -EINVAL;
	}
	snprintf(s->interfaces[s->interface_count++], sizeof(s->interfaces[0]), "%s", name);
	return 0;
}

static int has_source(const struct sp_setup *s, int is_v4)
{
	for (size_t i = 0; i < s->snat_count; i++)
		if (sp_addr_is_v4(&s->snat[i]) == is_v4)
			return 1;
	return 0;
}

static int is_zero(const struct sp_addr *addr)
{
	static const struct sp_addr zero;

	return sp_addr_equal(addr, &zero);
}

/* The first backend of a family decides about the source address. */
static int plan_backend(struct sp_setup *s, const struct sp_endpoint *at)
{
	struct sp_nexthop hop = sp_nexthop_get(&at->addr);
	int is_v4 = sp_addr_is_v4(&at->addr);
	char text[SP_ADDR_STRLEN];

	sp_addr_format(&at->addr, text);
	if (hop.kind == SP_NEXTHOP_LOCAL) {
		fprintf(stderr, "spliced --init: backend %s is on this machine, where no packet of it comes in by an "
			"interface: put it on another host, or into a network namespace\n", text);
		return -EINVAL;
	}
	if (hop.kind != SP_NEXTHOP_LINK && hop.kind != SP_NEXTHOP_GATEWAY) {
		fprintf(stderr, "spliced --init: this machine has no route to backend %s: `ip route add` one\n", text);
		return -EINVAL;
	}
	if (!has_source(s, is_v4) && is_zero(&hop.source)) {
		fprintf(stderr, "spliced --init: interface %s has no address for connections to %s: give it one, or name one "
			"by --snat\n", hop.interface, text);
		return -EINVAL;
	}
	if (!has_source(s, is_v4))
		s->snat[s->snat_count++] = hop.source;
	return add_interface(s, hop.interface);
}

/* An address of documentation follows the default route. */
static struct sp_nexthop default_route(int is_v4)
{
	struct sp_addr out = { 0 };

	sp_addr_parse(is_v4 ? "198.51.100.1" : "2001:db8:ffff::1", &out);
	return sp_nexthop_get(&out);
}

static int add_all(struct sp_setup *s)
{
	struct ifaddrs *all, *each;
	int err = 0;

	if (getifaddrs(&all))
		return -errno;
	for (each = all; !err && each; each = each->ifa_next) {
		const struct sockaddr_ll *link = (const void *)each->ifa_addr;

		if (link && link->sll_family == AF_PACKET && link->sll_hatype == ARPHRD_ETHER &&
		    each->ifa_flags & IFF_UP)
			err = add_interface(s, each->ifa_name);
	}
	freeifaddrs(all);
	return err;
}

static int is_way(const struct sp_nexthop *hop)
{
	return hop->kind == SP_NEXTHOP_LINK || hop->kind == SP_NEXTHOP_GATEWAY;
}

static int plan_listen(struct sp_setup *s, const struct sp_endpoint *at)
{
	struct sp_nexthop hop = sp_nexthop_get(&at->addr);

	if (!is_way(&hop))
		hop = default_route(sp_addr_is_v4(&at->addr));
	return is_way(&hop) ? add_interface(s, hop.interface) : add_all(s);
}

static int has_backend(const struct sp_setup *s, int is_v4)
{
	for (size_t i = 0; i < s->backend_count; i++)
		if (sp_addr_is_v4(&s->backends[i].addr) == is_v4)
			return 1;
	return 0;
}

static int check_families(const struct sp_setup *s)
{
	for (size_t i = 0; i < s->listen_count; i++) {
		int is_v4 = sp_addr_is_v4(&s->listens[i].addr);

		if (has_backend(s, is_v4))
			continue;
		fprintf(stderr, "spliced --init: a --listen of IPv%d needs a --backend of IPv%d\n", is_v4 ? 4 : 6,
			is_v4 ? 4 : 6);
		return -EINVAL;
	}
	return 0;
}

/* Below the ports of the kernel, if there is room. */
static void plan_ports(struct sp_setup *s)
{
	unsigned int first = DEFAULT_LOCAL;
	FILE *file = fopen(PORT_RANGE, "re");

	if (file) {
		if (fscanf(file, "%u", &first) != 1)
			first = DEFAULT_LOCAL;
		fclose(file);
	}
	s->is_reserved = first >= PORT_FIRST + PORTS_MIN;
	s->port_first = PORT_FIRST;
	s->port_last = s->is_reserved ? first - 1 : PORT_LAST;
}

int sp_setup_plan(struct sp_setup *s)
{
	size_t named = s->interface_count;
	int err = check_families(s);

	for (size_t i = 0; !err && i < s->backend_count; i++)
		err = plan_backend(s, &s->backends[i]);
	for (size_t i = 0; !err && !named && i < s->listen_count; i++)
		err = plan_listen(s, &s->listens[i]);
	plan_ports(s);
	return err;
}
