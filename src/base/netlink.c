// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#define TIMEOUT_US	200000

int sp_netlink_get(int *fd)
{
	const struct timeval timeout = { .tv_usec = TIMEOUT_US };

	if (*fd < 0) {
		*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	}
	return *fd;
}
