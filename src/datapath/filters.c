// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/filters.h"

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/netlink.h"

#define BUF_BYTES	32768
#define READS_MAX	64

static int ask_filters(int fd, unsigned int ifindex, int is_out)
{
	struct {
		struct nlmsghdr	head;
		struct tcmsg	tc;
	} request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETTFILTER,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, is_out ? TC_H_MIN_EGRESS :
						TC_H_MIN_INGRESS) },
	};

	return send(fd, &request, sizeof(request), 0) == sizeof(request);
}

/*
 * @first: of @priority, 0 until it is found. Return: whether the answer is over. The head of a
 *		priority has handle 0.
 */
static int find_first(const char *buf, int len, __u32 priority, __u32 *first)
{
	for (const struct nlmsghdr *m = (const void *)buf; NLMSG_OK(m, len);
	     m = NLMSG_NEXT(m, len)) {
		const struct tcmsg *tc = NLMSG_DATA(m);

		if (m->nlmsg_type != RTM_NEWTFILTER)
			return 1;
		if (!*first && m->nlmsg_len >= NLMSG_LENGTH(sizeof(*tc)) &&
		    TC_H_MAJ(tc->tcm_info) >> 16 == priority)
			*first = tc->tcm_handle;
	}
	return 0;
}

__u32 sp_filters_in_front(unsigned int ifindex, int is_out, __u32 priority, __u32 own)
{
	static char buf[BUF_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	static int kept = -1;
	int fd = sp_netlink_get(&kept);
	__u32 first = 0;

	for (int n = ask_filters(fd, ifindex, is_out) ? READS_MAX : 0; n; n--) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len <= 0 || find_first(buf, len, priority, &first))
			break;
	}
	return first == own ? 0 : first;
}
