// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* front_events.c - what the store and other proxies say, and whose it is */
#include <assert.h>
#include <errno.h>

#include "base/addr.h"
#include "proxy/proxy.h"
#include "base/warnings.h"

static void on_committed(void *ctx, __u64 ref, int err, const struct sp_splice *winner)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;

	assert((err == -EEXIST) == !!winner);
	sp_proxy_awake(p);
	c = sp_conn_by_ref(p->conns, ref);
	if (c && c->state == SP_CONN_COMMITTING)
		sp_back_committed(p, c, err, winner);
}

static void on_stashed(void *ctx, __u64 ref, int err)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;

	sp_proxy_awake(p);
	c = sp_conn_by_ref(p->conns, ref);
	if (c)
		sp_stash_done(p, c, err);
}

static void on_emptied(void *ctx)
{
	sp_node_emptied(ctx);
	sp_stash_emptied(ctx);
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	struct sp_proxy *p = ctx;

	sp_proxy_awake(p);
	sp_miss_fetched(p, key, err, splice);
	sp_ager_fetched(&p->node.ager, &p->node.config->limits, key, err);
}

static void on_head(void *ctx, const struct sp_tuple *front, int err, const struct sp_stash_offer *offer,
		    const char *bytes, __u32 len)
{
	sp_proxy_awake(ctx);
	sp_takeover_head(ctx, front, err, offer, bytes, len);
}

static const struct sp_store_events store_events = {
	.committed = on_committed, .fetched = on_fetched, .stashed = on_stashed, .head = on_head,
	.heads = sp_takeover_heads, .emptied = on_emptied, .kept = sp_node_kept, .outdated = sp_node_outdated,
	.found = sp_sync_found, .scanned = sp_sync_scanned, .member = sp_node_member,
};

/* Another proxy got it. It is not sent on again, wherever we think that its home is: so it can't go round. */
static void on_segment(void *ctx, enum sp_event_kind kind, const struct sp_segment *seg)
{
	enum sp_cookie cookie = SP_COOKIE_INVALID;
	struct sp_proxy *p = ctx;

	sp_proxy_awake(p);
	if (kind == SP_EVENT_BACK) {
		sp_back_event(p, seg, 1);
		return;
	}
	if (kind == SP_EVENT_FRONT || seg->flags & SP_TCP_RST)
		cookie = sp_datapath_cookie(p->node.dp, seg);
	if (kind == SP_EVENT_FRONT && cookie) {
		sp_head_begin(p, seg, cookie, 1);
	} else if (seg->flags & SP_TCP_RST && cookie) {
		sp_miss_rst_told(p, seg);
	} else {
		p->node.counters.cookie_expired += kind == SP_EVENT_FRONT;
		sp_miss_event(p, seg, 1);
	}
}

static void hand_over(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;

	/* what was acknowledged, its new home will find in the store */
	if (c->state == SP_CONN_HEAD && !c->acked && !c->is_giving && !sp_cluster_is_home(p->node.cluster, &c->front))
		sp_head_hand_over(p, c);
}

static void on_homes(void *ctx)
{
	struct sp_proxy *p = ctx;

	sp_proxy_awake(p);
	sp_degraded_changed(&p->degraded, sp_now_ns());
	sp_conns_each(p->conns, hand_over, p);
}

static void on_died(void *ctx, const char *name)
{
	((struct sp_proxy *)ctx)->died_ns = sp_now_ns();
	sp_takeover_died(ctx, name);
	sp_miss_home_died(ctx);
}

/*
 * The host of a backend has not taken over a handshake: the splice never was. Its client repeats what it has said, and
 * all begins anew. Where the server was to speak first the client has nothing to repeat: its acknowledgement is here.
 */
static void on_untaken(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn)
{
	char at[SP_ENDPOINT_STRLEN];
	struct sp_segment ack;
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, front, &up) || sp_ager_remove(&p->node.ager, front, client_isn))
		return;
	p->node.counters.adopted_in_vain++;
	sp_endpoint_format(&up.half.out.daddr, up.half.out.dport, at);
	sp_warn(SP_WARNING_ADOPT_FILTERED, sp_now_ns(), at, "backend %s: a firewall or connection tracking of its host drops "
		"what it should take over, says its agent: connections go split there, and adoption is tried now and then", at);
	if (!sp_reintroduce_take(p->reintroductions, front, client_isn, &ack))
		sp_head_begin(p, &ack, SP_COOKIE_INVALID, sp_cluster_is_home(p->node.cluster, front));
}

static void on_ends(void *ctx, const struct sp_tuple *front, __u32 client_isn, __u8 state)
{
	struct sp_proxy *p = ctx;

	if ((state & SP_STATE_UNTAKEN) == SP_STATE_UNTAKEN) {
		on_untaken(p, front, client_isn);
		return;
	}
	if (state & SP_STATE_REUSED)
		sp_reused_add(&p->reused, sp_conns_hash(p->conns, front), front, client_isn, sp_now_ns());
	sp_node_ends(ctx, front, client_isn, state);
}

/* Who asked hears it at once, and so do all. */
static void on_fin(void *ctx, const struct sp_tuple *tuple, __u32 client_isn, const struct sp_fin *fin)
{
	struct sp_proxy *p = ctx;
	struct sp_patch note = { .front = *tuple, .client_isn = client_isn, .flags = SP_STATE_FIN };
	struct sp_entry e;

	if (sp_splice_judge(p->node.dp, tuple, client_isn, fin) != SP_FIN_FITS || sp_datapath_get(p->node.dp, tuple, &e))
		return;
	if (e.half.flags & SP_HALF_F_FROM_BACKEND) {
		note.front = sp_tuple_reverse(&e.half.out);
		note.flags = SP_STATE_PEER_FIN;
	}
	if (!sp_datapath_patch(p->node.dp, &note))
		sp_cluster_tell_ends(p->node.cluster, &note.front, client_isn, note.flags);
}

static const struct sp_cluster_events cluster_events = {
	.segment = on_segment, .ends = on_ends, .fin = on_fin, .died = on_died, .homes = on_homes,
	.splices = sp_node_splices,
};

void sp_dispatch_subscribe(struct sp_proxy *p)
{
	sp_node_subscribe(&p->node, &store_events, &cluster_events);
}
