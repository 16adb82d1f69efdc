// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * commit.c - the splice of a connected backend is claimed in the store, before any byte is
 * forwarded (law 3)
 */
#include "proxy/commit.h"

#include <errno.h>
#include <string.h>

#include "proxy/access.h"
#include "proxy/change.h"
#include "proxy/kept.h"
#include "proxy/known.h"
#include "proxy/leg.h"
#include "proxy/parked.h"
#include "proxy/sync.h"

#define STORE_AWAY_NS	1000000000ULL
#define ELSEWHERE_NS	10000000000ULL	/* since a packet of our leg passed a peer */

static struct sp_handshake handshake_of(const struct sp_conn *c)
{
	return (struct sp_handshake){
		.mss = c->mss, .wscale_ours = c->client.wscale_ours,
		.wscale_theirs = c->client.wscale_theirs,
		.flags = (c->client.has_ts ? SP_HANDSHAKE_TS : 0) |
			 (c->is_sack ? SP_HANDSHAKE_SACK : 0) |
			 (c->is_ecn ? SP_HANDSHAKE_ECN : 0),
	};
}

/* Of a leg that begins. */
static struct sp_boundary response_of(const struct sp_conn *c)
{
	const struct sp_boundary head = {
		.until = c->backend.isn_theirs + 1, .bound = SP_BOUND_HEAD,
		.reading = c->request.reading,
	};

	return sp_conn_reads(c) ? head : (struct sp_boundary){ 0 };
}

static struct sp_splice splice_of(const struct sp_conn *c)
{
	struct sp_splice s = sp_splice_make(&c->front, &c->client, &c->back, &c->backend,
					    c->pool->id);
	__u8 flags = sp_mode_flags(c->mode) |
		(c->is_ecn && !c->is_ecn_back ? SP_HALF_F_NOT_ECT : 0);

	s.client_isn = c->client_isn;
	s.follows = c->is_next;
	if (sp_conn_reads(c) || c->change.bytes) {
		flags |= SP_HALF_F_REQUESTS;
		s.version = c->version + 1;
		s.boundary = sp_conn_boundary(c);
		s.response = response_of(c);
		s.response = sp_response_stored(&s.response);
		s.handshake = handshake_of(c);
		s.named = sp_change_name(c);
		sp_change_splice(c, &s);
	}
	s.up.mss = c->limit_mss;
	s.up.flags |= flags;
	s.down.flags |= flags;
	if (sp_conn_is_adopting(c))
		sp_splice_adopted(&s, c->mss, c->client.wscale_ours < 0 ? 0 :
				  c->client.wscale_ours);
	return s;
}

/* The splice as committed, to the second: the store would take another time for a rival. */
static struct sp_splice splice_committed(const struct sp_conn *c)
{
	struct sp_splice s = splice_of(c);

	s.up.spliced_s = c->up.spliced_s;
	s.down.spliced_s = c->up.spliced_s;
	return s;
}

static void limit_mss(struct sp_proxy *p, struct sp_conn *c)
{
	const struct sp_service *offer = sp_datapath_service(p->node.dp, &c->front);
	__u32 headers = sp_addr_header_bytes(&c->back.daddr);
	__u32 mtu = sp_route_mtu(&p->route_mtus, &c->back.daddr, sp_now_ns());

	if (mtu > headers && mtu - headers < c->backend_mss)
		c->backend_mss = mtu - headers;
	c->forward_mss = c->backend_mss < c->mss ? c->backend_mss : c->mss;
	c->limit_mss = offer && c->backend_mss >= offer->mss_max ? 0 : c->backend_mss;
}

void sp_commit_begin(struct sp_proxy *p, struct sp_conn *c, const char *why)
{
	struct sp_splice splice;

	limit_mss(p, c);
	if (c->is_unparked)
		sp_change_stay(c);
	else
		sp_change_begin_leg(c);
	splice = splice_of(c);
	c->timed_ns = sp_exact_ns();
	sp_conn_enter(c, SP_CONN_COMMITTING, why);
	c->up = splice.up;
	sp_store_commit(p->node.store, &splice, sp_conn_ref(p->conns, c));
}

/* The end of the response before; for more of a body the present place. */
static struct sp_boundary response_staying(const struct sp_conn *c, const struct sp_leg *leg)
{
	struct sp_boundary b = leg->down.meta.boundary;

	if (leg->state == SP_LEG_UNKNOWN || leg->state == SP_LEG_LOST)
		return (struct sp_boundary){ 0 };
	if (c->begins == SP_BOUND_STOP) {
		b.bound = SP_BOUND_HEAD;
		b.reading = c->request.reading;
	}
	return sp_response_stored(&b);
}

void sp_commit_stay(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	const struct sp_entry *down = &leg->down;
	struct sp_splice splice = {
		.front = c->front, .client_isn = c->client_isn, .version = c->version + 1,
		.boundary = sp_conn_boundary(c), .handshake = handshake_of(c),
		.up = c->leg, .down = down->half, .change = down->meta.change,
		.named = sp_change_name(c), .response = response_staying(c, leg), .follows = 1,
	};

	sp_change_stay(c);
	if (c->change.bytes)
		sp_change_splice(c, &splice);
	c->is_staying = 1;
	c->up = c->leg;
	c->timed_ns = sp_exact_ns();
	sp_conn_enter(c, SP_CONN_COMMITTING, "its boundary moves");
	sp_store_commit(p->node.store, &splice, sp_conn_ref(p->conns, c));
}

/*
 * The backend's kernel takes over the client's handshake, as if the SYN-ACK were its own. So no SYN
 * is sent.
 */
void sp_commit_adopted(struct sp_proxy *p, struct sp_conn *c)
{
	const struct sp_side *client = &c->client;

	c->backend = (struct sp_side){
		.isn_ours = client->isn_theirs, .isn_theirs = client->isn_ours,
		.has_ts = client->has_ts,
		.tsval_ours = client->tsval_theirs, .tsval_theirs = client->tsval_ours,
		.wscale_ours = client->wscale_theirs, .wscale_theirs = client->wscale_ours,
	};
	c->window_bytes = c->service->offer.window;
	sp_commit_begin(p, c, "the backend takes over the handshake");
}

static void count_mode(struct sp_proxy *p, const struct sp_conn *c)
{
#define X(up, low) p->node.counters.spliced_##low += c->mode == SP_MODE_##up;
	SP_MODES(X)
#undef X
#define X(up, low, why) p->node.counters.fell_back_##low += c->mode_reason == SP_MODE_##up;
	SP_MODE_REASONS(X)
#undef X
}

static void count_spliced(struct sp_proxy *p, const struct sp_conn *c)
{
	p->node.counters.spliced++;
	sp_ager_made(&p->node.ager, &c->front.saddr);
	count_mode(p, c);
}

/*
 * The claim is lost to the splice of another proxy. If the backend sees the client's own address,
 * both have opened the very same connection.
 */
static struct sp_next lose_to(struct sp_proxy *p, struct sp_conn *c, const struct sp_splice *winner)
{
	const struct sp_streams at = { .client = c->client.isn_theirs + 1 + c->reasm.len,
				       .is_logged = sp_access_is_on(c) };

	if (!memcmp(&winner->up.out, &c->back, sizeof(c->back)))
		sp_conn_release_back(p, c);
	else
		sp_conn_reset_back(p, c);
	if (sp_splice_install(p->node.dp, winner, &at, winner->up.spliced_s))
		return sp_next(SP_NEXT_RETRY, "there is no room for the winner's splice");
	sp_sync_fetched(p, winner);
	sp_cluster_introduce(p->node.cluster, winner, winner->up.spliced_s);
	sp_conn_take_splice(c, winner);
	return sp_next(SP_NEXT_JOIN, "another proxy was first");
}

/*
 * The daemon was suspended after the commit was sent: other proxies may have served and forgotten
 * this connection. If our splice was chosen, a proxy finds it in the store when the next packet
 * arrives. The port stays in use until the splice is over (sync.c).
 */
struct sp_next sp_commit_late(struct sp_proxy *p, struct sp_conn *c, int err,
			    const struct sp_splice *winner)
{
	if (err == -EEXIST && !c->is_staying &&
	    memcmp(&winner->up.out, &c->back, sizeof(c->back)))
		sp_conn_reset_back(p, c);
	else if (err)
		sp_conn_release_back(p, c);
	sp_conn_leave_stash(c);
	return sp_next(SP_NEXT_END, "committed, but the daemon was suspended meanwhile");
}

/* The store is out of reach. Return: 0 if the service goes on without. */
static int go_on_without_store(struct sp_proxy *p, struct sp_conn *c)
{
	p->store_away_until_ns = sp_now_ns() + STORE_AWAY_NS;
	if (c->config->store.loss != SP_LOSS_CONTINUE)
		return -EAGAIN;
	p->node.counters.unprotected++;
	return 0;
}

/*
 * Another proxy may rely on the splice, found in the store: then the port stays in use. Else the
 * backend's SYN-ACK, retransmitted, is answered by RST.
 */
static struct sp_next fail_commit(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.commit_failed++;
	if (c->is_unparked)
		sp_conn_reset_back(p, c);
	else
		sp_conn_release_back(p, c);
	return sp_next(SP_NEXT_RETRY, "the commit failed");
}

/* @parked: the leg before; NULL: the end of that leg is not known */
static struct sp_next use_splice(struct sp_proxy *p, struct sp_conn *c,
				 const struct sp_splice *splice, __u32 refreshed_s,
				 const struct sp_entry *old_up)
{
	c->is_trapped = 0;	/* the half of the splice has taken the trap's place */
	c->version = splice->version;
	if (!c->is_next) {
		count_spliced(p, c);
	} else {
		if (!sp_parked_add(p, c, old_up))
			sp_leg_leave(p, c);
		sp_cluster_tell_moved(p->node.cluster, &c->front, c->client_isn, c->version);
	}
	sp_conn_unlink_back(p->conns, c);
	sp_cluster_introduce(p->node.cluster, splice, refreshed_s);
	if (sp_conn_is_adopting(c) && !c->is_reset)
		sp_reintroduce_add(p->reintroductions, splice, &c->client, c->window, !c->reasm.len,
				   sp_now_ns());
	return sp_next(SP_NEXT_DELIVER, "committed");
}

static struct sp_streams streams_of(const struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_streams at = {
		.client = c->client.isn_theirs + 1 + sp_conn_own_bytes(c),
		.acked = c->client.isn_theirs + 1 - sp_change_shift(c),
		.backend = c->backend.isn_theirs + 1,
		.is_elsewhere = p->elsewhere_ns && sp_now_ns() - p->elsewhere_ns < ELSEWHERE_NS,
	};

	at.is_logged = sp_access_is_on(c);
	at.is_kept = !!sp_kept_pool(p, c->up.pool_id);
	at.down = response_of(c);
	if (c->is_part) {
		at.down.reading |= SP_READING_HELD;	/* compared first: align.c */
		at.passed = at.backend + (c->heard_ack - (c->client.isn_ours + 1));
		at.window = c->window;
		at.is_skipping = 1;
	}
	return at;
}

static struct sp_next use_stay(struct sp_proxy *p, struct sp_conn *c, int err)
{
	if (err == -EAGAIN)
		err = go_on_without_store(p, c);
	if (!err)
		return sp_next(SP_NEXT_STAY, "committed");
	p->node.counters.commit_failed++;
	return sp_next(SP_NEXT_RETRY, "the commit failed");
}

/* Another proxy has read the same request. */
static struct sp_next lose_next(struct sp_proxy *p, struct sp_conn *c,
				const struct sp_splice *winner)
{
	if (!c->is_staying)
		sp_conn_reset_back(p, c);
	sp_sync_fetched(p, winner);
	sp_known_replace(p, winner);
	return sp_next(SP_NEXT_JOIN, "another proxy was first");
}

/* The store has answered: no byte was forwarded before. */
static struct sp_next use_new(struct sp_proxy *p, struct sp_conn *c, int err,
			      const struct sp_splice *winner)
{
	struct sp_splice splice = splice_committed(c);
	const struct sp_streams at = streams_of(p, c);
	__u32 refreshed_s = err == -EAGAIN ? 0 : splice.up.spliced_s;
	struct sp_entry old_up;

	if (err == -EEXIST)
		return lose_to(p, c, winner);
	if (err == -EAGAIN)
		err = go_on_without_store(p, c);
	sp_conn_opened(p, c);
	err = err ?: sp_splice_replace(p->node.dp, &splice, &at, refreshed_s, &old_up);
	return err ? fail_commit(p, c) : use_splice(p, c, &splice, refreshed_s, &old_up);
}

/*
 * The store has forgotten the connection: other proxies have served it to its end while this daemon
 * was away.
 */
static struct sp_next forget_over(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.commit_failed++;
	if (!c->is_staying)
		sp_conn_reset_back(p, c);
	return sp_next(SP_NEXT_END, "its connection is over");
}

struct sp_next sp_commit_answered(struct sp_proxy *p, struct sp_conn *c, int err,
				 const struct sp_splice *winner)
{
	sp_histogram_add(&p->node.durations.commit, sp_exact_ns() - c->timed_ns);
	if (err == -ESTALE)
		return forget_over(p, c);
	if (c->is_next && err == -EEXIST)
		return lose_next(p, c, winner);
	if (c->is_staying)
		return use_stay(p, c, err);
	return use_new(p, c, err, winner);
}
