/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * untaken.h - listeners whose adopted segments this host's packet filter drops. Times are passed
 * in, in ns; no errors.
 */
#ifndef SP_AGENT_UNTAKEN_H
#define SP_AGENT_UNTAKEN_H

#include "node/node.h"

/*
 * Theory of operation
 *
 * The first segment of an adopted connection is no SYN, and connection tracking has not seen the
 * connection begin. A rule like "new, but not SYN: drop", or "ct state invalid drop" with
 * nf_conntrack_tcp_loose=0, drops the segment after the program has given it to the kernel. The
 * datapath reports the retransmission (SP_EVENT_UNTAKEN). Then
 *
 *	the splice is removed, here and at all proxies, so that the client's next retransmission
 *	begins anew;
 *	its listener is not offered for adoption for a while, so that connections go split, by a
 *	SYN. Each wait is
 *	longer than the one before.
 *
 * A listener with a full queue drops first segments, too: then nothing is concluded.
 *
 * @until_ns:	not offered before; 0: the entry is free
 * @wait_ns:	length of the last wait
 */
struct sp_untaken {
	struct {
		struct sp_endpoint	at;
		__u64			until_ns, wait_ns;
	} of[SP_MEMBER_OWNED_MAX];
	__u64 overflows;
};

/*
 * The first segment for the listener @at was retransmitted. @overflows: of listeners' queues, since
 * boot.
 * Return: whether this host has dropped it.
 */
int sp_untaken_note(struct sp_untaken *u, const struct sp_endpoint *at, __u64 overflows,
		    __u64 now_ns);

/* Return: bit i is set if @owned[i] must not be offered now. */
__u64 sp_untaken_at(const struct sp_untaken *u, const struct sp_endpoint *owned, unsigned int count,
		    __u64 now_ns);

/* TcpExtListenOverflows of this network namespace; 0: can't be read. */
__u64 sp_untaken_overflows(void);

#endif
