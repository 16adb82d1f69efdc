/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* untaken.h - listeners to whom this host's packet filter does not let through what they should take over */
#ifndef SP_AGENT_UNTAKEN_H
#define SP_AGENT_UNTAKEN_H

#include "node/node.h"

/*
 * Theory of operation
 *
 * What is taken over reaches the host as a segment that is no SYN, of a connection that nobody has seen begin. A rule
 * like "new, but not SYN: drop", or "ct state invalid drop" with nf_conntrack_tcp_loose=0, drops it behind the program
 * that has given it to the kernel. The datapath tells of such a segment when it is repeated (SP_EVENT_UNTAKEN). Then
 *
 *	the splice is taken back, here and at all proxies, so that the client's next repetition begins anew;
 *	its listener is not offered for adoption for a while, so that connections go split, by a SYN. After ever longer
 *	times that is tried again.
 *
 * A listener whose queue is full drops first segments, too: then nothing is concluded.
 *
 * @until_ns:	not offered before; 0: nothing is known against it
 * @wait_ns:	how long it was not offered the last time
 */
struct sp_untaken {
	struct {
		struct sp_endpoint	at;
		__u64			until_ns, wait_ns;
	} of[SP_MEMBER_OWNED_MAX];
	__u64 overflows;
};

/*
 * A first segment for the listener @at was repeated. @overflows: of listeners' queues, ever.
 * Return: whether this host has dropped it.
 */
int sp_untaken_note(struct sp_untaken *u, const struct sp_endpoint *at, __u64 overflows, __u64 now_ns);

/* Which of an agent's endpoints are not to be offered now: a bit for each. */
__u64 sp_untaken_at(const struct sp_untaken *u, const struct sp_endpoint *owned, unsigned int count, __u64 now_ns);

/* TcpExtListenOverflows of this network namespace; 0: not to be had. */
__u64 sp_untaken_overflows(void);

#endif
