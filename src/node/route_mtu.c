// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* route_mtu.c - see route_mtu.h */
#include "node/route_mtu.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/local.h"

#define KEEP_NS		10000000000ULL

static __u32 query_kernel(const struct sp_addr *to)
{
	int is_v4 = sp_addr_is_v4(to), mtu = 0, fd = sp_local_connect(to);
	socklen_t len = sizeof(mtu);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len))
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
		m->mtu = query_kernel(to);
	}
	return m->mtu;
}
