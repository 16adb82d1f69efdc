/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * age.h - the ager: walks over the splices of this machine, ends splices that are over, refreshes
 * the rest in the store.
 *
 * Context: event loop, nothing blocks. A call that fails is counted or logged by the ager itself.
 */
#ifndef SP_NODE_AGE_H
#define SP_NODE_AGE_H

#include "node/holders.h"
#include "store/store.h"

/**
 * struct sp_ager - theory of operation in age.c
 * @is_agent:	this machine carries only halves from backends (lifetime.h)
 * @config:	time-outs of services (timeouts.h); NULL: none
 * @pause_max_ms: longest pause between two walks; 0: the ager's default
 * @ended:	report SP_STATE_* of the half up, which other proxies may not have seen: once when
 *		one end is quiet after the other's FIN, and once when a closed splice is removed.
 *		NULL if no other node carries halves
 * @expired:	reset both ends of a splice that may still be in use, because no node carries the
 *		splice any more; @up as in sp_expiry_tell(). NULL if other nodes reset them; then no
 *		splice gives way either
 * @probe:	send a keepalive probe by the half @to; NULL: no keepalive
 * @met, @walk_ends: a splice that stays is met; the walk ends, @is_exact if the table has not
 *		changed meanwhile. NULL: not told
 * @gone:	a splice is removed; @up: NULL: not known. NULL: not told
 * @live:	splices that are not closed, by the last whole walk
 * @keepalive_probes, @keepalive_clients_lost, @keepalive_backends_lost: counts since the start
 * @watched_ns:	walks go on without a gap since then; 0: since the next
 * @survivable:	live splices that another proxy could continue: lately confirmed by the store
 * @oldest_s:	when the oldest live splice was made, by the last whole walk, which began at
 *		@oldest_walk_s; CLOCK_REALTIME. INT64_MAX: no splice; 0: no walk yet
 * @is_slow:	a turn refreshes fewer splices than needed, so turns examine fewer entries
 * @is_short:	ports or room run short, so closed splices go early
 * @was_short:	this walk left splices to the next walk
 * @budget:	splices that this turn may still refresh or query
 * @is_querying: this walk has queried the store about splices that seem expired
 * @is_refused:	the store takes no more refreshes in this turn
 * @holders:	of the last walk (@holders_idx) and of this walk; a splice made meanwhile counts in
 *		both
 * @is_short_walk, @is_share_known: room was short when this walk began, and the last walk
 * @changes:	of sp_count, when the walk began
 * @emptied_s:	the store may have lost confirmations up to this time; CLOCK_REALTIME
 *
 * The caller sets @is_agent, @config, @pause_max_ms, @ended, @expired, @met, @walk_ends, @gone and @ctx after sp_ager_init(), and may
 * read @live, @survivable, @oldest_s and @oldest_walk_s. All other members are private.
 */
struct sp_ager {
	struct sp_datapath	*dp;
	struct sp_ports		*ports;
	struct sp_store		*store;
	int			is_agent;
	unsigned int		pause_max_ms;
	const struct sp_config	*config;
	void			(*ended)(void *ctx, const struct sp_tuple *front, __u32 client_isn,
					 __u8 state);
	void			(*expired)(void *ctx, const struct sp_splice *splice,
					   const struct sp_half_state *up,
					   const struct sp_half_state *down);
	void			(*probe)(void *ctx, const struct sp_entry *to, __u32 seq,
					 __u32 ack);
	void			(*met)(void *ctx, const struct sp_tuple *down_key,
				       const struct sp_entry *down);
	void			(*gone)(void *ctx, const struct sp_tuple *down_key,
					const struct sp_entry *down, const struct sp_entry *up);
	void			(*walk_ends)(void *ctx, int is_exact);
	void			*ctx;
	unsigned int		live, survivable;
	__u64			keepalive_probes, keepalive_clients_lost, keepalive_backends_lost;
	__u64			watched_ns;
	__s64			oldest_s, oldest_walk_s;
	__u32			cursor;
	int			is_walking;
	int			is_slow;
	int			is_short;
	int			was_short;
	unsigned int		budget;
	int			is_querying;
	int			is_refused;
	unsigned int		counted, counted_live, counted_survivable;
	struct sp_holders	holders[2];
	__u64			holders_key[2];
	int			holders_idx;
	int			is_short_walk;
	int			is_share_known;
	__u64			changes;
	__u64			now_ns, walk_ns, last_walk_ns;
	__s64			now_real_ns, walk_real_s, counted_oldest_s;
	__s64			emptied_s;
};

/* @ager is zeroed; other arguments are borrowed. */
void sp_ager_init(struct sp_ager *ager, struct sp_datapath *dp, struct sp_ports *ports,
		  struct sp_store *store);

/* Keepalive of services may have changed: ends are lost by silence from now on alone. */
void sp_ager_watch(struct sp_ager *ager);
/* Look at the next stretch of the table. Return: ms until the next turn. */
unsigned int sp_ager_turn(struct sp_ager *ager, const struct sp_limits_conf *limits);

/*
 * Remove the splice of proxy -> backend @back, in need of its port, if the short lifetimes
 * (lifetime.h) are over. Return: whether the splice was removed.
 */
int sp_ager_reclaim(struct sp_ager *ager, const struct sp_limits_conf *limits,
		    const struct sp_tuple *back);

/*
 * Reset the live splice of @back for @client, which wants its port, if the client of that splice
 * holds at least twice as many splices as @client, and 16 more. Return: whether the splice was
 * removed.
 */
int sp_ager_give_way(struct sp_ager *ager, const struct sp_tuple *back,
		     const struct sp_addr *client);
/* Reset the live splice of @down_key, a half from a backend. Return: whether it was removed. */
int sp_ager_break(struct sp_ager *ager, const struct sp_tuple *down_key);
/* Return: an upper bound of the live splices of @client. */
__u32 sp_ager_held_by(const struct sp_ager *ager, const struct sp_addr *client);
/* A splice of @client was made. */
void sp_ager_made(struct sp_ager *ager, const struct sp_addr *client);
/* Return: whether the table is nearly full, and @client holds a quarter. */
int sp_ager_is_greedy(struct sp_ager *ager, const struct sp_addr *client);

/* The splice is a tunnel now: the store hears at once, for the heirs of this proxy. */
void sp_ager_refresh(struct sp_ager *ager, const struct sp_tuple *front);
/* Events of the store. @err: of a fetch. */
void sp_ager_fetched(struct sp_ager *ager, const struct sp_limits_conf *limits,
		     const struct sp_tuple *front, int err);
void sp_ager_emptied(struct sp_ager *ager);
/* @version: another version of the splice is left alone. */
void sp_ager_refreshed(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn,
		       __u32 version);
void sp_ager_outdated(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn,
		      __u32 version);
/*
 * Records in the store are sealed with an old key; for @in_flight_ns, confirmations may be of old
 * records.
 */
void sp_ager_rekeyed(struct sp_ager *ager, __u64 in_flight_ns);
/* Remove an unusable splice. Return: 0; -ENOENT: not in the table. */
int sp_ager_remove(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn);

#endif
