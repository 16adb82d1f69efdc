// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * age.c - the walk over the splices of this machine
 *
 * Theory of operation
 *
 * Each splice has one half from its backend. The walk examines this half, and the half up only
 * where necessary. A splice is
 *
 *	closed		if both ends have sent FIN, or one RST: removed after `closed` (lifetime.h);
 *			the store forgets the splice, other nodes are told of the end
 *	expired		if not closed, but quiet for too long. Both ends get an RST, the rest is the
 *			same. With a shared store, the store is queried first: if the splice is
 *			found, another proxy may carry it, and the splice is only removed here.
 *			An agent leaves the RST to proxies
 *	lost		if an end leaves keepalive probes unanswered (age_keepalive.c): as expired
 *	moving		refreshed, if the store has confirmed nothing for a quarter of the TTL
 *	unprotected	if made while the store was out of reach: stored as soon as the store
 *			answers
 *	emptied		if a server has lost records, or the daemon has just started and can't know:
 *			each splice is refreshed once
 *	rekeyed		if the record is sealed with an old key: same as emptied
 *	ended		if FIN or RST was seen, then silence: other nodes are told, once. Further
 *			packets may have passed elsewhere, and the client's next connection from
 *			the same port may reach a node that saw no FIN or RST
 *	outdated	if the answer to a refresh says so: removed; the next packet fetches the
 *			right splice
 */
#include "node/age.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "node/age_internal.h"

/*
 * A turn may delay packets for a moment: 0.4 us for each examined entry, 8 us for each removed or
 * refreshed splice, and 3 ms for an empty table of the default size. So turns are short, and the
 * pause between two walks is short against the lifetime of an entry.
 */
#define STRETCH		1024	/* entries examined in one turn of the loop */
#define STRETCH_SLOW	256
#define REFRESHES_PER_TURN 256	/* as many as STRETCH_SLOW: a slow walk refreshes every splice */
#define TURN_MS		10
#define PAUSE_MIN_MS	100
#define PAUSE_MAX_MS	5000
#define PAUSE_SHARED_MS	1000	/* other nodes wait for the ends found by a walk */
/* a pause lasts at least so many walks: a large table is not walked all the time */
#define PAUSE_WALKS	2

static struct sp_tuple keys[STRETCH];
static struct sp_entry entries[STRETCH];

/* A trap older than a daemon's longest waits: its daemon is gone, or would have removed it. */
static void age_trap(struct sp_ager *a, const struct sp_limits_conf *limits,
		     const struct sp_tuple *key, const struct sp_entry *e)
{
	__u64 most_ns = limits->head_ns + limits->connect_ns + limits->closed_ns;

	if (sp_ager_quiet_ns(a, e->state.seen_ns) >= most_ns)
		sp_datapath_del(a->dp, key);
}

static void age_splice(struct sp_ager *a, const struct sp_limits_conf *limits,
		       const struct sp_tuple *key, const struct sp_entry *e)
{
	struct sp_view v = { .down_key = key, .down = e };

	a->counted++;
	a->counted_live += !!sp_entry_is_live(e);
	if (sp_entry_is_live(e) && e->half.spliced_s < a->counted_oldest_s)
		a->counted_oldest_s = e->half.spliced_s;
	if (sp_entry_is_live(e) && a->expired)
		sp_ager_count_holder(a, &e->half.out.daddr);
	if (sp_ager_check_over(a, limits, &v))
		return;
	if (a->met)
		a->met(a->ctx, key, e);
	sp_ager_check_quiet(a, &v);
	sp_ager_check_ends(a, &v);
	if (sp_ager_is_shared(a) && sp_entry_is_live(e))
		sp_ager_check_refreshed(a, &v);
}

static void age_entry(struct sp_ager *a, const struct sp_limits_conf *limits,
		      const struct sp_tuple *key, const struct sp_entry *e)
{
	if (e->half.flags & SP_HALF_F_FROM_BACKEND)
		age_splice(a, limits, key, e);
	else if (e->half.flags & SP_HALF_F_TO_DAEMON)
		age_trap(a, limits, key, e);
}

/* The count is exact if only this daemon writes to the table; an undisturbed walk corrects it. */
static void check_count(struct sp_ager *a)
{
	const struct sp_count *count = sp_datapath_count(a->dp);

	if (a->changes != count->changes || a->counted == count->splices)
		return;
	log_warn("the count of splices was %u, but %u are in the table: corrected", count->splices,
		 a->counted);
	sp_datapath_counted(a->dp, a->counted);
}

static __u64 pause_most_ms(const struct sp_ager *a)
{
	__u64 ms = sp_ager_is_shared(a) || a->ended ? PAUSE_SHARED_MS : PAUSE_MAX_MS;
	__u64 walks_ms = PAUSE_WALKS * (a->now_ns - a->walk_ns) / 1000000;

	if (a->pause_max_ms)
		ms = a->pause_max_ms;
	return walks_ms > ms ? walks_ms : ms;
}

static unsigned int pause_ms(const struct sp_ager *a, const struct sp_limits_conf *limits)
{
	__u64 least_ns = limits->closed_ns < limits->idle_ns ? limits->closed_ns : limits->idle_ns;
	__u64 ms = least_ns / 8 / 1000000, most = pause_most_ms(a);

	return a->is_short || ms < PAUSE_MIN_MS ? PAUSE_MIN_MS : ms > most ? most : ms;
}

static void begin_walk(struct sp_ager *a)
{
	a->counted = 0;
	a->counted_live = 0;
	a->counted_survivable = 0;
	a->changes = sp_datapath_count(a->dp)->changes;
	a->last_walk_ns = a->walk_ns;
	a->walk_ns = a->now_ns;
	sp_ager_note_walk(a);
	a->walk_real_s = a->now_real_ns / 1000000000;
	a->counted_oldest_s = INT64_MAX;
	a->is_querying = 0;
	a->is_short_walk = a->is_short;
	sp_holders_clear(&a->holders[!a->holders_idx]);
	a->is_slow = a->was_short;
	a->was_short = 0;
}

static void end_walk(struct sp_ager *a)
{
	if (a->walk_ends)
		a->walk_ends(a->ctx, a->changes == sp_datapath_count(a->dp)->changes);
	check_count(a);
	a->live = a->counted_live;
	a->survivable = a->counted_survivable;
	a->oldest_s = a->counted_oldest_s;
	a->oldest_walk_s = a->walk_real_s;
	a->holders_idx = !a->holders_idx;
	a->is_share_known = a->is_short_walk;
}

unsigned int sp_ager_turn(struct sp_ager *a, const struct sp_limits_conf *limits)
{
	int is_end, n;

	sp_ager_read_clocks(a);
	a->is_short = sp_ager_is_nearly_full(a);
	if (!a->is_walking)
		begin_walk(a);
	a->budget = REFRESHES_PER_TURN;
	a->is_refused = 0;
	n = sp_datapath_walk(a->dp, &a->cursor, !a->is_walking, keys, entries,
			     a->is_slow ? STRETCH_SLOW : STRETCH, &is_end);
	a->is_walking = n >= 0 && !is_end;
	for (int i = 0; i < n; i++)
		age_entry(a, limits, &keys[i], &entries[i]);
	if (n >= 0 && is_end)
		end_walk(a);
	return a->is_walking ? TURN_MS : pause_ms(a, limits);
}

void sp_ager_init(struct sp_ager *a, struct sp_datapath *dp, struct sp_ports *ports,
		  struct sp_store *store)
{
	a->dp = dp;
	a->ports = ports;
	a->store = store;
	sp_ager_emptied(a);	/* the store may be empty: a new daemon can't know */
	if (getrandom(a->holders_key, sizeof(a->holders_key), 0) != sizeof(a->holders_key))
		log_warn("no random bytes: a client may choose ports so that its many splices count as others'");
}
