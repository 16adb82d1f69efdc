// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * age_send.c - ends of splices for other nodes, refreshes for the store
 *
 * A refresh counts when a majority of the record's servers has confirmed it, from that moment on.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "node/age_internal.h"

#define REFRESH_MAX_S	600	/* between two refreshes of a moving splice */
#define QUIET_NS	1000000000ULL
#define QUIET_SPLIT_NS	100000000ULL	/* no proxy will ever see the server's FIN */

static __u8 find_ends(const struct sp_view *v)
{
	__u8 state = sp_ends_mirrored(v->down->state.flags);

	return v->has_up ? state | (v->up.state.flags & SP_STATE_ENDS) : state;
}

void sp_ager_send_ends(struct sp_ager *a, const struct sp_view *v)
{
	struct sp_tuple front = sp_view_front(v);

	if (a->ended && !sp_view_is_left(a, v))
		a->ended(a->ctx, &front, v->down->meta.client_isn, find_ends(v));
}

/*
 * The silence was too short when the last walk began, so each end is sent once. Closed splices are
 * many: the half down suffices. An agent sends no ends of closed splices, because a proxy has seen
 * an end.
 */
void sp_ager_check_ends(struct sp_ager *a, struct sp_view *v)
{
	const struct sp_half_state *down = &v->down->state;
	__u64 quiet_at_ns;

	if (!a->ended || !(down->flags & SP_STATE_ENDS) ||
	    (a->is_agent && sp_state_is_closed(down)))
		return;
	if (!sp_state_is_closed(down))
		sp_view_find_up(a, v);
	quiet_at_ns = sp_view_seen_ns(v);
	quiet_at_ns += v->down->half.flags & SP_HALF_F_SPLIT ? QUIET_SPLIT_NS : QUIET_NS;
	if (quiet_at_ns <= a->walk_ns && quiet_at_ns > a->last_walk_ns)
		sp_ager_send_ends(a, v);
}

/* A time in the future is from before a change of the clock. */
static int is_surely_refreshed(const struct sp_ager *a, const struct sp_meta *meta)
{
	return meta->refreshed_s && meta->refreshed_s > a->emptied_s &&
	       meta->refreshed_s <= a->now_real_ns / 1000000000 + 1;
}

static __s64 refresh_after_ns(__s64 ttl_ns)
{
	__s64 ns = ttl_ns / 4;

	return ns < REFRESH_MAX_S * 1000000000LL ? ns : REFRESH_MAX_S * 1000000000LL;
}

/* With keepalive, the record says that the client lives. */
static int has_moved(const struct sp_ager *a, const struct sp_view *v)
{
	const struct sp_tuple front = sp_view_front(v);
	const struct sp_keepalive_conf *k = sp_keepalive_of(a->config, &front);
	__u64 seen_ns = k && k->client_ns ? v->up.state.seen_ns : sp_view_seen_ns(v);
	__s64 seen_real_ns = a->now_real_ns - (__s64)sp_ager_quiet_ns(a, seen_ns);

	return seen_real_ns / 1000000000 >= v->down->meta.refreshed_s;
}

static void refresh_splice(struct sp_ager *a, const struct sp_view *v)
{
	struct sp_splice splice = sp_view_splice(a, v);

	if (a->is_refused)
		return;
	if (!a->budget) {
		a->is_slow = a->was_short = 1;
		return;
	}
	a->budget--;
	a->is_refused = !!sp_store_refresh(a->store, &splice);
}

void sp_ager_check_refreshed(struct sp_ager *a, struct sp_view *v)
{
	const struct sp_meta *meta = &v->down->meta;
	__s64 since_ns = a->now_real_ns - meta->refreshed_s * 1000000000LL;
	__s64 ttl_ns = sp_view_ttl_ns(a, v);
	int is_sure = is_surely_refreshed(a, meta);

	a->counted_survivable += is_sure && since_ns < ttl_ns;
	if (is_sure && since_ns < refresh_after_ns(ttl_ns))
		return;
	sp_view_find_up(a, v);
	if (v->has_up && (!is_sure || has_moved(a, v)))
		refresh_splice(a, v);
}

void sp_ager_refresh(struct sp_ager *a, const struct sp_tuple *front)
{
	struct sp_entry up, down;
	struct sp_tuple down_key;
	struct sp_splice splice;

	if (!sp_ager_is_shared(a) || sp_datapath_get(a->dp, front, &up))
		return;
	down_key = sp_tuple_reverse(&up.half.out);
	if (sp_datapath_get(a->dp, &down_key, &down))
		return;
	splice = sp_entries_splice(a, front, &up, &down);
	sp_store_refresh(a->store, &splice);
}

void sp_ager_emptied(struct sp_ager *a)
{
	a->emptied_s = time(NULL);
}

void sp_ager_rekeyed(struct sp_ager *a, __u64 in_flight_ns)
{
	a->emptied_s = time(NULL) + in_flight_ns / 1000000000 + 1;
}

void sp_ager_refreshed(struct sp_ager *a, const struct sp_tuple *front, __u32 client_isn,
		       __u32 version)
{
	struct sp_entry up;
	struct sp_patch patch = {
		.front = *front, .client_isn = client_isn, .refreshed_s = time(NULL),
	};
	int err;

	if (!sp_datapath_get(a->dp, front, &up) && up.meta.version != version)
		return;
	err = sp_datapath_patch(a->dp, &patch);
	if (err && err != -ENOENT)
		log_warn_limited("can't patch the time of a refresh into a splice: %s",
				 strerror(-err));
}
