// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * progress.c - progress of a response at peers
 *
 * Theory of operation
 *
 * The opener of a leg gets all packets of the backend, and reads. After the opener's death the home
 * reads requests, while the packets of the backend and of the client may come to different proxies.
 * Each proxy has the half of the store, which begins where the response begins, and reads the
 * packets that pass there. So the reader queries the peers while a request waits: how far is the
 * response read, sent, and acknowledged?
 *
 * Answers are facts of both streams, true at any time, of one leg and version: a later version
 * awaits a later response. The furthest answer goes into the reader's half.
 */
#include "proxy/progress.h"

#include "proxy/home.h"
#include "proxy/known.h"

#define ASK_NS		20000000ULL
#define ASK_SLOW_NS	200000000ULL
#define FAST_NS		2000000000ULL	/* since the request came */
#define ANSWER_NS	60000000ULL	/* a peer has answered by then */

void sp_progress_ask(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_progress query = {
		.front = c->front, .client_isn = c->client_isn, .version = c->version,
		.is_query = 1,
	};
	int is_own = sp_home_owns(p, &c->leg.out.saddr) && leg->state == SP_LEG_BUSY &&
		     !sp_leg_is_elsewhere(leg);	/* of a whole response the client's ACK lacks */
	__u64 now_ns = sp_now_ns();
	__u64 pause_ns = is_own || now_ns - c->begun_ns >= FAST_NS ? ASK_SLOW_NS : ASK_NS;

	if (!sp_node_is_shared(&p->node) || now_ns - c->asked_ns < pause_ns ||
	    (is_own && now_ns - c->begun_ns < ASK_SLOW_NS))
		return;
	c->asked_ns = now_ns;
	sp_cluster_tell_progress(p->node.cluster, 0, &query);
}

int sp_progress_is_awaited(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	if (!sp_node_is_shared(&p->node) || c->is_guess)
		return 0;
	if (!c->unknown_ns)
		c->unknown_ns = sp_now_ns();
	sp_progress_ask(p, c, leg);
	return sp_now_ns() - c->unknown_ns < ANSWER_NS;
}

static int get_both(struct sp_proxy *p, const struct sp_progress *said, struct sp_entry *ret_up,
		    struct sp_entry *ret_down)
{
	struct sp_tuple down_key;

	if (sp_datapath_get(p->node.dp, &said->front, ret_up) ||
	    ret_up->half.flags & SP_HALF_F_TO_DAEMON ||
	    !(ret_up->half.flags & SP_HALF_F_REQUESTS) ||
	    ret_up->meta.client_isn != said->client_isn)
		return 0;
	down_key = sp_tuple_reverse(&ret_up->half.out);
	return !sp_datapath_get(p->node.dp, &down_key, ret_down) &&
	       ret_down->meta.client_isn == said->client_isn;
}

static void answer_query(struct sp_proxy *p, __u64 from, const struct sp_progress *query)
{
	struct sp_progress said = *query;
	struct sp_entry up, down;

	if (!get_both(p, query, &up, &down))
		return;
	if (up.meta.version != query->version) {
		sp_known_moved(p, &query->front, query->client_isn, query->version);
		return;
	}
	said.is_query = 0;
	said.response = sp_response_stored(&down.meta.boundary);
	said.sent = down.state.next_seq;
	said.acked = up.state.last_ack;
	sp_cluster_tell_progress(p->node.cluster, from, &said);
}

/* The client's acknowledgement, of what was sent. */
static void hear_ack(struct sp_conn *c, const struct sp_progress *said)
{
	__u32 ack = said->acked - c->leg.ack_delta;

	if (said->acked && (__s32)(ack - c->heard_ack) > 0)
		c->heard_ack = ack;
}

/* A request that begins behind the stored boundary may have a response before that is another. */
static int use_response(struct sp_proxy *p, const struct sp_conn *c,
			const struct sp_progress *said, const struct sp_entry *down)
{
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn, .version = c->version,
		.becomes = c->version, .down_end = said->sent,
		.down = said->response, .was_down = down->meta.boundary,
	};

	if (!c->is_guess && sp_known_is_further(&said->response, &down->meta.boundary)) {
		patch.sets = SP_PATCH_DOWN | SP_PATCH_IF_DOWN;
		if (down->half.flags & SP_HALF_F_FETCHED)
			patch.sets |= SP_PATCH_FETCHED;
		patch.down.reading |= down->meta.boundary.reading & SP_READING_WAKE;
	}
	return sp_datapath_patch(p->node.dp, &patch);
}

struct sp_conn *sp_progress_heard(struct sp_proxy *p, __u64 from, const struct sp_progress *said)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &said->front);
	struct sp_entry up, down;

	if (said->is_query) {
		answer_query(p, from, said);
		return NULL;
	}
	if (!c || !c->is_next || c->state != SP_CONN_WAITING || c->version != said->version ||
	    !get_both(p, said, &up, &down) || up.meta.version != said->version)
		return NULL;
	hear_ack(c, said);
	use_response(p, c, said, &down);
	return c;
}
