// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "agent/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "abi/ask.h"
#include "base/log.h"

/* Of this network namespace. Return: its first digit; -1: can't be read. */
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
 * The kernel answers a program's question for a route only where the interface that the packet came through may
 * forward, and what comes from the host itself has come through lo, so to speak. Nothing else passes there.
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
	static const char *const paths[] = { "/proc/sys/net/ipv4/conf/lo/forwarding", "/proc/sys/net/ipv6/conf/lo/forwarding" };
	int err;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		err = let_lo_forward(paths[i]);
		if (err && err != -ENOENT)
			log_warn("%s: can't be set to 1 (%s): unless it is, no route to clients is found, and proxies "
				 "carry all", paths[i], strerror(-err));
	}
}

__u8 sp_capability_of_host(int can_adopt)
{
	if (!can_adopt) {
		log_warn("mode adopt is not offered: it needs a kernel that can take over a handshake (Linux 6.9); "
			 "going on with split");
		return SP_CAN_SPLIT;
	}
	if (!sysctl_digit("/proc/sys/net/ipv4/tcp_syncookies") || sysctl_digit("/proc/sys/net/ipv4/tcp_rfc1337") > 0) {
		log_warn("mode adopt is not offered: it needs net.ipv4.tcp_syncookies=1 (or 2) and "
			 "net.ipv4.tcp_rfc1337=0; going on with split");
		return SP_CAN_SPLIT;
	}
	return SP_CAN_SPLIT | SP_CAN_ADOPT;
}

/* As the kernel looks when it takes a handshake over: it may be set at any time. */
static __u8 ecn_of_host(void)
{
	return sysctl_digit("/proc/sys/net/ipv4/tcp_ecn") > 0 ? SP_CAN_ECN : 0;
}

void sp_capability_tell(struct sp_cluster *cluster, struct sp_datapath *dp, __u8 can)
{
	const struct sp_member *self = sp_cluster_self(cluster);
	__u64 adopts = 0;

	_Static_assert(SP_MEMBER_OWNED_MAX <= SP_LISTENERS_MAX, "asked for at once");
	if (!self)
		return;
	if (can & SP_CAN_ADOPT)
		adopts = sp_datapath_listeners(dp, self->owned, self->owned_count);
	sp_cluster_set_can(cluster, can & SP_CAN_ADOPT ? can | ecn_of_host() : can, adopts);
}
