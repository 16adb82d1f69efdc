// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * stay.c - a further request goes through the half of its leg: the boundary moves. More than a bare
 * head is committed before
 */
#include "proxy/stay.h"

#include <errno.h>

#include "abi/decision.h"
#include "proxy/access.h"
#include "proxy/change.h"
#include "proxy/commit.h"
#include "proxy/home.h"
#include "proxy/parked.h"

#define SETTLED_NS	10000000000ULL

/*
 * The head goes on unchanged, and the bytes alone decide about the pool. Next time the datapath may
 * carry these. A connection from before a reload has an old configuration.
 */
void sp_stay_note(struct sp_proxy *p, const struct sp_conn *c)
{
	const struct sp_request *r = &c->request;
	const struct sp_pool_conf *pool;
	__u16 id;

	if (c->is_reply || c->wanted < 0 || c->config != p->node.config || !r->is_bare ||
	    c->plan.bytes || r->bytes > SP_DECISION_BYTES_MAX ||
	    sp_pool_hashes_requests(&c->config->pools[c->wanted]))
		return;
	id = c->config->pools[c->wanted].id;
	pool = sp_config_pool_of(c->config, id);
	if (pool && pool->on_death != SP_DEATH_CONTINUE)	/* the daemon keeps each */
		sp_access_decided(p, c, sp_datapath_decide(p->node.dp, &c->front,
							   sp_conn_buf(p->conns, c), r->bytes, id,
							   r->reading));
}

/* A pool of the same name is the same, also after changes by a reload. */
static int is_own_pool(const struct sp_conn *c)
{
	return !c->is_reply && c->wanted >= 0 &&
	       (__u16)c->config->pools[c->wanted].id == c->leg.pool_id &&
	       sp_config_pool_of(c->config, c->leg.pool_id);
}

/* A key goes to its own backend. Without a key there is no reason to leave the leg. */
int sp_stay_is_own_backend(struct sp_proxy *p, const struct sp_conn *c)
{
	const struct sp_endpoint leg = { c->leg.out.daddr, c->leg.out.dport };
	const struct sp_pool_conf *pool;
	int idx;

	if (!is_own_pool(c))
		return 0;
	pool = &c->config->pools[c->wanted];
	if (!c->has_key || !sp_pool_hashes_requests(pool))
		return 1;
	idx = sp_backends_holder(p->backends, pool, sp_addr_is_v4(&leg.addr), c->key, sp_now_ns());
	return idx < 0 || !sp_endpoint_compare(&pool->backends[idx].at, &leg);
}

struct sp_next sp_stay_forward(struct sp_conn *c, const char *why)
{
	c->is_turn = 1;
	c->up = c->leg;
	c->up.seq_delta += sp_change_shift(c);
	c->client.isn_ours = c->heard_ack - 1;
	sp_conn_take_half(c);
	return sp_next(SP_NEXT_DELIVER, why);
}

/*
 * A client that does not send ahead has the whole response when the next request comes. If the leg
 * has sent no more, the next response begins there, and the end will be known again.
 */
static int has_all(const struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_half_state *u = &leg->down.state;

	return u->pkts && u->next_seq && c->heard_ack == c->begun_ack &&
	       c->heard_ack == u->next_seq + leg->down.half.seq_delta;
}

static void await_response(const struct sp_conn *c, const struct sp_leg *leg,
			   struct sp_patch *patch)
{
	patch->sets |= SP_PATCH_DOWN | SP_PATCH_IF_DOWN;
	patch->down.bound = SP_BOUND_HEAD;
	patch->down.reading = c->request.reading;
	if (leg->state != SP_LEG_UNKNOWN)
		return;
	patch->down.until = leg->down.state.next_seq;
	if (!has_all(c, leg))
		patch->down.bound = SP_BOUND_UNKNOWN;
}

/*
 * What is committed counts, wherever the boundary is here: the head may have been read by a dead
 * proxy. The new version may have come back from the store before the commit was answered.
 */
static int set_stay(struct sp_proxy *p, const struct sp_conn *c, struct sp_patch *patch)
{
	int err = sp_datapath_patch(p->node.dp, patch);

	if (!err || !c->is_staying)
		return err;
	patch->sets &= ~(SP_PATCH_IF_UP | SP_PATCH_IF_DOWN);
	err = sp_datapath_patch(p->node.dp, patch);
	if (!err)
		return 0;
	patch->version = patch->becomes;
	return sp_datapath_patch(p->node.dp, patch);
}

/* The committed half carries the request. Only the first look at a response sets the reading. */
struct sp_next sp_stay_done(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_leg leg = sp_leg_look(p, c);
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn,
		.sets = SP_PATCH_UP | (c->is_guess ? 0 : SP_PATCH_IF_UP),
		.version = c->version, .becomes = c->version + c->is_staying,
		.up = sp_conn_boundary(c), .was_up = { .until = c->client.isn_theirs + 1 },
		.down = leg.down.meta.boundary, .was_down = leg.down.meta.boundary,
	};

	if (c->begins == SP_BOUND_STOP)
		await_response(c, &leg, &patch);
	sp_change_stay(c);
	sp_change_patch(c, &patch);
	if (leg.state == SP_LEG_LOST || set_stay(p, c, &patch))
		return sp_next(SP_NEXT_END, "its splice is gone");
	if (!c->is_staying)
		sp_parked_note_stay(p, c);
	else
		sp_cluster_tell_moved(p->node.cluster, &c->front, c->client_isn, patch.becomes);
	c->version = patch.becomes;
	c->is_staying = 0;
	return sp_stay_forward(c, "stays with its backend");
}

/* While this daemon was away, packets of its legs went to peers; routers may not know yet. */
static int is_settled(const struct sp_proxy *p)
{
	return sp_now_ns() - p->sync.start_ns >= SETTLED_NS;
}

/*
 * Any proxy may forward a single segment without a body again: the backend drops the duplicate (law
 * 8). All else moves the boundary for all proxies. So does a proxy that has not opened the leg, as
 * the opener stops behind the response before; and so does the opener where packets pass elsewhere:
 * else the other proxies do not know where the response begins.
 */
struct sp_next sp_stay_commit(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	int is_bare = sp_home_owns(p, &c->leg.out.saddr) && !c->is_guess &&
		      c->begins == SP_BOUND_STOP && c->request.is_bare && c->pieces == 1 &&
		      !c->plan.bytes && !sp_leg_is_elsewhere(leg) && is_settled(p);

	if (!sp_node_is_shared(&p->node) || is_bare)
		return sp_stay_done(p, c);
	sp_commit_stay(p, c, leg);
	return sp_next_wait();
}

struct sp_next sp_stay_begin(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	p->node.counters.requests_stayed++;
	return sp_stay_commit(p, c, leg);
}
