// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* front_events.c - what the store and other proxies say, and whose it is */
#include "front_internal.h"

static void on_committed(void *ctx, __u64 ref, int err, const struct sp_splice *winner)
{
	struct sp_front *f = ctx;
	struct sp_conn *c;

	sp_front_awake(f);
	c = sp_conn_by_ref(f->conns, ref);
	if (c && c->state == SP_CONN_COMMITTING)
		sp_back_committed(f, c, err, winner);
}

static void on_stashed(void *ctx, __u64 ref, int err)
{
	struct sp_front *f = ctx;
	struct sp_conn *c;

	sp_front_awake(f);
	c = sp_conn_by_ref(f->conns, ref);
	if (c)
		sp_stash_done(f, c, err);
}

static void on_emptied(void *ctx)
{
	sp_ager_emptied(&((struct sp_front *)ctx)->ager);
	sp_stash_emptied(ctx);
}

static void on_kept(void *ctx, const struct sp_tuple *front, __u32 client_isn)
{
	sp_ager_kept(&((struct sp_front *)ctx)->ager, front, client_isn);
}

static void on_outdated(void *ctx, const struct sp_tuple *front, __u32 client_isn)
{
	sp_ager_outdated(&((struct sp_front *)ctx)->ager, front, client_isn);
}

static void on_member(void *ctx, const void *record, size_t len)
{
	sp_cluster_heard(((struct sp_front *)ctx)->cluster, record, len);
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	sp_front_awake(ctx);
	sp_miss_fetched(ctx, key, err, splice);
}

static void on_head(void *ctx, const struct sp_tuple *front, int err, const struct sp_stash_offer *offer,
		    const char *bytes, __u32 len)
{
	sp_front_awake(ctx);
	sp_heir_head(ctx, front, err, offer, bytes, len);
}

static const struct sp_store_events store_events = {
	.committed = on_committed, .fetched = on_fetched, .stashed = on_stashed, .head = on_head,
	.heads = sp_heir_heads, .emptied = on_emptied, .kept = on_kept, .outdated = on_outdated,
	.found = sp_sync_found, .scanned = sp_sync_scanned, .member = on_member,
};

/* Another proxy got it. It is not sent on again, wherever we think that its home is: so it can't go round. */
static void on_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_front *f = ctx;

	sp_front_awake(f);
	if (kind == SP_EVENT_BACK) {
		sp_back_event(f, seg, 1);
	} else if (kind == SP_EVENT_FRONT && sp_datapath_cookie_is_valid(f->dp, seg)) {
		sp_head_begin(f, seg, 1);
	} else {
		f->counters.cookie_expired += kind == SP_EVENT_FRONT;
		sp_miss_event(f, seg, 1);
	}
}

static void hand_over(void *ctx, struct sp_conn *c)
{
	struct sp_front *f = ctx;

	/* what was acknowledged, its new home will find in the store */
	if (c->state == SP_CONN_HEAD && !c->acked && !c->is_giving && !sp_cluster_is_home(f->cluster, &c->front))
		sp_head_hand_over(f, c);
}

static void on_homes(void *ctx)
{
	struct sp_front *f = ctx;

	sp_front_awake(f);
	sp_shortfalls_changed(&f->shortfalls);
	sp_conns_each(f->conns, hand_over, f);
}

static void on_died(void *ctx, const char *name)
{
	sp_heir_died(ctx, name);
	sp_miss_home_died(ctx);
}

static __u32 splices(void *ctx)
{
	return sp_datapath_count(((struct sp_front *)ctx)->dp)->splices;
}

static void on_ends(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_front *f = ctx;
	__u8 known = sp_splice_ended(f->dp, front, client_isn, state);

	if (known)
		sp_cluster_tell_ends(f->cluster, front, client_isn, known);
}

static const struct sp_cluster_events cluster_events = {
	.segment = on_segment, .ends = on_ends, .died = on_died, .homes = on_homes, .splices = splices,
};

void sp_front_listen(struct sp_front *f)
{
	f->store->events = &store_events;
	f->store->ctx = f;
	sp_cluster_listen(f->cluster, &cluster_events, f);
}
