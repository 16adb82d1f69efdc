// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* datagram.c - the UDP socket between members */
#include "cluster/datagram.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sockaddr.h"
#include "cluster/message.h"

#define BATCH		64
#define BATCHES_PER_TURN 8
/* longer than any message, so that longer messages are refused */
#define RECEIVE_BYTES	2048
#define BUFFER_BYTES	(4 * 1024 * 1024)

struct queue {
	unsigned int	count;
	struct mmsghdr	msgs[BATCH];
	struct iovec	iovs[BATCH];
	union sp_sockaddr to[BATCH];
	size_t		unit[BATCH];	/* length of a message, if more may join; else 0 */
	struct sp_endpoint at[BATCH];	/* the same as @to, if @unit is set */
	__u8		bytes[BATCH][SP_MESSAGE_BYTES_MAX];
};

struct inbox {
	struct mmsghdr	msgs[BATCH];
	struct iovec	iovs[BATCH];
	union sp_sockaddr from[BATCH];
	__u8		bytes[BATCH][RECEIVE_BYTES];
	char		control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
};

struct sp_datagrams {
	int		fd;
	__u64		*not_sent;
	struct queue	out;
	struct inbox	in;
};

/* Like wire.c: skip a datagram that fails, unless the socket is full. */
void sp_datagrams_flush(struct sp_datagrams *d)
{
	struct queue *q = &d->out;
	unsigned int done = 0;

	while (done < q->count) {
		int n = sendmmsg(d->fd, q->msgs + done, q->count - done, MSG_DONTWAIT);

		if (n > 0) {
			done += n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			++*d->not_sent;
			done++;
		}
	}
	*d->not_sent += q->count - done;
	q->count = 0;
}

void sp_datagrams_add(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		      size_t len)
{
	struct queue *q = &d->out;
	unsigned int i;

	assert(len <= SP_MESSAGE_BYTES_MAX);
	if (q->count == BATCH)
		sp_datagrams_flush(d);
	i = q->count++;
	memcpy(q->bytes[i], bytes, len);
	q->unit[i] = 0;
	q->iovs[i] = (struct iovec){ .iov_base = q->bytes[i], .iov_len = len };
	q->msgs[i].msg_hdr = (struct msghdr){
		.msg_name = &q->to[i],
		.msg_namelen = sp_sockaddr_make(&to->addr, to->port_be, &q->to[i]),
		.msg_iov = &q->iovs[i], .msg_iovlen = 1,
	};
}

/* Search the newest first: older datagrams are full. */
static struct iovec *find_joinable(struct queue *q, const struct sp_endpoint *to, size_t unit)
{
	for (unsigned int i = q->count; i-- > 0;)
		if (q->unit[i] == unit && !sp_endpoint_compare(&q->at[i], to))
			return &q->iovs[i];
	return NULL;
}

void sp_datagrams_join(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		       size_t len,
		       size_t most)
{
	struct iovec *iov = find_joinable(&d->out, to, len);

	assert(most <= SP_MESSAGE_BYTES_MAX);
	if (iov && iov->iov_len + len <= most) {
		memcpy((__u8 *)iov->iov_base + iov->iov_len, bytes, len);
		iov->iov_len += len;
		return;
	}
	sp_datagrams_add(d, to, bytes, len);
	d->out.unit[d->out.count - 1] = len;
	d->out.at[d->out.count - 1] = *to;
}

/*
 * Time since the kernel received the message. If a clock change makes it seem too old, its sender
 * sends it again.
 */
static __s64 read_age_ns(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct timespec now, came;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_TIMESTAMPNS)
		return 0;
	memcpy(&came, CMSG_DATA(cmsg), sizeof(came));
	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - came.tv_sec) * 1000000000LL + now.tv_nsec - came.tv_nsec;
}

static int receive_batch(struct sp_datagrams *d, sp_datagram_fn fn, void *ctx)
{
	struct inbox *in = &d->in;
	int n;

	for (int i = 0; i < BATCH; i++) {
		in->iovs[i] = (struct iovec){ .iov_base = in->bytes[i], .iov_len = RECEIVE_BYTES };
		in->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &in->from[i], .msg_namelen = sizeof(in->from[i]),
			.msg_iov = &in->iovs[i],
			.msg_iovlen = 1, .msg_control = in->control[i],
			.msg_controllen = sizeof(in->control[i]),
		};
	}
	n = recvmmsg(d->fd, in->msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct sp_endpoint from = sp_sockaddr_endpoint(&in->from[i]);

		fn(ctx, in->bytes[i], in->msgs[i].msg_len, &from,
		   read_age_ns(&in->msgs[i].msg_hdr));
	}
	return n;
}

void sp_datagrams_receive(struct sp_datagrams *d, sp_datagram_fn fn, void *ctx)
{
	for (int i = 0; i < BATCHES_PER_TURN; i++)
		if (receive_batch(d, fn, ctx) < BATCH)
			break;
}

static int open_socket(const struct sp_endpoint *at, int *ret_fd)
{
	union sp_sockaddr addr;
	socklen_t len = sp_sockaddr_make(&at->addr, at->port_be, &addr);
	int fd = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		bytes = BUFFER_BYTES, err;
	const int on = 1;

	if (fd < 0)
		return -errno;
	/* may fail: the default sizes suffice */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(fd, &addr.any, len)) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int sp_datagrams_open(const struct sp_endpoint *at, __u64 *not_sent,
		      struct sp_datagrams **ret_datagrams)
{
	struct sp_datagrams *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->not_sent = not_sent;
	err = open_socket(at, &d->fd);
	if (err) {
		free(d);
		return err;
	}
	*ret_datagrams = d;
	return 0;
}

void sp_datagrams_close(struct sp_datagrams *d)
{
	if (!d)
		return;
	close(d->fd);
	free(d);
}

int sp_datagrams_fd(const struct sp_datagrams *d)
{
	return d->fd;
}
