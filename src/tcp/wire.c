/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wire.c - egress of our own packets: a queue for each family, since sendmmsg() has a single
 * socket.
 */
#include "tcp/wire.h"

#include <errno.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sockaddr.h"

#define QUEUE_PKTS	64
#define QUEUE_BYTES	(128 * 1024)
#define SEND_BUFFER_BYTES (8 * 1024 * 1024)

struct wire_queue {
	int			fd;	/* -1: the machine has no such family */
	unsigned int		count;
	size_t			used;	/* bytes of @arena */
	struct mmsghdr		msgs[QUEUE_PKTS];
	struct iovec		iovs[QUEUE_PKTS];
	union sp_sockaddr	addrs[QUEUE_PKTS];
	__u8			arena[QUEUE_BYTES];
};
_Static_assert(QUEUE_BYTES >= SP_SEGMENT_PACKET_MAX, "an empty queue must take any packet");

struct sp_wire {
	struct wire_queue	v4;
	struct wire_queue	v6;
	struct sp_wire_stats	stats;
	void			(*before)(void *ctx);
	void			*ctx;
};

/* With IP_HDRINCL the source address need not be local: no bind, no check. */
static int raw_socket(int family)
{
	int one = 1, bytes = SEND_BUFFER_BYTES, err;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, SOL_IPV6, IPV6_HDRINCL, &one, sizeof(one)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	/*
	 * The default is enough to work with; without CAP_NET_ADMIN the plain option gives what
	 * it may.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return fd;
}

int sp_wire_open(struct sp_wire **ret_wire)
{
	struct sp_wire *wire = calloc(1, sizeof(*wire));
	int err;

	if (!wire)
		return -ENOMEM;
	wire->v4.fd = wire->v6.fd = -1;
	err = raw_socket(AF_INET);
	if (err < 0)
		goto out_close;
	wire->v4.fd = err;
	err = raw_socket(AF_INET6);
	if (err < 0 && err != -EAFNOSUPPORT)
		goto out_close;
	wire->v6.fd = err < 0 ? -1 : err;
	*ret_wire = wire;
	return 0;

out_close:
	sp_wire_close(wire);
	return err;
}

void sp_wire_before(struct sp_wire *wire, void (*fn)(void *ctx), void *ctx)
{
	wire->before = fn;
	wire->ctx = ctx;
}

void sp_wire_close(struct sp_wire *wire)
{
	if (!wire)
		return;
	if (wire->v4.fd >= 0)
		close(wire->v4.fd);
	if (wire->v6.fd >= 0)
		close(wire->v6.fd);
	free(wire);
}

static void count_failure(struct sp_wire_stats *stats, const struct msghdr *msg, int err)
{
	const struct iphdr *v4 = msg->msg_iov->iov_base;
	const struct ipv6hdr *v6 = msg->msg_iov->iov_base;

	stats->failed_pkts++;
	if (err != EPERM)
		return;
	stats->refused_pkts++;
	if (v4->version == 4) {
		stats->refused_from = sp_addr_v4(v4->saddr);
		stats->refused_to = sp_addr_v4(v4->daddr);
	} else {
		memcpy(&stats->refused_from, &v6->saddr, sizeof(stats->refused_from));
		memcpy(&stats->refused_to, &v6->daddr, sizeof(stats->refused_to));
	}
}

/* sendmmsg() stops at the first packet that fails: skip this packet, unless the buffer is full. */
static void queue_flush(struct sp_wire *wire, struct wire_queue *q)
{
	struct sp_wire_stats *stats = &wire->stats;
	unsigned int done = 0;

	if (q->count && wire->before)
		wire->before(wire->ctx);
	while (done < q->count && q->fd >= 0) {
		int n = sendmmsg(q->fd, q->msgs + done, q->count - done, MSG_DONTWAIT);

		if (n > 0) {
			stats->sent_pkts += n;
			done += n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			count_failure(stats, &q->msgs[done].msg_hdr, errno);
			done++;
		}
	}
	stats->failed_pkts += q->count - done;
	q->count = 0;
	q->used = 0;
}

static struct wire_queue *queue_of(struct sp_wire *wire, const struct sp_addr *to)
{
	return sp_addr_is_v4(to) ? &wire->v4 : &wire->v6;
}

/* Room for one packet of any size, aligned to words. */
static __u8 *queue_room(struct sp_wire *wire, struct wire_queue *q)
{
	if (q->count == QUEUE_PKTS || sizeof(q->arena) - q->used < SP_SEGMENT_PACKET_MAX)
		queue_flush(wire, q);
	return q->arena + q->used;
}

/* What queue_room() gave now holds @len bytes. */
static void queue_add(struct wire_queue *q, const struct sp_addr *to, size_t len)
{
	union sp_sockaddr *addr = &q->addrs[q->count];
	struct iovec *iov = &q->iovs[q->count];

	*iov = (struct iovec){ .iov_base = q->arena + q->used, .iov_len = len };
	q->msgs[q->count].msg_hdr = (struct msghdr){
		.msg_name = addr, .msg_namelen = sp_sockaddr_make(to, 0, addr), .msg_iov = iov,
		.msg_iovlen = 1,
	};
	q->used = (q->used + len + 7) & ~(size_t)7;
	q->count++;
}

int sp_wire_send(struct sp_wire *wire, const struct sp_segment *seg)
{
	struct wire_queue *q = queue_of(wire, &seg->tuple.daddr);
	int len = sp_segment_build(seg, queue_room(wire, q), SP_SEGMENT_PACKET_MAX);

	if (len < 0)
		return len;
	queue_add(q, &seg->tuple.daddr, len);
	return 0;
}

int sp_wire_send_too_big(struct sp_wire *wire, const struct sp_event *ev)
{
	struct wire_queue *q = queue_of(wire, &ev->tuple.saddr);
	int len = sp_segment_build_too_big(ev, queue_room(wire, q));

	if (len < 0)
		return len;
	queue_add(q, &ev->tuple.saddr, len);
	return 0;
}

void sp_wire_flush(struct sp_wire *wire)
{
	queue_flush(wire, &wire->v4);
	queue_flush(wire, &wire->v6);
}

struct sp_wire_stats sp_wire_stats(const struct sp_wire *wire)
{
	return wire->stats;
}
