// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* events.c - events of the store, each for its connection */
#include "proxy/events.h"

#include <assert.h>
#include <errno.h>

#include "proxy/access.h"
#include "proxy/commit.h"
#include "proxy/dispatch.h"
#include "proxy/known.h"
#include "proxy/machine.h"
#include "proxy/miss.h"
#include "proxy/reply.h"
#include "proxy/stash.h"
#include "proxy/sync.h"
#include "proxy/takeover.h"

static void on_committed(void *ctx, __u64 ref, int err, const struct sp_splice *winner)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;

	assert((err == -EEXIST) == !!winner);
	sp_machine_awake(p);
	c = sp_conn_by_ref(p->conns, ref);
	if (c && c->state == SP_CONN_COMMITTING)
		sp_machine_go(p, c, sp_commit_answered(p, c, err, winner));
	else if (c && c->state == SP_CONN_LATE)
		sp_machine_go(p, c, sp_commit_late(p, c, err, winner));
}

static void on_stashed(void *ctx, __u64 ref, int err)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;

	sp_machine_awake(p);
	c = sp_conn_by_ref(p->conns, ref);
	if (!c)
		return;
	if (c->left_by && !err && c->state != SP_CONN_ASKING && c->state != SP_CONN_REPLIED) {
		sp_takeover_taken(p, &c->front, c->left_by);
		c->left_by = 0;
	}
	sp_stash_done(p, c, err);
}

static void on_emptied(void *ctx)
{
	sp_node_emptied(ctx);
	sp_stash_emptied(ctx);
}

/* A connection about to make a splice, too late. If the connection commits, the store tells. */
static int is_overtaken(const struct sp_conn *c)
{
	return c->state == SP_CONN_HEAD || c->state == SP_CONN_WAITING ||
	       c->state == SP_CONN_CONNECTING || c->state == SP_CONN_ASKING;
}

/* Return: 0; -E2BIG: the table is full. */
static int install_known(struct sp_proxy *p, const struct sp_splice *splice,
			 const struct sp_conn *c)
{
	const struct sp_streams at = { .client = c ? c->client.isn_theirs + 1 + c->reasm.len : 0,
				       .is_logged = sp_access_wants(p, &splice->front) };

	if (!c)
		return sp_known_replace(p, splice);
	return sp_known_has(p, splice) ? 0 :
	       sp_splice_install(p->node.dp, splice, &at, splice->up.spliced_s);
}

static void join_found(struct sp_proxy *p, struct sp_conn *c, const struct sp_splice *splice)
{
	if (c->state == SP_CONN_CONNECTING)
		sp_conn_release_back(p, c);
	if (install_known(p, splice, c))
		return;
	sp_conn_take_splice(c, splice);
	sp_machine_go(p, c, sp_next(SP_NEXT_JOIN, "another proxy made the splice"));
}

/* @c is a further request. A proxy with a splice later than @c->version has read the request. */
static void use_found_next(struct sp_proxy *p, struct sp_conn *c, const struct sp_splice *splice)
{
	if (splice->client_isn != c->client_isn || (__s32)(splice->version - c->version) <= 0 ||
	    sp_conn_is_committing(c))
		return;		/* of a commit the store has said so */
	if (c->state == SP_CONN_CONNECTING)
		sp_conn_reset_back(p, c);
	sp_known_replace(p, splice);
	sp_machine_go(p, c, sp_next(is_overtaken(c) ? SP_NEXT_JOIN : SP_NEXT_END,
				    "another proxy has read it"));
}

static void release_bounded(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;
	struct sp_entry e;

	if (seg->flags & SP_TCP_SYN || flags & SP_STRAY_F_CUT ||
	    sp_datapath_get(p->node.dp, &seg->tuple, &e) || e.half.flags & SP_HALF_F_TO_DAEMON)
		return;
	p->node.counters.relayed++;
	sp_dispatch_known(p, &e, seg);
}

static void release_read(struct sp_proxy *p, const struct sp_tuple *key)
{
	p->is_fetched = 1;
	sp_stray_take(p->node.strays, sp_conns_hash(p->conns, key), key, sp_now_ns(),
		      release_bounded, p);
	p->is_fetched = 0;
}

static void release_strays(struct sp_proxy *p, const struct sp_tuple *key,
			   const struct sp_splice *splice)
{
	if (splice->up.flags & SP_HALF_F_REQUESTS)
		release_read(p, key);
	else
		sp_miss_release(p, key, splice);
}

/* Install the splice of another proxy here. */
static void use_found(struct sp_proxy *p, const struct sp_tuple *key,
		      const struct sp_splice *splice)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &splice->front);

	p->node.counters.fetched++;
	sp_sync_fetched(p, splice);
	if (c && c->is_next) {
		use_found_next(p, c, splice);
		release_strays(p, key, splice);
		return;
	}
	if (c && c->client_isn != splice->client_isn) {
		sp_miss_leave_behind(p, splice);
		return;
	}
	if (!c && sp_miss_is_older(p, splice)) {
		sp_miss_not_found(p, key, -ENOENT);
		return;
	}
	sp_cluster_introduce(p->node.cluster, splice, splice->up.spliced_s);
	if (c && is_overtaken(c))
		join_found(p, c, splice);
	else if (!c && install_known(p, splice, NULL))
		return;
	release_strays(p, key, splice);
}

/*
 * A reply of our own waits for the store. @older: splice in the store, perhaps of the port's last
 * connection
 */
static void send_reply(struct sp_proxy *p, const struct sp_tuple *key, int err,
		       const struct sp_splice *older)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, key);

	if (!c || c->state != SP_CONN_ASKING)
		return;
	if (!older || older->client_isn != c->client_isn)
		sp_machine_go(p, c, sp_reply_asked(p, c, err));
}

/* The half from the backend is here, and segments of the half wait. */
static int has_read_half(struct sp_proxy *p, const struct sp_tuple *key)
{
	struct sp_entry e;

	return !sp_datapath_get(p->node.dp, key, &e) && e.half.flags & SP_HALF_F_REQUESTS &&
	       e.half.flags & SP_HALF_F_FROM_BACKEND;
}

static void on_fetched(void *ctx, const struct sp_tuple *key, int err,
		       const struct sp_splice *splice)
{
	struct sp_proxy *p = ctx;

	sp_machine_awake(p);
	if (!err) {
		use_found(p, key, splice);
		sp_takeover_fetched(p, key, 0);
		send_reply(p, key, -ENOENT, splice);
	} else {
		if (has_read_half(p, key))
			release_read(p, key);
		else if (!sp_takeover_fetched(p, key, err))
			sp_miss_not_found(p, key, err);
		send_reply(p, key, err, NULL);
	}
	sp_ager_fetched(&p->node.ager, &p->node.config->limits, key, err);
}

static void take_stray(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);

	if (c && !(flags & SP_STRAY_F_CUT))
		sp_dispatch_segment(p, c, seg);
}

/* Segments of a splice that is read here begin with a head. */
static void use_no_head(struct sp_proxy *p, const struct sp_tuple *front, int err)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, front, &e) || !(e.half.flags & SP_HALF_F_REQUESTS)) {
		sp_miss_not_found(p, front, err);
		return;
	}
	p->is_queried = p->is_sent_here = 1;
	sp_stray_take(p->node.strays, sp_conns_hash(p->conns, front), front, sp_now_ns(),
		      release_bounded, p);
	p->is_queried = p->is_sent_here = 0;
}

static void on_head(void *ctx, const struct sp_tuple *front, int err,
		    const struct sp_stash_offer *offer,
		    const char *bytes, __u32 len)
{
	struct sp_proxy *p = ctx;
	struct sp_conn *c;
	int is_wanted;

	sp_machine_awake(p);
	c = sp_conn_by_front(p->conns, front);
	is_wanted = sp_takeover_head(p, front, err, offer, bytes, len);
	if (c && !err)
		sp_stash_merge(p, c, offer, bytes, len);
	if (c)
		sp_stash_asked(p, c);
	else if (is_wanted && !err)
		sp_stray_take(p->node.strays, sp_conns_hash(p->conns, front), front, sp_now_ns(),
			      take_stray, p);
	if (is_wanted && err)
		use_no_head(p, front, err);
}

/* The commit of the later version may be of this proxy, and the store's answer on its way. */
static void on_outdated(void *proxy, const struct sp_tuple *front, __u32 client_isn, __u32 version)
{
	struct sp_proxy *p = proxy;
	const struct sp_conn *c = sp_conn_by_front(p->conns, front);

	if (c && c->is_next && c->client_isn == client_isn && c->version == version &&
	    sp_conn_is_committing(c))
		return;
	sp_node_outdated(p, front, client_isn, version);
}

static const struct sp_store_events store_events = {
	.committed = on_committed, .fetched = on_fetched, .stashed = on_stashed, .head = on_head,
	.heads = sp_takeover_heads, .emptied = on_emptied, .kept = sp_node_kept,
	.outdated = on_outdated,
	.found = sp_sync_found, .scanned = sp_sync_scanned, .member = sp_node_member,
	.ttl = sp_node_ttl,
};

void sp_events_subscribe(struct sp_proxy *p)
{
	sp_node_subscribe(&p->node, &store_events, &sp_events_of_cluster);
}
