// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * age.c - the splices of this machine, one look after the other
 *
 * Every splice has one half from its backend; a walk over the table looks at
 * that one, and at the other only where it must.
 *
 *	closed		removed when quiet for long enough (lifetime.h); the store forgets it, the others are told
 *	expired		not closed, and quiet for too long. Its ends are told by RST; then all is as with a closed one.
 *			With a shared store only when that has let it go, and says so: else another proxy may carry it,
 *			and it is only removed here. An agent leaves the ends to proxies
 *	moved		refreshed when the store has heard nothing for a quarter of its TTL
 *	unprotected	was made while the store was out of reach: put there as soon as it answers
 *	emptied		a server has lost what it had, or we have only begun and don't know: each is refreshed once
 *	rekeyed		its record is sealed with a key that goes: as emptied
 *	ended		FIN or RST, then silence: the others are told, once. The other end's may have passed there, or
 *			nothing of this, and the client's next connection from its port may come to them
 *
 * A splice counts as kept when a majority of its servers has said so, and from
 * that moment. What the answer to a refresh calls outdated is removed: the next
 * packet fetches what is right.
 */
#include "node/age.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/lifetime.h"

/*
 * A turn of ageing may keep the loop from packets for a moment: 0.4 us for each
 * entry that it looks at, 8 us for each splice that it removes or refreshes, and
 * 3 ms to get through an empty table of the default size. So short turns, and a
 * pause between two walks that is short against the time that an entry has.
 */
#define STRETCH		1024	/* entries looked at in one turn of the loop */
#define STRETCH_SLOW	256
#define KEEPS_PER_TURN	256	/* so none is passed over in a slow walk */
#define TURN_MS		10
#define PAUSE_MIN_MS	100
#define PAUSE_MAX_MS	5000
#define PAUSE_SHARED_MS	1000	/* others wait for what is found */
#define PAUSE_HASTY_MS	200	/* ports of clients, too */
#define PAUSE_WALKS	2	/* as long as so many walks: a large table is looked at less often, not all the time */

#define EMPTIED_NS	60000000000ULL	/* until then all that lives is put back; or for `idle`, if that is less */
#define KEEP_MAX_S	600	/* between two refreshes of what moves */
#define QUIET_NS	1000000000ULL
#define QUIET_SPLIT_NS	100000000ULL	/* no proxy will ever see the server's FIN */

#define ROOM_LEFT	8	/* the table is nearly full when one of so many parts is free */
#define SHARE		4	/* one of so many is the most that a client may hold then */
#define HOLDS_MORE	16

static struct sp_tuple keys[STRETCH];
static struct sp_entry entries[STRETCH];

/* A look at a splice. @up is only valid where @has_up says so: the client's port may have a newer splice. */
struct look {
	const struct sp_tuple	*down_key;
	const struct sp_entry	*down;
	struct sp_entry		up;
	int			has_up;
};

static struct sp_tuple front_of(const struct look *look)
{
	return sp_tuple_reverse(&look->down->half.out);
}

static void find_up(struct sp_ager *a, struct look *look)
{
	struct sp_tuple back = sp_tuple_reverse(look->down_key), front = front_of(look);

	look->has_up = !sp_datapath_get(a->dp, &front, &look->up) &&
		       !memcmp(&look->up.half.out, &back, sizeof(back));
}

static struct sp_splice splice_of(const struct look *look)
{
	return (struct sp_splice){ .front = front_of(look), .client_isn = look->down->meta.client_isn,
				   .up = look->up.half, .down = look->down->half };
}

static int is_shared(const struct sp_ager *a)
{
	return sp_store_is_shared(a->store);
}

static void read_clocks(struct sp_ager *a)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	a->now_real_ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	a->now_ns = sp_now_ns();
}

/* One that is idle here may go on through other proxies. */
static void give_port(struct sp_ports *ports, const struct sp_tuple *back, int is_over)
{
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	if (is_over)
		sp_port_free(ports, &to, &from);
	else
		sp_port_release(ports, &to, &from);
}

static __u64 quiet_ns(const struct sp_ager *a, __u64 seen_ns)
{
	return a->now_ns > seen_ns ? a->now_ns - seen_ns : 0;
}

static __u64 last_seen_ns(const struct look *look)
{
	__u64 down_ns = look->down->state.seen_ns, up_ns = look->up.state.seen_ns;

	return look->has_up && up_ns > down_ns ? up_ns : down_ns;
}

/* ---- what ends ---- */

static __u8 ends_of(const struct look *look)
{
	__u8 state = sp_ends_mirrored(look->down->state.flags);

	return look->has_up ? state | (look->up.state.flags & SP_STATE_ENDS) : state;
}

static void tell_ends(struct sp_ager *a, const struct look *look)
{
	struct sp_tuple front = front_of(look);

	if (a->ended)
		a->ended(a->ctx, &front, look->down->meta.client_isn, ends_of(look));
}

/* @is_over: nobody carries it any more, and nobody else should */
static void remove_splice(struct sp_ager *a, struct look *look, int is_over)
{
	struct sp_tuple back = sp_tuple_reverse(look->down_key);
	struct sp_splice splice = splice_of(look);

	/* where a newer splice has taken the client's half's place, its pointer is left in the store: that goes */
	if (!look->has_up)
		splice.up = (struct sp_half){ .out = back };
	if (is_over && is_shared(a)) {
		sp_store_forget(a->store, &splice);
		tell_ends(a, look);
	}
	if (look->has_up)
		sp_datapath_del(a->dp, &splice.front);
	sp_datapath_del(a->dp, look->down_key);
	give_port(a->ports, &back, is_over);
}

/* It is not closed: its ends hear of it, and so do the others, as if both had been reset. */
static void expire(struct sp_ager *a, struct look *look)
{
	const struct sp_entry *before = look->down;
	struct sp_entry down = *before;
	struct sp_splice splice = splice_of(look);

	if (!look->has_up)
		splice.up = sp_half_turn(&splice.down, look->down_key, 0);
	a->expired(a->ctx, &splice, look->has_up ? &look->up.state : NULL, &down.state);
	down.state.flags |= SP_STATE_RST | SP_STATE_PEER_RST;
	look->down = &down;
	remove_splice(a, look, 1);
	look->down = before;
}

/* Whether the store may still have it from us: if it has it afterwards, another proxy has refreshed it. */
static int may_be_kept(const struct sp_ager *a, const struct sp_entry *e)
{
	return is_shared(a) && e->meta.refreshed_s && !sp_state_is_closed(&e->state) &&
	       a->now_real_ns < (e->meta.refreshed_s + 1LL) * 1000000000LL + (__s64)a->store->ttl_ns;
}

static struct sp_lifetime lifetime_of(const struct sp_ager *a, const struct look *look)
{
	return (struct sp_lifetime){
		.up = look->has_up ? &look->up.state : NULL, .down = &look->down->state, .is_shared = is_shared(a),
		.is_split = !!(look->down->half.flags & SP_HALF_F_SPLIT), .is_agent = a->is_agent,
		.is_short = a->is_short,
	};
}

/*
 * By the half down alone, as far as that tells: of one that is only quiet, the other half is looked at each time that
 * the shorter time has passed once more.
 */
static int may_be_over(const struct sp_ager *a, const struct sp_limits_conf *limits, const struct look *look)
{
	const struct sp_lifetime l = lifetime_of(a, look);
	__u64 least_ns = sp_lifetime_least_ns(limits, &l) ?: 1, seen_ns = look->down->state.seen_ns;
	__u64 quiet = quiet_ns(a, seen_ns), before = a->last_walk_ns > seen_ns ? a->last_walk_ns - seen_ns : 0;

	if (quiet < least_ns)
		return 0;
	return look->down->state.flags & SP_STATE_ENDS || quiet >= limits->idle_ns ||
	       quiet / least_ns > before / least_ns;
}

static int is_over(struct sp_ager *a, const struct sp_limits_conf *limits, struct look *look)
{
	struct sp_lifetime l;

	find_up(a, look);
	l = lifetime_of(a, look);
	return quiet_ns(a, last_seen_ns(look)) >= sp_lifetime_ns(limits, &l);
}

/* Whether another proxy has kept it alive: sp_ager_fetched() hears. */
static int ask_others(struct sp_ager *a, const struct look *look)
{
	struct sp_tuple front = front_of(look);

	if (!is_shared(a) || !a->expired || !look->has_up)
		return 0;
	if (a->budget) {
		a->budget--;
		a->is_asking = 1;
		sp_store_fetch(a->store, &front);
	}
	return 1;
}

/* Return: whether the splice is gone. */
static int end_if_over(struct sp_ager *a, const struct sp_limits_conf *limits, struct look *look)
{
	if (may_be_kept(a, look->down) || !is_over(a, limits, look))
		return 0;
	if (sp_state_is_closed(&look->down->state))
		remove_splice(a, look, 1);
	else if (ask_others(a, look))
		return 0;
	else if (a->expired && !is_shared(a))
		expire(a, look);
	else
		remove_splice(a, look, 0);
	return 1;
}

int sp_ager_reclaim(struct sp_ager *a, const struct sp_limits_conf *limits, const struct sp_tuple *back)
{
	struct sp_tuple key = sp_tuple_reverse(back);
	struct look look = { .down_key = &key };
	struct sp_entry e;

	if (sp_datapath_get(a->dp, &key, &e) || !(e.half.flags & SP_HALF_F_FROM_BACKEND))
		return 0;
	look.down = &e;
	read_clocks(a);
	a->is_short = 1;
	return end_if_over(a, limits, &look);
}

/* ---- who holds how much ---- */

static struct sp_addr *client_of(struct sp_entry *down)
{
	return &down->half.out.daddr;
}

__u32 sp_ager_held_by(const struct sp_ager *a, const struct sp_addr *client)
{
	return sp_holders_count(&a->holders[a->holders_idx], a->holders_key, client);
}

void sp_ager_made(struct sp_ager *a, const struct sp_addr *client)
{
	for (int i = 0; i < 2; i++)
		sp_holders_add(&a->holders[i], a->holders_key, client);
}

int sp_ager_give_way(struct sp_ager *a, const struct sp_tuple *back, const struct sp_addr *client)
{
	struct sp_tuple key = sp_tuple_reverse(back);
	struct look look = { .down_key = &key };
	struct sp_entry e;

	if (!a->expired || sp_datapath_get(a->dp, &key, &e) || !(e.half.flags & SP_HALF_F_FROM_BACKEND) ||
	    !sp_entry_is_live(&e) || sp_ager_held_by(a, client_of(&e)) < 2 * sp_ager_held_by(a, client) + HOLDS_MORE)
		return 0;
	look.down = &e;
	find_up(a, &look);
	expire(a, &look);
	return 1;
}

/* The daemon that held it is gone, else it would have removed it: these are the longest times that it waits. */
static void age_mark(struct sp_ager *a, const struct sp_limits_conf *limits, const struct sp_tuple *key,
		     const struct sp_entry *e)
{
	if (quiet_ns(a, e->state.seen_ns) >= limits->head_ns + limits->connect_ns + limits->closed_ns)
		sp_datapath_del(a->dp, key);
}

/* ---- what others should know ---- */

/*
 * It had not been quiet for long enough when the last walk began, so this is found once. There are many closed ones: of
 * those the half down is enough, and an agent says nothing, as some proxy has seen one of the ends.
 */
static void check_ends(struct sp_ager *a, struct look *look)
{
	const struct sp_half_state *down = &look->down->state;
	__u64 quiet_at_ns;

	if (!a->ended || !(down->flags & SP_STATE_ENDS) || (a->is_agent && sp_state_is_closed(down)))
		return;
	if (!sp_state_is_closed(down))
		find_up(a, look);
	quiet_at_ns = last_seen_ns(look) + (look->down->half.flags & SP_HALF_F_SPLIT ? QUIET_SPLIT_NS : QUIET_NS);
	if (quiet_at_ns <= a->walk_ns && quiet_at_ns > a->last_walk_ns)
		tell_ends(a, look);
}

static int is_surely_kept(const struct sp_ager *a, const struct sp_meta *tag)
{
	/* one from the future is from before a change of the clock */
	return tag->refreshed_s && tag->refreshed_s > a->emptied_s && tag->refreshed_s <= a->now_real_ns / 1000000000 + 1;
}

static __s64 keep_after_ns(const struct sp_ager *a)
{
	__s64 ns = a->store->ttl_ns / 4;

	return ns < KEEP_MAX_S * 1000000000LL ? ns : KEEP_MAX_S * 1000000000LL;
}

static int has_moved(const struct sp_ager *a, const struct look *look)
{
	__s64 seen_real_ns = a->now_real_ns - (__s64)quiet_ns(a, last_seen_ns(look));

	return seen_real_ns / 1000000000 >= look->down->meta.refreshed_s;
}

static void refresh(struct sp_ager *a, const struct look *look)
{
	struct sp_splice splice = splice_of(look);

	if (a->is_refused)
		return;
	if (!a->budget) {
		a->is_slow = a->was_short = 1;
		return;
	}
	a->budget--;
	a->is_refused = !!sp_store_refresh(a->store, &splice);
}

static void check_kept(struct sp_ager *a, struct look *look)
{
	const struct sp_meta *tag = &look->down->meta;
	__s64 kept_ns = a->now_real_ns - tag->refreshed_s * 1000000000LL;
	int is_kept = is_surely_kept(a, tag);

	a->counting_survivable += is_kept && kept_ns < (__s64)a->store->ttl_ns;
	if (is_kept && kept_ns < keep_after_ns(a))
		return;
	find_up(a, look);
	if (look->has_up && (!is_kept || has_moved(a, look)))
		refresh(a, look);
}

static void look_at(struct sp_ager *a, const struct sp_limits_conf *limits, const struct sp_tuple *key,
		    const struct sp_entry *e)
{
	struct look look = { .down_key = key, .down = e };

	if (!(e->half.flags & SP_HALF_F_FROM_BACKEND)) {
		if (e->half.flags & SP_HALF_F_TO_DAEMON)
			age_mark(a, limits, key, e);
		return;
	}
	a->counting++;
	if (sp_entry_is_live(e) && e->half.spliced_s < a->counting_oldest_s)
		a->counting_oldest_s = e->half.spliced_s;
	if (sp_entry_is_live(e) && !a->is_agent)
		sp_holders_add(&a->holders[!a->holders_idx], a->holders_key, &e->half.out.daddr);
	if (may_be_over(a, limits, &look) && end_if_over(a, limits, &look))
		return;
	check_ends(a, &look);
	if (is_shared(a) && sp_entry_is_live(e))
		check_kept(a, &look);
}

/* ---- the walk ---- */

/* The count is exact as long as nobody else writes to the table; if one did, an undisturbed walk tells. */
static void check_count(struct sp_ager *a)
{
	const struct sp_count *count = sp_datapath_count(a->dp);

	if (a->changes != count->changes || a->counting == count->splices)
		return;
	log_warn("%u splices were counted, %u are in the table: that is right from now on", count->splices,
		 a->counting);
	sp_datapath_counted(a->dp, a->counting);
}

static int is_nearly_full(struct sp_ager *a)
{
	const struct sp_count *count = sp_datapath_count(a->dp);

	return count->splices > count->max - count->max / ROOM_LEFT;
}

int sp_ager_is_greedy(struct sp_ager *a, const struct sp_addr *client)
{
	return a->is_share_known && is_nearly_full(a) &&
	       sp_ager_held_by(a, client) >= sp_datapath_count(a->dp)->max / SHARE;
}

static __u64 most_ms(const struct sp_ager *a)
{
	__u64 ms = is_shared(a) || a->ended ? PAUSE_SHARED_MS : PAUSE_MAX_MS;
	__u64 walks_ms = PAUSE_WALKS * (a->now_ns - a->walk_ns) / 1000000;

	if (a->is_agent)
		ms = PAUSE_HASTY_MS;
	return walks_ms > ms ? walks_ms : ms;
}

static unsigned int pause_ms(const struct sp_ager *a, const struct sp_limits_conf *limits)
{
	__u64 least_ns = limits->closed_ns < limits->idle_ns ? limits->closed_ns : limits->idle_ns;
	__u64 ms = least_ns / 8 / 1000000, most = most_ms(a);

	return a->is_short || ms < PAUSE_MIN_MS ? PAUSE_MIN_MS : ms > most ? most : ms;
}

static void begin_walk(struct sp_ager *a)
{
	a->counting = 0;
	a->counting_survivable = 0;
	a->changes = sp_datapath_count(a->dp)->changes;
	a->last_walk_ns = a->walk_ns;
	a->walk_ns = a->now_ns;
	a->walk_real_s = a->now_real_ns / 1000000000;
	a->counting_oldest_s = INT64_MAX;
	a->is_asking = 0;
	a->is_short_walk = a->is_short;
	sp_holders_clear(&a->holders[!a->holders_idx]);
	a->is_slow = a->was_short;
	a->was_short = 0;
}

static void end_walk(struct sp_ager *a)
{
	check_count(a);
	a->survivable = a->counting_survivable;
	a->oldest_s = a->counting_oldest_s;
	a->oldest_walk_s = a->walk_real_s;
	a->holders_idx = !a->holders_idx;
	a->is_share_known = a->is_short_walk;
}

unsigned int sp_ager_turn(struct sp_ager *a, const struct sp_limits_conf *limits)
{
	int is_end, n;

	read_clocks(a);
	a->is_short = is_nearly_full(a);
	if (!a->is_walking)
		begin_walk(a);
	a->budget = KEEPS_PER_TURN;
	a->is_refused = 0;
	n = sp_datapath_walk(a->dp, &a->cursor, !a->is_walking, keys, entries, a->is_slow ? STRETCH_SLOW : STRETCH,
			     &is_end);
	a->is_walking = n >= 0 && !is_end;
	for (int i = 0; i < n; i++)
		look_at(a, limits, &keys[i], &entries[i]);
	if (n >= 0 && is_end)
		end_walk(a);
	return a->is_walking ? TURN_MS : pause_ms(a, limits);
}

/* ---- what the store says ---- */

static int is_just_emptied(const struct sp_ager *a, const struct sp_limits_conf *limits)
{
	__u64 ns = limits->idle_ns < EMPTIED_NS ? limits->idle_ns : EMPTIED_NS;

	return a->now_real_ns <= a->emptied_s * 1000000000LL + (__s64)ns;
}

/*
 * Of one that seems expired. A server that was emptied may not have it back yet: then the next walk asks again.
 */
void sp_ager_fetched(struct sp_ager *a, const struct sp_limits_conf *limits, const struct sp_tuple *front, int err)
{
	struct sp_entry up, down;
	struct sp_tuple down_key;
	struct look look = { .down_key = &down_key, .down = &down };

	if (!a->is_asking || (err && err != -ENOENT) || sp_datapath_get(a->dp, front, &up))
		return;
	down_key = sp_tuple_reverse(&up.half.out);
	if (up.half.flags & (SP_HALF_F_TO_DAEMON | SP_HALF_F_FROM_BACKEND) || sp_datapath_get(a->dp, &down_key, &down))
		return;
	read_clocks(a);
	if (sp_state_is_closed(&down.state) || may_be_kept(a, &down) || !is_over(a, limits, &look) || !look.has_up)
		return;
	if (!err)
		remove_splice(a, &look, 0);
	else if (!is_just_emptied(a, limits))
		expire(a, &look);
}

void sp_ager_emptied(struct sp_ager *a)
{
	a->emptied_s = time(NULL);
}

void sp_ager_rekeyed(struct sp_ager *a, __u64 in_flight_ns)
{
	a->emptied_s = time(NULL) + in_flight_ns / 1000000000 + 1;
}

void sp_ager_kept(struct sp_ager *a, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_patch note = { .front = *front, .client_isn = client_isn, .refreshed_s = time(NULL) };
	int err = sp_datapath_patch(a->dp, &note);

	if (err && err != -ENOENT)
		log_warn_limited("can't note that a splice is kept: %s", strerror(-err));
}

/* A server may have had nothing, and taken ours: it is forgotten there, so that nobody finds it. */
static void forget_outdated(struct sp_ager *a, const struct sp_tuple *front, const struct sp_tuple *down_key,
			    const struct sp_entry *up)
{
	struct sp_splice splice = { .front = *front, .client_isn = up->meta.client_isn, .up = up->half };
	struct sp_entry down;

	if (sp_datapath_get(a->dp, down_key, &down))
		return;
	splice.down = down.half;
	if (is_shared(a))
		sp_store_forget(a->store, &splice);
}

int sp_ager_remove(struct sp_ager *a, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_tuple down_key;
	struct sp_entry up;

	if (sp_datapath_get(a->dp, front, &up) || up.half.flags & SP_HALF_F_TO_DAEMON ||
	    up.meta.client_isn != client_isn)
		return -ENOENT;
	down_key = sp_tuple_reverse(&up.half.out);
	forget_outdated(a, front, &down_key, &up);
	sp_datapath_del(a->dp, front);
	sp_datapath_del(a->dp, &down_key);
	give_port(a->ports, &up.half.out, 1);
	return 0;
}

void sp_ager_outdated(struct sp_ager *a, const struct sp_tuple *front, __u32 client_isn)
{
	if (!sp_ager_remove(a, front, client_isn))
		log_warn_limited("a splice of ours is outdated, says the store: removed");
}

void sp_ager_init(struct sp_ager *a, struct sp_datapath *dp, struct sp_ports *ports, struct sp_store *store)
{
	a->dp = dp;
	a->ports = ports;
	a->store = store;
	sp_ager_emptied(a);	/* for all we know */
	if (getrandom(a->holders_key, sizeof(a->holders_key), 0) != sizeof(a->holders_key))
		log_warn("no random bytes: who holds many splices may hide behind others");
}
