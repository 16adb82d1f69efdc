/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proxy.h - the state of a proxy beside its splices. Its files, from top to bottom; each calls only
 * files below its line:
 *
 *	proxy.c			the role: open, close, configure
 *	events*.c		the store's and other members' messages
 *	dispatch*.c		packets
 *	machine.c		the life of connections: the next step, ticks
 *	----
 *	takeover.c miss.c	heads of dead owners; packets of unknown connections
 *	continue.c continue_judge.c align.c	requests of dead backends; parts of responses
 *	head.c back.c reply.c	the phases of a connection: no phase calls another
 *	stash.c deliver.c exchange.c turn.c chunks.c stay.c response*.c
 *	----
 *	commit.c		the splice is claimed in the store
 *	known.c reader.c	splices of the store; who reads requests
 *	progress.c		progress of a response at peers
 *	leg.c parked.c		the back connection of the request before; those of earlier ones
 *	room.c offer.c sync.c home.c	limits; promises to clients; our ports; the home
 *	access.c		the access log
 *	connection.c forward.c		state and buffer of a connection; half in user space
 *	tracing.c		traces of operators
 *	conn.c queue.c partial.c kept.c begun.c synack.c reintroduce.c reused.c	tables
 */
#ifndef SP_PROXY_PROXY_H
#define SP_PROXY_PROXY_H

#include "base/clock.h"
#include "node/local.h"
#include "node/role.h"
#include "node/route_mtu.h"
#include "proxy/conn.h"
#include "proxy/queue.h"
#include "proxy/reintroduce.h"
#include "proxy/reused.h"
#include "proxy/synack.h"

struct sp_access;
struct sp_takeover;
struct sp_partials;
struct sp_parkeds;
struct sp_kepts;

/* sync.c - @is_sweeping: a scan of the store is complete; @next_ns: the next scan begins */
struct sp_sync {
	__u8	is_in_sync;
	__u8	is_scanning;
	__u8	is_sweeping;
	__u64	start_ns;
	__u64	next_ns;
};

/**
 * struct sp_proxy
 * @sent_home:	segments lately sent to the homes of their connections
 * @died_ns:	when another proxy last fell silent
 * @awake_ns:	when this daemon last ran
 * @store_away_until_ns: the store did not answer a commit
 * @held_bytes:	memory behind all buffers, in whole pages
 * @offer_warned_ns: of options that backends lack
 * @parse_budget: bytes left in this tick for repeated parsing
 * @wanting:	the client in need of a port
 * @reclaim_budget: splices left in this tick to be examined for their ports
 * @is_sent_here: a segment from another proxy is handled: it goes to no third one
 * @elsewhere_ns: when a peer last sent a packet here that was for our address
 * @is_queried:	the store has no head of the segments that are handled
 * @is_fetched:	the store was queried for the splice of the segments that are handled
 * @quote_budget: ICMP errors left in this tick to be queried in the store
 */
struct sp_proxy {
	struct sp_node			node;
	struct sp_backends		*backends;
	struct sp_conns			*conns;
	struct sp_queue			*queue;
	struct sp_strays		*sent_home;
	struct sp_synacks		*synacks;
	struct sp_reintroductions	*reintroductions;
	struct sp_takeover		*takeover;
	struct sp_partials		*partials;
	struct sp_parkeds		*parkeds;
	struct sp_kepts			*kepts;
	struct sp_access		*access;
	struct sp_reused		reused;
	__u64				died_ns;
	__u64				elsewhere_ns;
	__u64				awake_ns;
	__u64				store_away_until_ns;
	__u64				held_bytes;
	struct sp_sync			sync;
	struct sp_route_mtus		route_mtus;
	struct sp_degraded		degraded;
	struct sp_local_walk		local;
	__u64				offer_warned_ns;
	__u32				parse_budget;
	const struct sp_addr		*wanting;
	__u32				reclaim_budget;
	__u32				quote_budget;
	__u8				is_sent_here, is_queried, is_fetched;
};

extern const struct sp_role sp_proxy_role;

#endif
