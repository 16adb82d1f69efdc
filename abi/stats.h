/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stats.h - counters of the datapath beside reasons. One list makes enum and names. */
#ifndef SP_ABI_STATS_H
#define SP_ABI_STATS_H

#define SP_STATS(X) \
	X(SPLICED_PKTS,	 spliced_pkts,	"packets carried by a half (a superpacket counts once)") \
	X(SPLICED_BYTES, spliced_bytes,	"TCP payload bytes carried by a half") \
	X(ICMP_TRANSLATED, icmp_translated, "ICMP errors translated to the end they are meant for") \
	X(ROUTE_LOOKUPS, route_lookups,	"times that the way out of a half was looked up") \
	X(ACKS_FOREIGN,	 acks_foreign,	"acknowledgement numbers that fit no stream: carried, but not remembered") \
	X(REQUESTS_CARRIED, requests_carried, "requests that stayed with their backend without the daemon") \
	X(RESPONSES_READ, responses_read, "responses whose end was found without the daemon") \
	X(SKIPPED_BYTES, skipped_bytes,	"bytes of responses that began again, dropped as their clients have them") \
	X(AGENT_INTRODUCED, agent_introduced,	"agent: splices that proxies introduced, so that the store need not be asked") \
	X(TAKEN_OVER,	 taken_over,	"connections that a server of this host has got without a handshake of its own") \
	X(OLDER_RESET,	 older_reset,	"older connections on their tuples that had to give way to them")

enum sp_stat {
#define X(up, low, what) SP_STAT_##up,
	SP_STATS(X)
#undef X
	SP_STAT_COUNT
};

#endif
