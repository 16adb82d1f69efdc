// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* capability.c - see capability.h */
#include "agent/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/query.h"
#include "base/clock.h"
#include "base/log.h"

#define VLAN_LINE_MAX	256

/* A setting of this network namespace. Return: its first digit; -1: can't be read. */
static int sysctl_digit(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (fd < 0)
		return -1;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c >= '0' && c <= '9' ? c - '0' : -1;
}

/*
 * bpf_fib_lookup() finds a route only if the packet's interface may forward. Packets of the host
 * itself count as packets of lo. No other packets are forwarded from there.
 */
static int let_lo_forward(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1\n", 2) != 2)
		err = -errno;
	close(fd);
	return err;
}

void sp_capability_prepare_host(void)
{
	static const char *const paths[] = { "/proc/sys/net/ipv4/conf/lo/forwarding",
					     "/proc/sys/net/ipv6/conf/lo/forwarding" };
	int err;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		err = let_lo_forward(paths[i]);
		if (err && err != -ENOENT)
			log_warn("%s: can't be set to 1 (%s): without it no route to clients is found, and proxies carry "
				 "all packets", paths[i], strerror(-err));
	}
}

/*
 * The rules of the firewall are not visible. The first connections show whether they drop
 * (untaken.h).
 */
static void warn_of_conntrack(void)
{
	int is_loose = sysctl_digit("/proc/sys/net/netfilter/nf_conntrack_tcp_loose");

	if (is_loose > 0)
		log_info("connection tracking is active (nf_conntrack): a firewall rule that drops new connections without "
			 "a SYN would drop adopted ones; then they go split");
	else if (!is_loose)
		log_warn("net.netfilter.nf_conntrack_tcp_loose=0: a firewall rule that drops invalid packets drops adopted "
			 "connections; then they go split");
}

static int is_ours(const struct sp_config *config, const char *interface)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (!strcmp(config->interfaces[i], interface))
			return 1;
	return 0;
}

/*
 * First segments of adopted connections with a VLAN tag would bypass our program, and the host
 * would answer RST. Return: whether one of our interfaces has a VLAN that is none of our
 * interfaces.
 */
static int has_vlan_beside(const struct sp_config *config, char ret_vlan[IFNAMSIZ],
			   char ret_below[IFNAMSIZ])
{
	FILE *file = fopen("/proc/self/net/vlan/config", "re");
	char line[VLAN_LINE_MAX];
	int is_found = 0;

	while (file && !is_found && fgets(line, sizeof(line), file))
		is_found = sscanf(line, "%15s | %*d | %15s", ret_vlan, ret_below) == 2 &&
			is_ours(config, ret_below) &&
			   !is_ours(config, ret_vlan);
	if (file)
		fclose(file);
	return is_found;
}

__u8 sp_capability_of_host(int can_adopt, const struct sp_config *config)
{
	char vlan[IFNAMSIZ], below[IFNAMSIZ];

	if (!can_adopt) {
		log_warn("mode adopt is not offered: it needs a kernel that can take over a handshake (Linux 6.9); "
			 "going on with split");
		return SP_CAN_SPLIT;
	}
	if (has_vlan_beside(config, vlan, below)) {
		log_warn("mode adopt is not offered: %s is a VLAN of %s, and not in `interfaces`; going on with split", vlan,
			 below);
		return SP_CAN_SPLIT;
	}
	if (!sysctl_digit("/proc/sys/net/ipv4/tcp_syncookies") ||
	    sysctl_digit("/proc/sys/net/ipv4/tcp_rfc1337") > 0) {
		log_warn("mode adopt is not offered: it needs net.ipv4.tcp_syncookies=1 (or 2) and "
			 "net.ipv4.tcp_rfc1337=0; going on with split");
		return SP_CAN_SPLIT;
	}
	warn_of_conntrack();
	return SP_CAN_SPLIT | SP_CAN_ADOPT;
}

/* Read each time: the kernel reads it whenever it adopts a connection. */
static __u8 ecn_of_host(void)
{
	return sysctl_digit("/proc/sys/net/ipv4/tcp_ecn") > 0 ? SP_CAN_ECN : 0;
}

void sp_capability_send(struct sp_cluster *cluster, struct sp_datapath *dp,
			const struct sp_config *config, __u8 can, const struct sp_untaken *untaken)
{
	const struct sp_member *self = sp_cluster_self(cluster);
	__u64 adopts = 0, filtered;

	_Static_assert(SP_MEMBER_OWNED_MAX <= SP_LISTENERS_MAX, "one query for all");
	if (!self)
		return;
	if (can & SP_CAN_ADOPT) {
		filtered = sp_untaken_at(untaken, self->owned, self->owned_count, sp_now_ns());
		adopts = sp_datapath_listeners(dp, self->owned, self->owned_count) & ~filtered;
		can |= ecn_of_host() | (filtered ? SP_CAN_NOT_ALL : 0);
	}
	sp_cluster_set_can(cluster, can, adopts, sp_datapath_mtu(config));
}
