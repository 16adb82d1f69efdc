/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* drop.h - why a packet left the fast path. One list: enum, names and documentation come out of it. */
#ifndef SP_ABI_DROP_H
#define SP_ABI_DROP_H

/*
 * X(NAME, name, what happens to the packet, why)
 *
 * "stack": passed on to the kernel untouched; "drop": dropped; "daemon": sent up
 * through the ring; "answer": turned into an answer and sent back.
 */
#define SP_DROP_REASONS(X) \
	X(SYN_ANSWERED,	syn_answered,	"answer", "SYN to a service, answered with a cookie") \
	X(HEAD,		head,		"daemon", "first segments of a connection, valid cookie") \
	X(FROM_BACKEND,	from_backend,	"daemon", "answer of a backend to the proxy's SYN, or a stray of one") \
	X(HELD,		held,		"daemon", "the half says that the daemon answers") \
	X(SYN_CHALLENGED, syn_challenged, "daemon", "SYN on a live splice: its end is asked whether it means it (RFC 5961)") \
	X(MISS,		miss,		"daemon", "to a service, neither half nor valid cookie") \
	X(TOO_BIG,	too_big,	"daemon", "larger than the MTU of its way out") \
	X(PIECES,	pieces,		"daemon", "the same, without DF: sent on in pieces") \
	X(QUOTE,	quote,		"daemon", "ICMP error about a packet of ours, without a half") \
	X(DAEMON_STALE,	daemon_stale,	"drop", "SYN or head while the daemon's heartbeat is stale") \
	X(RING_FULL,	ring_full,	"drop", "the daemon does not keep up; TCP repeats it") \
	X(RATE_LIMITED,	rate_limited,	"drop", "more misses or oversized packets than are worth an answer") \
	X(TABLE_FULL,	table_full,	"drop", "SYN while the table of halves is full") \
	X(ACK_EMPTY,	ack_empty,	"drop", "third segment of a handshake: nothing to do before the head") \
	X(BAD_SYN,	bad_syn,	"drop", "SYN to a service with FIN, RST, or damaged options") \
	X(MARTIAN,	martian,	"drop", "to a service, from a source address that no client can have") \
	X(BAD_HEADER,	bad_header,	"drop", "TCP header of a flow of ours is damaged or cut off") \
	X(TTL_EXPIRED,	ttl_expired,	"drop", "TTL or hop limit used up") \
	X(ECN_MARK,	ecn_mark,	"drop", "marked CE on the way to a backend that does no ECN: counts as lost") \
	X(NO_ROUTE,	no_route,	"drop", "no route to where the half points") \
	X(IPSEC,	ipsec,		"drop", "an IPsec policy of this host wants it encrypted, or not sent at all") \
	X(REWRITE_FAILED, rewrite_failed, "drop", "the kernel refused to write to the packet") \
	X(OTHER_HOST,	other_host,	"stack", "frame for another machine, flooded by a switch") \
	X(VLAN_TAG,	vlan_tag,	"stack", "frame tagged for a VLAN, which is another interface") \
	X(BROADCAST,	broadcast,	"stack", "TCP in a frame that was sent to many (RFC 1122, 4.2.3.10)") \
	X(ICMP_SHORT,	icmp_short,	"stack", "ICMP error that quotes too little") \
	X(FRAGMENT,	fragment,	"stack", "IP fragment") \
	X(IP_OPTIONS,	ip_options,	"stack", "TCP behind IPv4 options or IPv6 extension headers") \
	X(ASKED,	asked,		"daemon", "agent: a server's packet without a half, the store is asked") \
	X(NO_HALF,	no_half,	"stack", "agent: the same, and the store knows none, or did not answer") \
	X(LEFT_WHOLE,	left_whole,	"stack", "agent: all that was left to a proxy, whatever the reason") \
	X(INTRO_SHORT,	intro_short,	"drop", "agent: an introduction of another length") \
	X(INTRO_FOREIGN, intro_foreign,	"drop", "agent: an introduction under a key that is not the cluster's") \
	X(INTRO_FORGED,	intro_forged,	"drop", "agent: an introduction whose seal is wrong") \
	X(INTRO_MALFORMED, intro_malformed, "drop", "agent: an introduction that makes no sense") \
	X(INTRO_ELSEWHERE, intro_elsewhere, "drop", "agent: an introduction for a port that is not served here") \
	X(INTRO_OLD,	intro_old,	"drop", "agent: an introduction from a while ago, or of another clock") \
	X(INTRO_KNOWN,	intro_known,	"drop", "agent: an introduction of a splice that is here") \
	X(INTRO_OUTDATED, intro_outdated, "drop", "agent: an introduction where there is a newer splice, or one that lives") \
	X(INTRO_FULL,	intro_full,	"drop", "agent: an introduction while the table of halves is full") \
	X(ADOPT_EARLY,	adopt_early,	"drop", "agent: has overtaken the first segment of its connection") \
	X(ADOPT_ASKED,	adopt_asked,	"drop", "agent: from a proxy, and neither half nor socket; the store is asked") \
	X(ADOPT_OCCUPIED, adopt_occupied, "drop", "agent: an older connection on this tuple does not give way") \
	X(ADOPT_NO_LISTENER, adopt_no_listener, "stack", "agent: first segment of a connection that no server takes") \
	X(ADOPT_UNTAKEN, adopt_untaken,	"daemon", "agent: a first segment comes again: this host has dropped the one before it") \
	X(ADOPT_FAILED,	adopt_failed,	"stack", "agent: the kernel does not hand this listener a connection")

enum sp_drop {
	SP_DROP_NONE = 0,
#define X(up, low, what, why) SP_DROP_##up,
	SP_DROP_REASONS(X)
#undef X
	SP_DROP_COUNT
};

#endif
