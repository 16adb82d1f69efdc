/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service.h - services, SNAT addresses and the daemon, as the datapath sees them. Layout is ABI. */
#ifndef SP_ABI_SERVICE_H
#define SP_ABI_SERVICE_H

#include "limit.h"
#include "tuple.h"

#define SP_SERVICES_MAX	4096
#define SP_SNATS_MAX	512
#define SP_ORIGINS_MAX	4096
#define SP_LEAVING_MAX	64
#define SP_WSCALE_MAX	14	/* RFC 7323, 2.3 */

/*
 * struct sp_listen - address and port (network byte order): key of map sp_services, a service;
 * key of map sp_origins, in a cluster, a backend whose pool has "source: client"
 */
struct sp_listen {
	struct sp_addr	addr;
	__be16		port;
	__u16		pad;
};
_Static_assert(sizeof(struct sp_listen) == 20, "struct sp_listen is ABI");

enum {
	/* splice at the client's first ACK: the server speaks first */
	SP_SERVICE_F_SERVER_FIRST = 1 << 0,
	SP_SERVICE_F_SACK	= 1 << 1, /* offered to clients */
	SP_SERVICE_F_TIMESTAMPS	= 1 << 2,
	SP_SERVICE_F_WSCALE	= 1 << 3,
	SP_SERVICE_F_SHARED	= 1 << 4, /* other proxies may know a connection unknown here */
	SP_SERVICE_F_ECN	= 1 << 5, /* agreed to, where a client asks for it */
	SP_SERVICE_F_LISTED	= 1 << 6, /* some sources are refused */
	SP_SERVICE_F_LIMITED	= 1 << 7, /* connections are counted */
	SP_SERVICE_F_REFUSES	= SP_SERVICE_F_LISTED | SP_SERVICE_F_LIMITED,
};

/**
 * struct sp_service - value of map sp_services: options offered to a client before its backend is
 * known
 * @mss:	offered to clients: @mss_max, or less if the backends' MSS is smaller (host order)
 * @mss_max:	the largest MSS assumed of a client
 * @window:	of the SYN-ACK, unscaled (host order)
 * @wscale:	0..SP_WSCALE_MAX, see SP_SERVICE_F_WSCALE
 * @flags:	SP_SERVICE_F_*
 * @limit:	with LISTED or LIMITED
 */
struct sp_service {
	__u16	mss;
	__u16	window;
	__u8	wscale;
	__u8	flags;
	__u16	mss_max;
	struct sp_limit limit;
};
_Static_assert(sizeof(struct sp_service) == 40, "struct sp_service is ABI");

/**
 * struct sp_snat - value of map sp_snats, key struct sp_addr: our ports on a source address. Of
 * other proxies' addresses the map has all ports: packets to other proxies may arrive here.
 * @port_first:	host order
 * @port_last:	host order, inclusive
 */
struct sp_snat {
	__u16	port_first;
	__u16	port_last;
};

/**
 * struct sp_control - the single entry of the mappable array sp_control: written by the daemon,
 * read by the datapath
 * @heartbeat_ns: CLOCK_MONOTONIC_COARSE of the daemon's last sign of life
 * @cookie_key:	SipHash keys: [0] makes cookies, both are accepted
 * @key_count:	1, or 2 during a key rotation
 * @period:	of cookies: CLOCK_REALTIME / SP_COOKIE_PERIOD_NS, the same on every proxy of a
 *		cluster
 * @is_full:	nonzero: refuse SYNs, the table of halves has no room
 * @trace_until_s: until then the daemon gets headers of packets that leave the fast path:
 *		CLOCK_MONOTONIC_COARSE in s, modulo 2^16, not more than SP_TRACE_AHEAD_S from now;
 *		0: no trace
 * @splices:	in the table of halves; counted by the daemon and, for introductions, by the
 *		datapath: atomic
 * @splices_max: limits.splices
 * @introduced:	splices that the datapath has ever added to @splices; no other writer, atomic
 * @real_offset_ns: CLOCK_REALTIME - CLOCK_MONOTONIC_COARSE
 * @seal_key:	of messages, derived from the cluster's keys (src/base/seal.h): @key_count of them
 * @seal_id:	names of these keys in a message (network byte order)
 * @relay:	address for messages of other proxies; port 0: none
 */
struct sp_control {
	__u64	heartbeat_ns;
	__u64	cookie_key[2][2];
	__u32	key_count;
	__u32	period;
	__u16	is_full;
	__u16	trace_until_s;
	__u32	splices;
	__u32	splices_max;
	__u32	introduced;
	__u64	real_offset_ns;
	__u64	seal_key[2][2];
	__be16	seal_id[2];
	struct sp_listen relay;
};
_Static_assert(sizeof(struct sp_control) == 128, "struct sp_control is ABI");

/*
 * A heartbeat older than SP_HEARTBEAT_STALE_NS is stale; the daemon writes every SP_HEARTBEAT_MS.
 */
#define SP_HEARTBEAT_MS		250
#define SP_HEARTBEAT_STALE_NS	1500000000ULL
#define SP_TRACE_AHEAD_S	2

#endif
