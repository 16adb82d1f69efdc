// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* age_end.c - the end of splices that are closed, expired or outdated */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "node/age_internal.h"
#include "node/lifetime.h"

/* An emptied server has live splices again by then; `idle` or the record's life if shorter. */
#define EMPTIED_NS	60000000000ULL

/* A splice that is idle here may continue through other proxies: then its port is not free. */
static void return_port(struct sp_ports *ports, const struct sp_tuple *back, int is_over)
{
	struct sp_endpoint to = { back->daddr, back->dport }, from = { back->saddr, back->sport };

	if (is_over)
		sp_port_free(ports, &to, &from);
	else
		sp_port_release(ports, &to, &from);
}

/* @is_over: no node carries the splice any more, or should */
static void remove_splice(struct sp_ager *a, struct sp_view *v, int is_over)
{
	struct sp_tuple back = sp_tuple_reverse(v->down_key);
	struct sp_splice splice = sp_view_splice(a, v);

	if (a->gone)
		a->gone(a->ctx, v->down_key, v->down, v->has_up ? &v->up : NULL);
	/* a newer splice has the place of the half up; the old pointer in the store must go */
	if (!v->has_up)
		splice.up = (struct sp_half){ .out = back };
	if (is_over && sp_ager_is_shared(a)) {
		sp_store_forget(a->store, &splice);
		sp_ager_send_ends(a, v);
	}
	if (v->has_up)
		sp_datapath_del(a->dp, &splice.front);
	sp_datapath_del(a->dp, v->down_key);
	return_port(a->ports, &back, is_over);
}

/* Both ends get an RST; other nodes are told the same as if both ends had sent an RST. */
void sp_ager_expire(struct sp_ager *a, struct sp_view *v)
{
	const struct sp_entry *before = v->down;
	struct sp_entry down = *before;
	struct sp_splice splice = sp_view_splice(a, v);

	if (!v->has_up)
		splice.up = sp_half_turn(&splice.down, v->down_key, 0);
	a->expired(a->ctx, &splice, v->has_up ? &v->up.state : NULL, &down.state);
	down.state.flags |= SP_STATE_RST | SP_STATE_PEER_RST;
	v->down = &down;
	remove_splice(a, v, 1);
	v->down = before;
}

static void expire_counted(struct sp_ager *a, struct sp_view *v)
{
	sp_ager_count_lost(a, sp_ager_find_lost(a, v));
	sp_ager_expire(a, v);
}

/*
 * Our last refresh may still be in the store. If a record outlives this refresh, another proxy has
 * refreshed the splice.
 */
static int may_be_stored(const struct sp_ager *a, const struct sp_view *v)
{
	const struct sp_entry *e = v->down;

	return sp_ager_is_shared(a) && e->meta.refreshed_s && !sp_state_is_closed(&e->state) &&
	       a->now_real_ns < (e->meta.refreshed_s + 1LL) * 1000000000LL + sp_view_ttl_ns(a, v);
}

static struct sp_lifetime describe_lifetime(const struct sp_ager *a, const struct sp_view *v)
{
	return (struct sp_lifetime){
		.up = v->has_up ? &v->up.state : NULL, .down = &v->down->state,
		.is_shared = sp_ager_is_shared(a),
		.is_split = !!(v->down->half.flags & SP_HALF_F_SPLIT), .is_agent = a->is_agent,
		.is_short = a->is_short,
	};
}

/*
 * The half down alone decides if possible. If a splice is only quiet, the half up is fetched again
 * after each period of the shorter lifetime.
 */
static int may_be_over(const struct sp_ager *a, const struct sp_limits_conf *limits,
		       const struct sp_view *v)
{
	const struct sp_tuple front = sp_view_front(v);
	const struct sp_lifetime l = describe_lifetime(a, v);
	struct sp_limits_conf own;
	__u64 least_ns, seen_ns = v->down->state.seen_ns, quiet_ns = sp_ager_quiet_ns(a, seen_ns);
	__u64 before_ns = a->last_walk_ns > seen_ns ? a->last_walk_ns - seen_ns : 0;

	limits = sp_timeouts_of(a->config, limits, &front, SP_SPLICE_EITHER, &own);
	least_ns = sp_lifetime_least_ns(limits, &l) ?: 1;
	if (quiet_ns < least_ns)
		return 0;
	return v->down->state.flags & SP_STATE_ENDS || quiet_ns >= limits->idle_ns ||
	       quiet_ns / least_ns > before_ns / least_ns;
}

/* Exact after sp_view_find_up(). */
static const struct sp_limits_conf *limits_of(const struct sp_ager *a,
					      const struct sp_limits_conf *limits,
					      const struct sp_view *v, struct sp_limits_conf *own)
{
	const struct sp_tuple front = sp_view_front(v);

	return sp_timeouts_of(a->config, limits, &front, sp_view_kind(v), own);
}

static int is_over(const struct sp_ager *a, const struct sp_limits_conf *limits,
		   const struct sp_view *v)
{
	const struct sp_lifetime l = describe_lifetime(a, v);
	struct sp_limits_conf own;

	return sp_ager_find_lost(a, v) || sp_ager_quiet_ns(a, sp_view_seen_ns(v)) >=
	       sp_lifetime_ns(limits_of(a, limits, v, &own), &l);
}

/* Another proxy may have refreshed the splice: sp_ager_fetched() gets the answer. */
static int query_store(struct sp_ager *a, const struct sp_view *v)
{
	struct sp_tuple front = sp_view_front(v);

	if (!sp_ager_is_shared(a) || !a->expired || !v->has_up)
		return 0;
	if (a->budget) {
		a->budget--;
		a->is_querying = 1;
		sp_store_fetch(a->store, &front);
	}
	return 1;
}

/* Return: whether the splice was removed. */
static int end_if_over(struct sp_ager *a, const struct sp_limits_conf *limits, struct sp_view *v)
{
	sp_view_find_up(a, v);
	if (may_be_stored(a, v) || !is_over(a, limits, v))
		return 0;
	if (sp_state_is_closed(&v->down->state))
		remove_splice(a, v, 1);
	else if (query_store(a, v))
		return 0;
	else if (sp_view_is_left(a, v))
		remove_splice(a, v, 1);
	else if (a->expired && !sp_ager_is_shared(a))
		expire_counted(a, v);
	else
		remove_splice(a, v, 0);
	return 1;
}

int sp_ager_check_over(struct sp_ager *a, const struct sp_limits_conf *limits, struct sp_view *v)
{
	return (may_be_over(a, limits, v) || sp_ager_is_due(a, v)) && end_if_over(a, limits, v);
}

int sp_ager_reclaim(struct sp_ager *a, const struct sp_limits_conf *limits,
		    const struct sp_tuple *back)
{
	struct sp_tuple key = sp_tuple_reverse(back);
	struct sp_view v;
	struct sp_entry e;

	if (sp_view_open(a, &key, &e, &v))
		return 0;
	sp_ager_read_clocks(a);
	a->is_short = 1;
	return end_if_over(a, limits, &v);
}

/* ---- the store's answers ---- */

static int is_just_emptied(const struct sp_ager *a, const struct sp_limits_conf *limits,
			   const struct sp_view *v)
{
	struct sp_limits_conf own;
	__u64 idle_ns = limits_of(a, limits, v, &own)->idle_ns, ttl_ns = sp_view_ttl_ns(a, v);
	__u64 ns = idle_ns < EMPTIED_NS ? idle_ns : EMPTIED_NS;

	ns = ttl_ns < ns ? ttl_ns : ns;
	return a->now_real_ns <= a->emptied_s * 1000000000LL + (__s64)ns;
}

/*
 * An agent does not know time-outs of services: a record may live longer after an agent's refresh.
 * The next walk queries again, and in the end both ends hear.
 */
static int is_agents_record(const struct sp_ager *a, const struct sp_view *v)
{
	return a->config && a->config->has_timeouts && v->down->half.flags & SP_HALF_F_SPLIT;
}

/*
 * If the client is quiet here, and the store has the splice, another proxy may hear the client; the
 * backend's packets may come here nevertheless. The store is queried again when its time is over.
 * A server that was just emptied may lack the splice: then the next walk queries again.
 */
void sp_ager_fetched(struct sp_ager *a, const struct sp_limits_conf *limits,
		     const struct sp_tuple *front, int err)
{
	struct sp_entry up, down;
	struct sp_tuple down_key;
	struct sp_view v = { .down_key = &down_key, .down = &down };

	if (!a->is_querying || (err && err != -ENOENT) || sp_datapath_get(a->dp, front, &up))
		return;
	down_key = sp_tuple_reverse(&up.half.out);
	if (up.half.flags & (SP_HALF_F_TO_DAEMON | SP_HALF_F_FROM_BACKEND) ||
	    sp_datapath_get(a->dp, &down_key, &down))
		return;
	sp_ager_read_clocks(a);
	sp_view_find_up(a, &v);
	if (sp_state_is_closed(&down.state) || may_be_stored(a, &v) || !is_over(a, limits, &v) ||
	    !v.has_up)
		return;
	if (!err && sp_ager_find_lost(a, &v))
		sp_ager_refreshed(a, front, up.meta.client_isn, up.meta.version);
	else if (!err && !is_agents_record(a, &v))
		remove_splice(a, &v, 0);
	else if (!err)
		return;
	else if (!is_just_emptied(a, limits, &v))
		expire_counted(a, &v);
}

/* An emptied server may have taken our record: forget it there, so that no proxy fetches it. */
static void forget_outdated(struct sp_ager *a, const struct sp_tuple *front,
			    const struct sp_tuple *down_key, const struct sp_entry *up)
{
	struct sp_splice splice;
	struct sp_entry down;

	if (sp_datapath_get(a->dp, down_key, &down) || !sp_ager_is_shared(a))
		return;
	splice = sp_entries_splice(a, front, up, &down);
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
	/* a later version may use the same leg */
	return_port(a->ports, &up.half.out, !(up.half.flags & SP_HALF_F_REQUESTS));
	return 0;
}

void sp_ager_outdated(struct sp_ager *a, const struct sp_tuple *front, __u32 client_isn,
		      __u32 version)
{
	struct sp_entry up;

	if (!sp_datapath_get(a->dp, front, &up) && up.meta.version == version &&
	    !sp_ager_remove(a, front, client_isn))
		log_warn_limited("a splice is outdated according to the store: removed");
}
