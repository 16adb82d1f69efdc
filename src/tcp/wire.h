/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* wire.h - packets of our own, queued and sent through raw sockets */
#ifndef SP_TCP_WIRE_H
#define SP_TCP_WIRE_H

#include "tcp/segment.h"

struct sp_wire;	/* two raw sockets, each with a queue of packets */

/* Needs CAP_NET_RAW. A machine without IPv6 is no error: what is sent there counts as failed. */
int sp_wire_open(struct sp_wire **ret_wire);
void sp_wire_close(struct sp_wire *wire);

/**
 * sp_wire_send() - queue a segment; sent at the next flush, or when the queue is full
 * Return: 0 or -errno of building it. What the kernel says of sending is counted: TCP repeats it.
 */
int sp_wire_send(struct sp_wire *wire, const struct sp_segment *seg);

/* The same of sp_segment_build_too_big(). */
int sp_wire_send_too_big(struct sp_wire *wire, const struct sp_event *ev);

/* @fn: called before packets go out, for work that must come first (borrowed context). */
void sp_wire_before(struct sp_wire *wire, void (*fn)(void *ctx), void *ctx);

/* sendmmsg() of all that is queued. */
void sp_wire_flush(struct sp_wire *wire);

/* @refused_pkts: failed by a packet filter (EPERM); addresses of the last */
struct sp_wire_stats {
	__u64		sent_pkts;
	__u64		failed_pkts;
	__u64		refused_pkts;
	struct sp_addr	refused_from, refused_to;
};
struct sp_wire_stats sp_wire_stats(const struct sp_wire *wire);

#endif
