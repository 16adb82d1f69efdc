// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/warnings.h"

#define BUF_BYTES	65536
#define RECEIVE_BYTES	(1024 * 1024)

struct known {
	__u32			index, priority;
	struct sp_policy	policy;
};

struct sp_policy_watch {
	int			fd;
	unsigned int		count;
	struct known		known[SP_POLICIES_KNOWN_MAX];	/* by priority, then index */
	struct xfrm_userpolicy_default defaults;
	struct sp_policies	table;
	char			buf[BUF_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* ---- one policy ---- */

static struct sp_addr make_mask(unsigned int bits)
{
	struct sp_addr mask = { 0 };

	for (unsigned int i = 0; i < 128 && i < bits; i++)
		mask.w[i / 32] |= htonl(0x80000000u >> i % 32);
	return mask;
}

static void set_addr(const xfrm_address_t *from, unsigned int prefix_len, int is_v4,
		     struct sp_addr *addr,
		     struct sp_addr *mask)
{
	if (is_v4)
		*addr = sp_addr_v4(from->a4);
	else
		memcpy(addr, from, sizeof(*addr));
	*mask = make_mask(is_v4 ? 96 + prefix_len : prefix_len);
}

static struct sp_policy make_policy(const struct xfrm_selector *sel)
{
	struct sp_policy p = {
		.sport = sel->sport, .sport_mask = sel->sport_mask, .dport = sel->dport,
		.dport_mask = sel->dport_mask,
	};

	set_addr(&sel->saddr, sel->prefixlen_s, sel->family == AF_INET, &p.saddr, &p.smask);
	set_addr(&sel->daddr, sel->prefixlen_d, sel->family == AF_INET, &p.daddr, &p.dmask);
	return p;
}

/*
 * Return: payload of the attribute @type after @head bytes; NULL: none, or shorter than @least
 * bytes.
 */
static const void *find_attribute(const void *bytes, int len, int head, unsigned short type,
				  int least)
{
	const struct nlattr *a = (const void *)((const char *)bytes + NLMSG_ALIGN(head));

	len -= NLMSG_ALIGN(head);
	while (len >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= len) {
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a->nla_len >= NLA_HDRLEN + least ? (const char *)a + NLA_HDRLEN :
			       NULL;
		len -= NLA_ALIGN(a->nla_len);
		a = (const void *)((const char *)a + NLA_ALIGN(a->nla_len));
	}
	return NULL;
}

static void swap_ends(struct sp_policy *p)
{
	const struct sp_policy was = *p;

	p->saddr = was.daddr;
	p->smask = was.dmask;
	p->daddr = was.saddr;
	p->dmask = was.smask;
	p->sport = was.dport;
	p->sport_mask = was.dport_mask;
	p->dport = was.sport;
	p->dport_mask = was.sport_mask;
	p->is_in = 1;
}

/*
 * Return: whether the policy fits packets that we might send or take: TCP, without a mark, not of
 * an xfrm interface. A policy of a single interface counts for all.
 */
static int concerns_us(const struct xfrm_userpolicy_info *info, const void *bytes, int len)
{
	const struct xfrm_mark *mark = find_attribute(bytes, len, sizeof(*info), XFRMA_MARK,
						      sizeof(*mark));
	const __u32 *if_id = find_attribute(bytes, len, sizeof(*info), XFRMA_IF_ID, sizeof(*if_id));
	const struct xfrm_selector *sel = &info->sel;

	return info->dir <= XFRM_POLICY_FWD &&
	       (sel->family == AF_INET || sel->family == AF_INET6) &&
	       (!sel->proto || sel->proto == IPPROTO_TCP) && (!mark || !(mark->v & mark->m)) &&
	       (!if_id || !*if_id);
}

/* ---- all policies ---- */

static void forget_policy(struct sp_policy_watch *w, __u32 index)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->count; i++)
		if (w->known[i].index != index)
			w->known[n++] = w->known[i];
	w->count = n;
}

static int known_compare(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void learn_policy(struct sp_policy_watch *w, const struct xfrm_userpolicy_info *info,
			 const void *bytes, int len)
{
	struct known *k = &w->known[w->count];

	if (!concerns_us(info, bytes, len))
		return;
	if (w->count == SP_POLICIES_KNOWN_MAX) {
		log_warn_limited("more than %d IPsec policies: the others are ignored",
				 SP_POLICIES_KNOWN_MAX);
		return;
	}
	*k = (struct known){ .index = info->index, .priority = info->priority, .policy = make_policy(&info->sel) };
	if (info->dir != XFRM_POLICY_OUT)
		swap_ends(&k->policy);
	k->policy.is_pass = info->action == XFRM_POLICY_ALLOW &&
		!find_attribute(bytes, len, sizeof(*info), XFRMA_TMPL, 1);
	w->count++;
}

/* A deletion by selector has no index, but includes the policy. */
static void delete_policy(struct sp_policy_watch *w, const void *bytes, int len)
{
	const void *policy = find_attribute(bytes, len, sizeof(struct xfrm_userpolicy_id),
					    XFRMA_POLICY,
				       sizeof(struct xfrm_userpolicy_info));
	struct xfrm_userpolicy_info info;
	struct xfrm_userpolicy_id id;

	memcpy(&id, bytes, sizeof(id));
	if (policy)
		memcpy(&info, policy, sizeof(info));
	forget_policy(w, policy ? info.index : id.index);
}

/* Messages are aligned to 4 bytes, their structs to 8: so structs are copied. */
static void take_message(struct sp_policy_watch *w, const struct nlmsghdr *m)
{
	const char *bytes = NLMSG_DATA(m);
	struct xfrm_user_polexpire expire;
	struct xfrm_userpolicy_info info;
	int len = m->nlmsg_len - NLMSG_HDRLEN;

	switch (m->nlmsg_type) {
	case XFRM_MSG_NEWPOLICY:
	case XFRM_MSG_UPDPOLICY:
		if (len < (int)sizeof(info))
			return;
		memcpy(&info, bytes, sizeof(info));
		forget_policy(w, info.index);
		learn_policy(w, &info, bytes, len);
		break;
	case XFRM_MSG_DELPOLICY:
		if (len >= (int)sizeof(struct xfrm_userpolicy_id))
			delete_policy(w, bytes, len);
		break;
	case XFRM_MSG_POLEXPIRE:
		if (len < (int)sizeof(expire))
			return;
		memcpy(&expire, bytes, sizeof(expire));
		if (expire.hard)
			forget_policy(w, expire.pol.index);
		break;
	case XFRM_MSG_GETDEFAULT:
		if (len >= (int)sizeof(w->defaults))
			memcpy(&w->defaults, bytes, sizeof(w->defaults));
		break;
	case XFRM_MSG_FLUSHPOLICY:
		w->count = 0;
		break;
	}
}

#define TABLE_ROOM	(SP_POLICIES_MAX - 2)	/* beside the rows of forbid_all() */

static void forbid_all(struct sp_policies *t, int is_in)
{
	t->of[t->count++] = (struct sp_policy){ .is_in = is_in };
}

/* Policies that find no room are covered by the last rows: all is forbidden, which is safe. */
static void make_table(struct sp_policy_watch *w)
{
	const struct xfrm_userpolicy_default *d = &w->defaults;
	int has_more = w->count > TABLE_ROOM;
	struct sp_policies *t = &w->table;

	qsort(w->known, w->count, sizeof(w->known[0]), known_compare);
	memset(t, 0, sizeof(*t));
	while (t->count < w->count && t->count < TABLE_ROOM) {
		t->of[t->count] = w->known[t->count].policy;
		t->count++;
	}
	if (has_more || d->out == XFRM_USERPOLICY_BLOCK)
		forbid_all(t, 0);
	if (has_more || d->in == XFRM_USERPOLICY_BLOCK || d->fwd == XFRM_USERPOLICY_BLOCK)
		forbid_all(t, 1);
}

unsigned int sp_policy_watch_beyond(const struct sp_policy_watch *w)
{
	return w && w->count > TABLE_ROOM ? w->count - TABLE_ROOM : 0;
}

/* ---- the socket ---- */

/* Return: bytes; -EAGAIN: no more; -ENOBUFS: messages were lost. */
static ssize_t receive_bytes(struct sp_policy_watch *w, int flags)
{
	ssize_t n = recv(w->fd, w->buf, sizeof(w->buf), flags);

	return n < 0 ? -errno : n;
}

/* Return: whether a dump is over. */
static int take_all(struct sp_policy_watch *w, ssize_t len)
{
	int left = len;

	for (struct nlmsghdr *m = (void *)w->buf; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
			return 1;
		take_message(w, m);
	}
	return 0;
}

static int dump_policies(struct sp_policy_watch *w)
{
	struct {
		struct nlmsghdr			head;
		struct xfrm_userpolicy_id	id;
	} request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = XFRM_MSG_GETPOLICY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	ssize_t n;

	if (send(w->fd, &request, sizeof(request), 0) < 0)
		return -errno;
	do {
		n = receive_bytes(w, 0);
		if (n < 0)
			return n;
	} while (!take_all(w, n));
	return 0;
}

/* Kernels before 5.15 have no defaults, and report an error. */
static int ask_defaults(struct sp_policy_watch *w)
{
	struct {
		struct nlmsghdr			head;
		struct xfrm_userpolicy_default	none;
	} request = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(request.none)),
			  .nlmsg_type = XFRM_MSG_GETDEFAULT,
			  .nlmsg_flags = NLM_F_REQUEST },
	};
	ssize_t n;

	if (send(w->fd, &request, request.head.nlmsg_len, 0) < 0)
		return -errno;
	n = receive_bytes(w, 0);
	if (n < 0)
		return n;
	take_all(w, n);
	return 0;
}

static int open_socket(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	int group = XFRMNLGRP_POLICY, expire = XFRMNLGRP_EXPIRE, bytes = RECEIVE_BYTES, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (void *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &expire, sizeof(expire))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int sp_policy_watch_open(struct sp_policy_watch **ret_watch)
{
	struct sp_policy_watch *w;
	int fd = open_socket(), err;

	*ret_watch = NULL;
	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return fd;
	w = calloc(1, sizeof(*w));
	if (!w) {
		close(fd);
		return -ENOMEM;
	}
	w->fd = fd;
	err = dump_policies(w);
	err = err ?: ask_defaults(w);
	if (err) {
		sp_policy_watch_close(w);
		return err;
	}
	make_table(w);
	*ret_watch = w;
	return 0;
}

void sp_policy_watch_close(struct sp_policy_watch *w)
{
	if (!w)
		return;
	close(w->fd);
	free(w);
}

int sp_policy_watch_fd(const struct sp_policy_watch *w)
{
	return w->fd;
}

int sp_policy_watch_read(struct sp_policy_watch *w, __u64 now_ns)
{
	int is_news = 0;
	ssize_t n;

	while ((n = receive_bytes(w, MSG_DONTWAIT)) != -EAGAIN) {
		if (n == -ENOBUFS)
			sp_warn(SP_WARNING_IPSEC, now_ns, "lost",
				"IPsec policies changed faster than could be read: "
				"the datapath's may differ from the kernel's");
		else if (n < 0)
			break;
		else
			take_all(w, n);
		is_news = 1;
	}
	if (is_news)
		make_table(w);
	return is_news;
}

const struct sp_policies *sp_policy_watch_table(const struct sp_policy_watch *w)
{
	return w ? &w->table : NULL;
}

int sp_policies_forbid(const struct sp_policies *table, const struct sp_tuple *out)
{
	__u32 decided = 0;

	for (__u32 i = 0; table && i < table->count; i++)
		if (sp_policy_forbids(&table->of[i], out, &decided))
			return 1;
	return 0;
}
