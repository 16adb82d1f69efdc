// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * firewall.c - the warning about refused packets, and its remedy
 *
 * Theory of operation
 *
 * Packets of the datapath bypass netfilter in both directions. The daemon's raw sockets send
 * through netfilter's output hook. There connection tracking sees a single side of each connection:
 * a SYN, then segments out of sequence. A firewall that drops "invalid" packets drops those
 * segments, and sendmmsg() returns EPERM. The remedy exempts packets from tracking if their source
 * is an address of a service or of the proxy.
 */
#include "node/firewall.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/warnings.h"

/* @used: of @room bytes; equals @room once an entry did not fit: the list ends there */
struct list {
	char	*text;
	size_t	room, used;
};

static void append_text(struct list *l, const char *separator, const char *text)
{
	int n = snprintf(l->text + l->used, l->room - l->used, "%s%s", l->used ? separator :
			 "", text);

	l->used = n < 0 || (size_t)n >= l->room - l->used ? l->room : l->used + n;
}

static void add_addr(struct list *l, const struct sp_addr *addr, int is_v6)
{
	char text[SP_ADDR_STRLEN];

	if (sp_addr_is_v4(addr) == is_v6 || l->used == l->room)
		return;
	sp_addr_format(addr, text);
	if (!l->used || !strstr(l->text, text))
		append_text(l, ", ", text);
}

/* Return: whether the list has addresses, and all fit. */
static int list_sources(const struct sp_config *config, int is_v6, char *text, size_t room)
{
	struct list l = { .text = text, .room = room };

	text[0] = 0;
	for (size_t i = 0; i < config->listen_count; i++)
		add_addr(&l, &config->listens[i].at.addr, is_v6);
	for (size_t i = 0; i < config->snat_count; i++)
		add_addr(&l, &config->snat_addrs[i], is_v6);
	return l.used && l.used < l.room;
}

const char *sp_firewall_remedy(const struct sp_config *config, char *buf)
{
	char v4[SP_WARNING_REMEDY_MAX / 4], v6[SP_WARNING_REMEDY_MAX / 4];
	int has_v4 = list_sources(config, 0, v4, sizeof(v4)),
	    has_v6 = list_sources(config, 1, v6, sizeof(v6));

	if (!has_v4 && !has_v6)
		return sp_warning_kind_remedy(SP_WARNING_SEND_REFUSED);
	snprintf(buf, SP_WARNING_REMEDY_MAX,
		 "nft 'table inet spliced { chain out { type filter hook output priority raw; "
		 "%s%s%s%s%s%s}; }', and in the chain that drops, before its other rules: ct state untracked accept",
		 has_v4 ? "ip saddr { " : "", has_v4 ? v4 : "", has_v4 ? " } notrack; " : "",
		 has_v6 ? "ip6 saddr { " : "", has_v6 ? v6 : "", has_v6 ? " } notrack; " : "");
	return buf;
}

void sp_firewall_tick(const struct sp_wire *wire, const struct sp_config *config, __u64 now_ns)
{
	static __u64 known_pkts;
	struct sp_wire_stats s = sp_wire_stats(wire);
	char from[SP_ADDR_STRLEN], to[SP_ADDR_STRLEN], buf[SP_WARNING_REMEDY_MAX];

	if (s.refused_pkts == known_pkts)
		return;
	known_pkts = s.refused_pkts;
	sp_warn_with(sp_firewall_remedy(config, buf), SP_WARNING_SEND_REFUSED, now_ns, "output",
		     "a firewall of this host (nftables or iptables, often `ct state invalid drop`) refuses packets that the "
		     "daemon sends: %llu so far, the last one from %s to %s",
			     (unsigned long long)s.refused_pkts,
		     sp_addr_format(&s.refused_from, from), sp_addr_format(&s.refused_to, to));
}
