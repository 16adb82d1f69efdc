/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* datagram.h - the UDP socket between the proxies: what is queued goes out in one system call. */
#ifndef SP_CLUSTER_DATAGRAM_H
#define SP_CLUSTER_DATAGRAM_H

#include "base/endpoint.h"

struct sp_datagrams;

/**
 * sp_datagrams_open() - bind a socket
 * @not_sent:	counts what the kernel did not take; borrowed
 * Return: 0 or -errno. The default buffers are enough to work with; with CAP_NET_ADMIN they are larger.
 */
int sp_datagrams_open(const struct sp_endpoint *at, __u64 *not_sent, struct sp_datagrams **ret_datagrams);
void sp_datagrams_close(struct sp_datagrams *d);
/* For poll(): readable. */
int sp_datagrams_fd(const struct sp_datagrams *d);

/* Queue one, copied: sent at the next flush, or when the queue is full. @len: SP_MESSAGE_BYTES_MAX at most */
void sp_datagrams_add(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes, size_t len);
/**
 * sp_datagrams_join() - as sp_datagrams_add(), but behind others of its kind that wait for the same endpoint
 * @len:	that of all of the kind, and of no other's
 * @most:	bytes of a datagram
 */
void sp_datagrams_join(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes, size_t len,
		       size_t most);
void sp_datagrams_flush(struct sp_datagrams *d);

/* @age_ns: since it came; @bytes: borrowed; a message that is too long is cut, and still too long */
typedef void (*sp_datagram_fn)(void *ctx, const void *bytes, size_t len, const struct sp_endpoint *from,
			       __s64 age_ns);
/* What has come, as much as the loop has time for. */
void sp_datagrams_receive(struct sp_datagrams *d, sp_datagram_fn fn, void *ctx);

#endif
