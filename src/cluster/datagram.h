/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datagram.h - the UDP socket between members: queued datagrams leave in one system call
 *
 * Addresses and ports as in struct sp_endpoint (network byte order), sizes in bytes. Datagrams may
 * be lost.
 */
#ifndef SP_CLUSTER_DATAGRAM_H
#define SP_CLUSTER_DATAGRAM_H

#include "base/endpoint.h"

struct sp_datagrams;

/**
 * sp_datagrams_open() - bind a socket
 * @not_sent:	incremented for each datagram that the kernel did not take; borrowed
 * Return: 0 or -errno. Buffers are larger with CAP_NET_ADMIN; the default ones suffice.
 */
int sp_datagrams_open(const struct sp_endpoint *at, __u64 *not_sent,
		      struct sp_datagrams **ret_datagrams);
void sp_datagrams_close(struct sp_datagrams *d);
/* The descriptor to poll for reading. */
int sp_datagrams_fd(const struct sp_datagrams *d);

/*
 * Queue a copy: sent at the next flush, or when the queue is full. @len: SP_MESSAGE_BYTES_MAX at
 * most
 */
void sp_datagrams_add(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		      size_t len);
/**
 * sp_datagrams_join() - like sp_datagrams_add(), but appended to a queued datagram of the same kind
 * and endpoint
 * @len:	identifies the kind: all messages of a kind have this length, and no others
 * @most:	bytes of a datagram
 */
void sp_datagrams_join(struct sp_datagrams *d, const struct sp_endpoint *to, const void *bytes,
		       size_t len, size_t most);
void sp_datagrams_flush(struct sp_datagrams *d);

/*
 * @age_ns: since arrival; @bytes: borrowed. A message that is too long is cut to a size that is
 * still too long.
 */
typedef void (*sp_datagram_fn)(void *ctx, const void *bytes, size_t len,
			       const struct sp_endpoint *from, __s64 age_ns);
/* Hand over received datagrams, up to a bound: the loop has other work, too. */
void sp_datagrams_receive(struct sp_datagrams *d, sp_datagram_fn fn, void *ctx);

#endif
