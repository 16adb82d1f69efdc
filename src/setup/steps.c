// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* steps.c - the commands that are left to the operator: only those for missing settings */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/warnings.h"
#include "node/firewall.h"
#include "node/host.h"
#include "node/nexthop.h"
#include "setup/setup.h"

#define CONNTRACK	"/proc/sys/net/netfilter/nf_conntrack_max"

static int lacks_forwarding(const struct sp_config *config, int is_v4)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (!sp_host_forwards(config->interfaces[i], is_v4))
			return sp_host_has_family(config, is_v4);
	return 0;
}

static void print_forwarding(const struct sp_config *config, FILE *out)
{
	int v4 = lacks_forwarding(config, 1), v6 = lacks_forwarding(config, 0);

	if (!v4 && !v6)
		return;
	fprintf(out, "Forwarding is off. Here, now and at each boot:\n  printf '%s%s' >/etc/sysctl.d/60-spliced.conf; "
		"sysctl --system\n", v4 ? "net.ipv4.ip_forward=1\\n" : "",
		v6 ? "net.ipv6.conf.all.forwarding=1\\n" : "");
}

/* An address is printed once, for all of its ports. */
static int is_repeated(const struct sp_setup *s, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (sp_addr_equal(&s->listens[i].addr, &s->listens[at].addr))
			return 1;
	return 0;
}

static void print_vip(const struct sp_addr *vip, FILE *out)
{
	struct sp_nexthop hop = sp_nexthop_get(vip);
	const char *v6 = sp_addr_is_v4(vip) ? "" : "-6 ";
	char text[SP_ADDR_STRLEN];

	sp_addr_format(vip, text);
	if (hop.kind == SP_NEXTHOP_LOCAL)
		fprintf(out, "%s is an address of this machine, and must not be. Here, and in the network's configuration:\n"
			"  ip addr del %s dev ...\n", text, text);
	if (hop.kind == SP_NEXTHOP_NONE && hop.is_refused)
		return;
	fprintf(out, "Packets for %s that are of no connection must end here. Here, and at each boot:\n"
		"  ip %sroute add blackhole %s\n", text, v6, text);
}

static void print_router(const struct sp_setup *s, FILE *out)
{
	char text[SP_ADDR_STRLEN];

	fprintf(out, "Clients' packets must come here. On their router:\n");
	for (size_t i = 0; i < s->listen_count; i++)
		if (!is_repeated(s, i))
			fprintf(out, "  ip %sroute add %s via ADDRESS-OF-THIS-MACHINE\n",
				sp_addr_is_v4(&s->listens[i].addr) ? "" : "-6 ",
				sp_addr_format(&s->listens[i].addr, text));
}

static void print_sources(const struct sp_setup *s, FILE *out)
{
	char text[SP_ADDR_STRLEN];

	for (size_t i = 0; i < s->snat_count; i++)
		if (sp_nexthop_get(&s->snat[i]).kind != SP_NEXTHOP_LOCAL)
			fprintf(out, "Backends must send packets for %s here: route it like the service's address.\n",
				sp_addr_format(&s->snat[i], text));
	if (!s->is_reserved)
		fprintf(out, "This machine's own connections must leave ports %u-%u alone. Here, and in /etc/sysctl.d:\n"
			"  sysctl -w net.ipv4.ip_local_reserved_ports=%u-%u\n", s->port_first, s->port_last,
			s->port_first, s->port_last);
}

static void print_firewall(const struct sp_config *config, FILE *out)
{
	char remedy[SP_WARNING_REMEDY_MAX];

	if (access(CONNTRACK, F_OK))
		return;
	fprintf(out, "If a firewall here drops `ct state invalid`, exempt spliced from connection tracking:\n  %s\n",
		sp_firewall_remedy(config, remedy));
}

void sp_setup_steps(const struct sp_setup *s, const struct sp_config *config, FILE *out)
{
	print_forwarding(config, out);
	for (size_t i = 0; i < s->listen_count; i++)
		if (!is_repeated(s, i))
			print_vip(&s->listens[i].addr, out);
	print_router(s, out);
	print_sources(s, out);
	print_firewall(config, out);
	if (strcmp(s->output, "-"))
		fprintf(out, "Then:\n  spliced --check %s\n  systemctl enable --now spliced\n", s->output);
}
