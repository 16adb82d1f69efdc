/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* age.h - the splices of this machine, one look after the other: which end, and which the store should hear of. */
#ifndef SP_NODE_AGE_H
#define SP_NODE_AGE_H

#include "node/holders.h"
#include "store/store.h"

/**
 * struct sp_ager - see age.c
 * @ended:	where others carry halves, else NULL: what was seen of the ends of a splice (SP_STATE_* of its half up),
 *		which other proxies may not have seen: when one end is quiet behind the other's FIN, and when a closed
 *		splice is removed
 * @expired:	a splice that may be in use is given up, and nobody else carries it: its ends should hear of that. NULL:
 *		they hear from others. @up as in sp_expiry_tell()
 * @is_agent:	until an end is told a client's port can't be used again; and what it was told of may be told again
 * @survivable:	splices that would go on without this machine: live, and lately confirmed by the store
 * @oldest_s: of live splices: when the oldest one was made, as the last whole walk saw it, which began at @oldest_walk_s;
 *		CLOCK_REALTIME. INT64_MAX: there was none; 0: there was no walk yet
 * All else is the ager's own. @holders: of the last walk, and of this one; what is made meanwhile counts in both.
 */
struct sp_ager {
	struct sp_datapath	*dp;
	struct sp_ports		*ports;
	struct sp_store		*store;
	int			is_agent;
	void			(*ended)(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state);
	void			(*expired)(void *ctx, const struct sp_splice *splice, const struct sp_half_state *up,
					   const struct sp_half_state *down);
	void			*ctx;
	unsigned int		survivable;
	__s64			oldest_s, oldest_walk_s;
	__u32			cursor;
	int			is_walking;
	int			is_slow;	/* there is more to refresh than a turn may */
	int			is_short;	/* of ports or room: closed splices go early */
	int			was_short;	/* the same, in this walk */
	unsigned int		budget;		/* of this turn: splices to refresh */
	int			is_asking;	/* others about what seems expired */
	int			is_refused;	/* the store takes no more in this turn */
	unsigned int		counting, counting_survivable;
	struct sp_holders	holders[2];
	__u64			holders_key[2];
	int			holders_idx;	/* of the last walk */
	int			is_short_walk;	/* room was short when this one began */
	int			is_share_known;	/* the same of the last one */
	__u64			changes;	/* sp_count, when the walk began */
	__u64			now_ns, walk_ns, last_walk_ns;
	__s64			now_real_ns, walk_real_s, counting_oldest_s;
	__s64			emptied_s;	/* what was kept up to then may be kept no more; CLOCK_REALTIME */
};

/* All borrowed. */
void sp_ager_init(struct sp_ager *ager, struct sp_datapath *dp, struct sp_ports *ports, struct sp_store *store);

/**
 * sp_ager_turn() - look at the next stretch of the table
 * Removes what is closed or idle and gives its port back; refreshes what has moved packets, and what the store lacks.
 * Return: ms until the next turn.
 */
unsigned int sp_ager_turn(struct sp_ager *ager, const struct sp_limits_conf *limits);

/*
 * Its port is wanted: removes the splice of proxy -> backend @back if it is over, as far as it must be while ports are
 * short (lifetime.h).
 * Return: whether it has.
 */
int sp_ager_reclaim(struct sp_ager *ager, const struct sp_limits_conf *limits, const struct sp_tuple *back);

/*
 * Its port is wanted by @client: a splice that lives gives way if its own client holds at least twice as many, and 16
 * more. Both ends are told. Return: whether it has.
 */
int sp_ager_give_way(struct sp_ager *ager, const struct sp_tuple *back, const struct sp_addr *client);
/* How many live splices this client has, at most. */
__u32 sp_ager_held_by(const struct sp_ager *ager, const struct sp_addr *client);
/* A splice of this client was made. */
void sp_ager_made(struct sp_ager *ager, const struct sp_addr *client);
/* The table is nearly full, and this client holds a quarter of it: what is left is for others. */
int sp_ager_is_greedy(struct sp_ager *ager, const struct sp_addr *client);

/* Events of the store. */
void sp_ager_fetched(struct sp_ager *ager, const struct sp_limits_conf *limits, const struct sp_tuple *front, int err);
void sp_ager_emptied(struct sp_ager *ager);
/* What lies in the store is sealed with a key that goes, or may for @in_flight_ns more. */
void sp_ager_rekeyed(struct sp_ager *ager, __u64 in_flight_ns);
void sp_ager_kept(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn);
/* The splice never came to be. Return: 0; -ENOENT: it is not here. */
int sp_ager_remove(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn);
void sp_ager_outdated(struct sp_ager *ager, const struct sp_tuple *front, __u32 client_isn);

#endif
