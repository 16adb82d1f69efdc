// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * host.c - see host.h
 *
 * Theory of operation
 *
 * The datapath looks up the route of each packet. The kernel finds a route only if the interface
 * of arrival forwards. Service addresses are routed to this machine, and are not its own: else
 * the kernel's stack would answer RST as soon as the datapath is gone.
 *
 * A warning of these kinds ends three seconds after the last sp_warn().
 */
#include "node/host.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/warnings.h"
#include "node/nexthop.h"

/* routes of a configuration to look up: a lookup takes microseconds */
#define LOOKUPS_MAX	1024

int sp_host_forwards(const char *interface, int is_v4)
{
	char path[128], value = '1';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", is_v4 ? "ipv4" : "ipv6",
		 interface);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	if (read(fd, &value, 1) != 1)
		value = '1';
	close(fd);
	return value != '0';
}

int sp_host_has_family(const struct sp_config *config, int is_v4)
{
	for (size_t i = 0; i < config->listen_count; i++)
		if (sp_addr_is_v4(&config->listens[i].at.addr) == is_v4)
			return 1;
	return 0;
}

int sp_host_is_here(const struct sp_config *config)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (if_nametoindex(config->interfaces[i]))
			return 1;
	return 0;
}

static void check_forwarding(const struct sp_config *config, int is_v4)
{
	const char *family = is_v4 ? "IPv4" : "IPv6";
	char object[SP_WARNING_OBJECT_MAX];
	int is_used = sp_host_has_family(config, is_v4);

	for (size_t i = 0; i < config->interface_count; i++) {
		snprintf(object, sizeof(object), "%s %s", config->interfaces[i], family);
		if (is_used && !sp_host_forwards(config->interfaces[i], is_v4))
			sp_warn(SP_WARNING_FORWARDING, sp_now_ns(), object,
				"interface %s: forwarding of %s is off, so no packet that comes in there goes on",
				config->interfaces[i], family);
	}
}

static void warn_of_local(const struct sp_listen_conf *listen, const char *at, const char *addr)
{
	char remedy[SP_WARNING_REMEDY_MAX];

	snprintf(remedy, sizeof(remedy),
		 "`ip addr del %s dev ...`, then `ip route add blackhole %s`", addr, addr);
	sp_warn_with(remedy, SP_WARNING_SERVICE_LOCAL, sp_now_ns(), at,
		     "service %s: %s is an address of this machine, whose kernel answers RST to its "
		     "connections whenever the datapath is not there", listen->service->name, at);
}

static void warn_of_route(const struct sp_listen_conf *listen, const char *at, const char *addr)
{
	char remedy[SP_WARNING_REMEDY_MAX];

	snprintf(remedy, sizeof(remedy), "ip route add blackhole %s", addr);
	sp_warn_with(remedy, SP_WARNING_SERVICE_ROUTE, sp_now_ns(), at,
		     "service %s: this machine would send packets for %s that belong to no connection on "
		     "to a router", listen->service->name, at);
}

static void check_service(const struct sp_listen_conf *listen)
{
	struct sp_nexthop hop = sp_nexthop_get(&listen->at.addr);
	char at[SP_ENDPOINT_STRLEN], addr[SP_ADDR_STRLEN];

	sp_endpoint_format(&listen->at.addr, listen->at.port_be, at);
	sp_addr_format(&listen->at.addr, addr);
	if (hop.kind == SP_NEXTHOP_LOCAL)
		warn_of_local(listen, at, addr);
	else if (hop.kind == SP_NEXTHOP_GATEWAY)
		warn_of_route(listen, at, addr);
}

void sp_host_warn_of_backend(const struct sp_pool_conf *pool, const struct sp_backend_conf *b)
{
	struct sp_nexthop hop = sp_nexthop_get(&b->at.addr);
	char at[SP_ENDPOINT_STRLEN];

	if (hop.kind != SP_NEXTHOP_NONE)
		return;
	sp_endpoint_format(&b->at.addr, b->at.port_be, at);
	sp_warn(SP_WARNING_NO_ROUTE, sp_now_ns(), at,
		"backend %s of pool %s: this machine has no route to %s%s", b->name, pool->name, at,
		hop.is_refused ? ", but a blackhole or the like" : "");
}

/* Return: lookups that are left. */
static size_t check_services(const struct sp_config *config)
{
	size_t left = LOOKUPS_MAX;

	for (size_t i = 0; i < config->listen_count && left; i++, left--)
		check_service(&config->listens[i]);
	return left;
}

static void check_routes(const struct sp_config *config)
{
	size_t left = check_services(config);

	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count && left; j++, left--)
			sp_host_warn_of_backend(&config->pools[i], &config->pools[i].backends[j]);
}

static int is_about_routes(const struct sp_warning *w)
{
	return w->kind == SP_WARNING_SERVICE_LOCAL || w->kind == SP_WARNING_SERVICE_ROUTE ||
	       w->kind == SP_WARNING_NO_ROUTE;
}

static int has_route_warning(void)
{
	const struct sp_warning *w = NULL;

	while ((w = sp_warnings_next(w)))
		if (is_about_routes(w))
			return 1;
	return 0;
}

void sp_host_warn(const struct sp_config *config)
{
	if (config->is_agent || !sp_host_is_here(config))
		return;
	check_forwarding(config, 1);
	check_forwarding(config, 0);
	check_services(config);
}

void sp_host_tick(const struct sp_config *config)
{
	if (config->is_agent)
		return;
	check_forwarding(config, 1);
	check_forwarding(config, 0);
	if (has_route_warning())
		check_routes(config);
}
