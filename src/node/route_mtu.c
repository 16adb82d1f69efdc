// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/route_mtu.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_NS		10000000000ULL
#define DISCARD_PORT	9

/* Connecting a datagram socket looks the route up, and sends nothing. */
static int connect_v4(int fd, const struct sp_addr *to)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(DISCARD_PORT), .sin_addr.s_addr = to->w[3],
	};

	return connect(fd, (struct sockaddr *)&at, sizeof(at));
}

static int connect_v6(int fd, const struct sp_addr *to)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT) };

	memcpy(&at.sin6_addr, to, sizeof(*to));
	return connect(fd, (struct sockaddr *)&at, sizeof(at));
}

static __u32 ask_kernel(const struct sp_addr *to)
{
	int is_v4 = sp_addr_is_v4(to), mtu = 0, fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(mtu);

	if (fd < 0)
		return 0;
	if ((is_v4 ? connect_v4(fd, to) : connect_v6(fd, to)) ||
	    getsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU, &mtu, &len))
		mtu = 0;
	close(fd);
	return mtu > 0 ? mtu : 0;
}

__u32 sp_route_mtu(struct sp_route_mtus *mtus, const struct sp_addr *to, __u64 now_ns)
{
	__u32 hash = (to->w[0] ^ to->w[1] ^ to->w[2] ^ to->w[3]) * 2654435761u;
	struct sp_route_mtu *m = &mtus->of[(hash >> 24) % SP_ROUTE_MTUS];

	if (!sp_addr_equal(&m->to, to) || now_ns >= m->until_ns) {
		m->to = *to;
		m->until_ns = now_ns + KEEP_NS;
		m->mtu = ask_kernel(to);
	}
	return m->mtu;
}
