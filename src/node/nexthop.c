// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/nexthop.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/netlink.h"

#define BUF_BYTES	8192

struct query {
	struct nlmsghdr	head;
	struct rtmsg	route;
	struct rtattr	attr;
	__u8		addr[16];
};

static int send_query(int fd, const struct sp_addr *to, __u32 seq)
{
	int is_v4 = sp_addr_is_v4(to);
	unsigned int bytes = is_v4 ? 4 : 16;
	struct query q = {
		.head = { .nlmsg_len = offsetof(struct query, addr) + bytes,
			  .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST,
			  .nlmsg_seq = seq },
		.route = { .rtm_family = is_v4 ? AF_INET : AF_INET6, .rtm_dst_len = bytes * 8 },
		.attr = { .rta_type = RTA_DST, .rta_len = RTA_LENGTH(bytes) },
	};

	memcpy(q.addr, is_v4 ? &to->w[3] : to->w, bytes);
	return send(fd, &q, q.head.nlmsg_len, 0) == (ssize_t)q.head.nlmsg_len;
}

static struct sp_addr read_addr(const struct rtattr *attr)
{
	struct sp_addr addr = { 0 };

	if (RTA_PAYLOAD(attr) == 4) {
		memcpy(&addr.w[3], RTA_DATA(attr), 4);
		addr.w[2] = SP_V4_MAPPED;
	} else if (RTA_PAYLOAD(attr) == 16) {
		memcpy(addr.w, RTA_DATA(attr), 16);
	}
	return addr;
}

/* RTA_VIA: an IPv4 route by an IPv6 router */
static void read_attr(const struct rtattr *attr, struct sp_nexthop *hop)
{
	int ifindex;

	if (attr->rta_type == RTA_OIF && RTA_PAYLOAD(attr) == sizeof(ifindex)) {
		memcpy(&ifindex, RTA_DATA(attr), sizeof(ifindex));
		if (!if_indextoname(ifindex, hop->interface))
			hop->interface[0] = 0;
	} else if (attr->rta_type == RTA_PREFSRC) {
		hop->source = read_addr(attr);
	} else if (attr->rta_type == RTA_GATEWAY) {
		hop->gateway = read_addr(attr);
		hop->kind = SP_NEXTHOP_GATEWAY;
	} else if (attr->rta_type == RTA_VIA) {
		hop->kind = SP_NEXTHOP_GATEWAY;
	}
}

/* IPv6 answers with the route, IPv4 with an error. */
static int is_refusal(int type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT;
}

static void read_route(const struct nlmsghdr *m, struct sp_nexthop *hop)
{
	const struct rtmsg *route = NLMSG_DATA(m);
	int len = RTM_PAYLOAD(m);

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
		return;
	hop->kind = SP_NEXTHOP_LINK;
	for (const struct rtattr *attr = RTM_RTA(route); RTA_OK(attr, len);
	     attr = RTA_NEXT(attr, len))
		read_attr(attr, hop);
	if (route->rtm_type == RTN_LOCAL)
		hop->kind = SP_NEXTHOP_LOCAL;
	if (is_refusal(route->rtm_type)) {
		hop->kind = SP_NEXTHOP_NONE;
		hop->is_refused = 1;
	}
}

/* EINVAL, EHOSTUNREACH, EACCES: a route that refuses. ENETUNREACH: no route. */
static void read_error(const struct nlmsghdr *m, struct sp_nexthop *hop)
{
	const struct nlmsgerr *error = NLMSG_DATA(m);

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) || !error->error)
		return;
	hop->kind = SP_NEXTHOP_NONE;
	hop->is_refused = error->error != -ENETUNREACH;
}

struct sp_nexthop sp_nexthop_get(const struct sp_addr *to)
{
	static char buf[BUF_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *m = (const void *)buf;
	struct sp_nexthop hop = { .kind = SP_NEXTHOP_UNKNOWN };
	static int kept = -1;
	int fd = sp_netlink_get(&kept);
	static __u32 seq;
	ssize_t len;

	if (!send_query(fd, to, ++seq))
		return hop;
	/* an answer that came too late is of an earlier query */
	do {
		len = recv(fd, buf, sizeof(buf), 0);
	} while (len >= NLMSG_HDRLEN && m->nlmsg_seq != seq);
	if (len < NLMSG_HDRLEN || !NLMSG_OK(m, len))
		return hop;
	if (m->nlmsg_type == NLMSG_ERROR)
		read_error(m, &hop);
	else if (m->nlmsg_type == RTM_NEWROUTE)
		read_route(m, &hop);
	return hop;
}
