/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drop.h - reasons for which a packet leaves the fast path, and its fate. One list makes the enum, the
 * names, the verdicts of all programs, and the documentation.
 */
#ifndef SP_ABI_DROP_H
#define SP_ABI_DROP_H

#include "ktypes.h"

/*
 * SP_FATES(): X(NAME, name)
 *
 * STACK:	passed on to the kernel untouched
 * DAEMON:	sent up through the ring, and no further
 * DROP:	dropped
 * ANSWER:	turned into an answer and sent back
 * NONE:	this program has no such reason
 */
#define SP_FATES(X) X(NONE, -) X(STACK, stack) X(DAEMON, daemon) X(DROP, drop) X(ANSWER, answer)

/* SP_DROP_REASONS(): X(NAME, name, fate at a proxy, where an agent's host sends, where it receives, why) */
#define SP_DROP_REASONS(X) \
	X(SYN_ANSWERED, syn_answered,           ANSWER, NONE,   NONE,   "SYN to a service, answered with a cookie") \
	X(HEAD, head,                           DAEMON, NONE,   NONE,   "first segments of a connection, valid cookie") \
	X(FROM_BACKEND, from_backend,           DAEMON, NONE,   NONE,   "answer of a backend to the proxy's SYN, or a stray of one") \
	X(HELD, held,                           DAEMON, NONE,   NONE,   "the half says that the daemon answers") \
	X(BEYOND, beyond,                       DAEMON, NONE,   NONE,   "beyond the boundary of its half: the daemon reads it") \
	X(SKIPPED, skipped,                     ANSWER, NONE,   NONE,   "of a response that begins again at another backend: its client has it") \
	X(SKIPPED_ACK, skipped_ack,             DROP,   NONE,   NONE,   "an acknowledgement meanwhile: of more than that backend has sent, or from it") \
	X(SYN_CHALLENGED, syn_challenged,       DAEMON, NONE,   NONE,   "SYN on a live splice: its end is asked whether it means it (RFC 5961)") \
	X(MISS, miss,                           DAEMON, NONE,   NONE,   "to a service, neither half nor valid cookie") \
	X(TOO_BIG, too_big,                     DAEMON, DAEMON, NONE,   "larger than the MTU of its way out") \
	X(PIECES, pieces,                       DAEMON, STACK,  NONE,   "the same, without DF: sent on in pieces") \
	X(QUOTE, quote,                         DAEMON, NONE,   NONE,   "ICMP error about a packet of ours, without a half") \
	X(DAEMON_STALE, daemon_stale,           DROP,   STACK,  DROP,   "SYN or head while the daemon's heartbeat is stale") \
	X(RING_FULL, ring_full,                 DROP,   STACK,  DROP,   "the daemon does not keep up; TCP repeats it") \
	X(RATE_LIMITED, rate_limited,           DROP,   STACK,  DROP,   "more misses or oversized packets than are worth an answer") \
	X(TABLE_FULL, table_full,               DROP,   NONE,   NONE,   "SYN while the table of halves is full") \
	X(DENIED, denied,                       DROP,   NONE,   NONE,   "SYN or head from a source that the service's lists refuse") \
	X(SOURCE_RATE, source_rate,             DROP,   NONE,   NONE,   "SYN or head of a source that opens connections too fast") \
	X(SOURCE_FULL, source_full,             DROP,   NONE,   NONE,   "SYN or head of a source that has all its connections") \
	X(SERVICE_FULL, service_full,           DROP,   NONE,   NONE,   "SYN or head to a service that has all its connections") \
	X(ACK_EMPTY, ack_empty,                 DROP,   NONE,   NONE,   "third segment of a handshake: nothing to do before the head") \
	X(BAD_SYN, bad_syn,                     DROP,   NONE,   NONE,   "SYN to a service with FIN, RST, or damaged options") \
	X(MARTIAN, martian,                     DROP,   NONE,   NONE,   "to a service, from a source address that no client can have") \
	X(BAD_HEADER, bad_header,               DROP,   STACK,  STACK,  "TCP header of a flow of ours is damaged or cut off") \
	X(TTL_EXPIRED, ttl_expired,             DROP,   STACK,  NONE,   "TTL or hop limit used up") \
	X(ECN_MARK, ecn_mark,                   DROP,   STACK,  NONE,   "marked CE on the way to a backend that does no ECN: counts as lost") \
	X(NO_ROUTE, no_route,                   DROP,   STACK,  NONE,   "no route to where the half points") \
	X(IPSEC, ipsec,                         DROP,   STACK,  NONE,   "an IPsec policy of this host wants it encrypted, or not sent at all") \
	X(REWRITE_FAILED, rewrite_failed,       DROP,   DROP,   DROP,   "the kernel refused to write to the packet") \
	X(OTHER_HOST, other_host,               STACK,  NONE,   NONE,   "frame for another machine, flooded by a switch") \
	X(VLAN_TAG, vlan_tag,                   STACK,  STACK,  STACK,  "frame tagged for a VLAN, which is another interface") \
	X(BROADCAST, broadcast,                 STACK,  NONE,   NONE,   "TCP in a frame that was sent to many (RFC 1122, 4.2.3.10)") \
	X(ICMP_SHORT, icmp_short,               STACK,  NONE,   NONE,   "ICMP error that quotes too little") \
	X(FRAGMENT, fragment,                   STACK,  NONE,   NONE,   "IP fragment") \
	X(IP_OPTIONS, ip_options,               STACK,  NONE,   NONE,   "TCP behind IPv4 options or IPv6 extension headers") \
	X(ASKED, asked,                         NONE,   DAEMON, NONE,   "agent: a server's packet without a half, the store is asked") \
	X(NO_HALF, no_half,                     NONE,   STACK,  NONE,   "agent: the same, and the store knows none, or did not answer") \
	X(LEFT_WHOLE, left_whole,               NONE,   STACK,  NONE,   "agent: all that was left to a proxy, whatever the reason") \
	X(INTRO_SHORT, intro_short,             NONE,   NONE,   DROP,   "agent: an introduction of another length") \
	X(INTRO_FOREIGN, intro_foreign,         NONE,   NONE,   DROP,   "agent: an introduction under a key that is not the cluster's") \
	X(INTRO_FORGED, intro_forged,           NONE,   NONE,   DROP,   "agent: an introduction whose seal is wrong") \
	X(INTRO_MALFORMED, intro_malformed,     NONE,   NONE,   DROP,   "agent: an introduction that makes no sense") \
	X(INTRO_ELSEWHERE, intro_elsewhere,     NONE,   NONE,   DROP,   "agent: an introduction for a port that is not served here") \
	X(INTRO_OLD, intro_old,                 NONE,   NONE,   DROP,   "agent: an introduction from a while ago, or of another clock") \
	X(INTRO_KNOWN, intro_known,             NONE,   NONE,   DROP,   "agent: an introduction of a splice that is here") \
	X(INTRO_OUTDATED, intro_outdated,       NONE,   NONE,   DROP,   "agent: an introduction where there is a newer splice, or one that lives") \
	X(INTRO_FULL, intro_full,               NONE,   NONE,   DROP,   "agent: an introduction while the table of halves is full") \
	X(ADOPT_EARLY, adopt_early,             NONE,   NONE,   DROP,   "agent: has overtaken the first segment of its connection") \
	X(ADOPT_ASKED, adopt_asked,             NONE,   NONE,   DROP,   "agent: from a proxy, and neither half nor socket; the store is asked") \
	X(ADOPT_OCCUPIED, adopt_occupied,       NONE,   NONE,   DROP,   "agent: an older connection on this tuple does not give way") \
	X(ADOPT_NO_LISTENER, adopt_no_listener, NONE,   NONE,   STACK,  "agent: first segment of a connection that no server takes") \
	X(ADOPT_UNTAKEN, adopt_untaken,         NONE,   NONE,   DAEMON, "agent: a first segment comes again: this host has dropped the one before it") \
	X(ADOPT_FAILED, adopt_failed,           NONE,   NONE,   STACK,  "agent: the kernel does not hand this listener a connection")

enum sp_drop {
	SP_DROP_NONE = 0,
#define X(up, low, proxy, out, in, why) SP_DROP_##up,
	SP_DROP_REASONS(X)
#undef X
	SP_DROP_COUNT
};
_Static_assert(SP_DROP_COUNT <= 64, "a set of reasons is one word");

enum sp_fate {
#define X(up, low) SP_FATE_##up,
	SP_FATES(X)
#undef X
	SP_FATE_COUNT
};

/* sp_ingress(), sp_egress(), and sp_agent_adopt() with sp_agent_in() */
enum sp_drop_at { SP_DROP_AT_PROXY, SP_DROP_AT_AGENT_OUT, SP_DROP_AT_AGENT_IN };

/* Bit i: reason i has this fate there. With constants for both, a constant. */
sp_inline __u64 sp_drops_with_fate(enum sp_drop_at at, enum sp_fate fate)
{
	__u64 proxy_bits = 0, out_bits = 0, in_bits = 0;

#define X(up, low, proxy, out, in, why) \
	proxy_bits |= (__u64)(SP_FATE_##proxy == fate) << SP_DROP_##up; \
	out_bits |= (__u64)(SP_FATE_##out == fate) << SP_DROP_##up; \
	in_bits |= (__u64)(SP_FATE_##in == fate) << SP_DROP_##up;
	SP_DROP_REASONS(X)
#undef X
	return at == SP_DROP_AT_PROXY ? proxy_bits : at == SP_DROP_AT_AGENT_OUT ? out_bits : in_bits;
}

sp_inline int sp_drop_has_fate(enum sp_drop_at at, __u32 reason, enum sp_fate fate)
{
	return sp_drops_with_fate(at, fate) >> reason & 1;
}

/* Whether the packet itself goes no further. */
sp_inline int sp_drop_is_end(enum sp_drop_at at, __u32 reason)
{
	return sp_drop_has_fate(at, reason, SP_FATE_DROP) || sp_drop_has_fate(at, reason, SP_FATE_DAEMON);
}

/* NONE for an unknown reason, too. */
sp_inline enum sp_fate sp_drop_fate(enum sp_drop_at at, __u32 reason)
{
	for (int fate = 0; fate < SP_FATE_COUNT && reason < SP_DROP_COUNT; fate++)
		if (sp_drop_has_fate(at, reason, (enum sp_fate)fate))
			return (enum sp_fate)fate;
	return SP_FATE_NONE;
}

#endif
