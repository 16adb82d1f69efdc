// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * back.c - a backend is chosen, a connection opened; once established, the splice is committed
 * (law 3)
 */
#include "proxy/back.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "proxy/change.h"
#include "proxy/commit.h"
#include "proxy/forward.h"
#include "proxy/home.h"
#include "proxy/offer.h"
#include "proxy/parked.h"
#include "proxy/sync.h"
#include "base/warnings.h"

#define SYN_AGAIN_NS	200000000ULL
#define MSS_DEFAULT_V4	536	/* RFC 9293, 3.7.1 */
#define MSS_DEFAULT_V6	1220
#define MSS_ANY		65535
#define ADOPT_MSS_MIN_V4 536	/* a kernel takes over no less */
#define ADOPT_MSS_MIN_V6 1220
#define PORTS_LEFT_MAX	8	/* others' ports, tried in the time between two SYNs */

/*
 * @ecn: SP_TCP_ECE and CWR to request ECN; 0 in a retransmission, in case SYNs with them are
 *		dropped.
 */
static void send_syn(struct sp_proxy *p, struct sp_conn *c, __u8 ecn, __u64 now_ns)
{
	struct sp_segment seg = {
		.tuple = c->back, .seq = c->backend.isn_ours, .flags = SP_TCP_SYN | ecn,
		.window = 65535,
		.mss = c->mss, .wscale = c->backend.wscale_ours, .is_sack = c->is_sack,
		.has_ts = c->client.has_ts, .tsval = c->backend.tsval_ours,
	};

	sp_wire_send(p->node.wire, &seg);
	c->again_ns = now_ns + SYN_AGAIN_NS;
}

/* ISN and TSval rise with the clock for each tuple: a backend's TIME_WAIT gives way (RFC 6191). */
static void choose_numbers(struct sp_proxy *p, struct sp_conn *c)
{
	struct timespec ts;

	if (c->pool->source == SP_SOURCE_CLIENT) {
		c->backend.isn_ours = c->client.isn_theirs;
		c->backend.tsval_ours = c->client.tsval_theirs;
	} else {
		clock_gettime(CLOCK_REALTIME, &ts);
		c->backend.isn_ours = (__u32)sp_conns_hash(p->conns, &c->back) +
			ts.tv_sec * 250000u +
			ts.tv_nsec / 4000;
		c->backend.tsval_ours = (__u32)(ts.tv_sec * 1000u + ts.tv_nsec / 1000000);
	}
	c->backend.wscale_ours = c->client.wscale_theirs;
}

/*
 * The backend's answer to a client's address would seem foreign to the datapath until the splice
 * exists. So a trap attracts the answer.
 */
static int attract_answers(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_half held = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };
	struct sp_tuple key = sp_tuple_reverse(&c->back);
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, &key, &e) && sp_entry_is_live(&e))
		return -EADDRINUSE;	/* of the same client, through another service */
	return sp_datapath_put(p->node.dp, &key, &held, NULL, NULL);
}

/* Packets that leave from here; in mode split and adopt the backend's host sends to the client. */
static int is_forbidden(const struct sp_proxy *p, const struct sp_conn *c)
{
	const char *name = c->pool->backends[c->backend_idx].name;
	struct sp_tuple to_client = sp_tuple_reverse(&c->front);

	if (!sp_datapath_is_forbidden(p->node.dp, &c->back) &&
	    (c->mode != SP_MODE_WHOLE || !sp_datapath_is_forbidden(p->node.dp, &to_client)))
		return 0;
	sp_warn(SP_WARNING_IPSEC, sp_now_ns(), name,
		"backend %s gets no connections: an IPsec policy of this host forbids packets to "
		"the backend or the client, or wants them encrypted, which the datapath can't do",
		name);
	return 1;
}

static int open_to(struct sp_proxy *p, struct sp_conn *c, const struct sp_endpoint *to)
{
	struct sp_endpoint from = { c->front.saddr, c->front.sport };
	__u64 now_ns = sp_now_ns();
	int err = 0;

	p->wanting = &c->front.saddr;
	if (c->pool->source == SP_SOURCE_SNAT)
		err = sp_port_alloc(p->node.ports, to, &from);
	p->node.counters.ports_exhausted += err == -EADDRNOTAVAIL;
	c->back = (struct sp_tuple){ .saddr = from.addr, .sport = from.port_be, .daddr = to->addr,
				     .dport = to->port_be };
	if (c->pool->source == SP_SOURCE_CLIENT)
		err = attract_answers(p, c);
	if (err) {
		memset(&c->back, 0, sizeof(c->back));
		return err;
	}
	sp_conn_link_back(p->conns, c);
	sp_conn_open_to(p, c);
	if (is_forbidden(p, c)) {
		sp_conn_release_back(p, c);
		return -EACCES;
	}
	if (sp_conn_is_adopting(c)) {
		sp_commit_adopted(p, c);
		return 0;
	}
	choose_numbers(p, c);
	c->is_news = 1;
	sp_conn_enter(c, SP_CONN_CONNECTING, c->pool->backends[c->backend_idx].name);
	c->deadline_ns = now_ns + c->config->limits.connect_ns;
	c->timed_ns = sp_exact_ns();
	send_syn(p, c, c->is_ecn ? SP_TCP_ECE | SP_TCP_CWR : 0, now_ns);
	return 0;
}

/* Obstacles without a query of the agent: see sp_mode_choose(). */
static enum sp_mode_reason find_obstacle(const struct sp_proxy *p, const struct sp_conn *c)
{
	if (!sp_sync_is_done(p))
		return SP_MODE_NOT_IN_SYNC;
	if (sp_now_ns() < p->store_away_until_ns)
		return SP_MODE_STORE_AWAY;
	return c->mss < (sp_addr_is_v4(&c->front.daddr) ? ADOPT_MSS_MIN_V4 : ADOPT_MSS_MIN_V6) ?
	       SP_MODE_SMALL_MSS :
		SP_MODE_AS_ASKED;
}

static void choose_mode(const struct sp_proxy *p, struct sp_conn *c)
{
	const struct sp_endpoint *at = &c->pool->backends[c->backend_idx].at;
	const struct sp_member *agent = sp_cluster_agent_at(p->node.cluster, at);

	c->mode = sp_mode_choose(c->service->mode, c->pool, agent, sp_mode_obstacle_at(agent, at) ?:
				 find_obstacle(p, c),
				 &c->mode_reason);
	if (c->acked && c->mode != SP_MODE_WHOLE) {
		c->mode = SP_MODE_WHOLE;
		c->mode_reason = SP_MODE_HEAD_ACKED;
	}
	if ((sp_conn_reads(c) || sp_change_is_needed(c)) && c->mode != SP_MODE_WHOLE) {
		c->mode = SP_MODE_WHOLE;
		c->mode_reason = SP_MODE_REQUESTS;
	}
	c->is_ecn_back = sp_conn_is_adopting(c) && c->is_ecn && agent->can & SP_CAN_ECN;
	c->backend_mss = sp_conn_is_adopting(c) && agent->mtu ?
		agent->mtu - sp_addr_header_bytes(&at->addr) : MSS_ANY;
}

/* The key of the request, or of the client: all clients of an address have the same. */
static const __u64 *find_key(struct sp_conn *c)
{
	if (c->pool->balance == SP_BALANCE_HASH && c->pool->hash_by == SP_HASH_BY_SOURCE) {
		c->key = sp_balance_hash(&c->origin.addr, sizeof(c->origin.addr));
		c->has_key = 1;
	}
	return c->has_key ? &c->key : NULL;
}

/* ---- all backends have their `max_connections` ---- */

/* A new connection waits behind earlier connections; a key waits for its backend. */
static int must_wait(struct sp_proxy *p, struct sp_conn *c)
{
	const __u64 *key = find_key(c);
	int idx;

	if (c->is_queue_over || c->tries)
		return 0;
	if (c->pool->balance != SP_BALANCE_HASH || !key)
		return !c->queued_ns && sp_queue_has(p->queue, c->pool->id);
	idx = sp_backends_holder(p->backends, c->pool, sp_addr_is_v4(&c->front.daddr), *key,
				 sp_now_ns());
	return idx >= 0 && sp_backends_is_full(p->backends, c->pool, idx);
}

static struct sp_next wait_for_room(struct sp_proxy *p, struct sp_conn *c)
{
	__u64 now_ns = sp_now_ns();

	c->tries = 0;
	if (c->is_queue_over) {
		p->node.counters.queue_timed_out++;
		return sp_next_reply(503, "no backend has room");
	}
	if (c->is_queued)
		return sp_next_wait();
	if (sp_queue_add(p->queue, sp_conn_ref(p->conns, c), c->pool->id)) {
		p->node.counters.queue_full++;
		return sp_next_reply(503, "too many connections wait for a backend with room");
	}
	p->node.counters.queued++;
	sp_conn_enter(c, SP_CONN_CONNECTING, "all backends are full: it waits");
	c->is_queued = 1;
	c->queued_ns = c->queued_ns ?: now_ns;
	c->deadline_ns = c->queued_ns + c->pool->queue_ns;
	return sp_next_wait();
}

/* A backend with all ports in use counts as a try, too. */
static struct sp_next try_next(struct sp_proxy *p, struct sp_conn *c)
{
	int is_v4 = sp_addr_is_v4(&c->front.daddr);

	if (must_wait(p, c))
		return wait_for_room(p, c);
	while (c->tries++ < c->config->limits.tries) {
		c->backend_idx = sp_backends_choose(p->backends, c->pool, is_v4, find_key(c),
						    &c->tried, sp_now_ns());
		if (c->backend_idx == -EBUSY)
			return wait_for_room(p, c);
		if (c->backend_idx < 0)
			break;
		choose_mode(p, c);
		if (!open_to(p, c, &c->pool->backends[c->backend_idx].at))
			return sp_next_wait();
	}
	return sp_next_reply(503, "no backend is available");
}

static int is_full(const struct sp_proxy *p)
{
	const struct sp_count *count = sp_datapath_count(p->node.dp);

	return count->splices >= count->max;
}

/*
 * If this daemon was suspended and taken for dead, another proxy may have acknowledged all stashed
 * bytes. No client retransmits those.
 */
static void own_stashed(struct sp_conn *c)
{
	if (c->stashing <= c->acked)
		return;
	if (!c->acked)		/* else the store may know no later TSval than before */
		c->stashed_tsval = c->giving_tsval;
	c->acked = c->stashing;
}

/* A full table answers no new SYN, but earlier SYNs were answered. */
struct sp_next sp_back_start(struct sp_proxy *p, struct sp_conn *c, int pool_idx)
{
	if (pool_idx < 0)
		return sp_next_reply(404, "no route matches");
	if (sp_ager_is_greedy(&p->node.ager, &c->front.saddr)) {
		p->node.counters.share_full++;
		return sp_next_reply(503, "its client holds more than its share");
	}
	if (is_full(p))
		return sp_next_reply(503, "the table of splices is full");
	c->pool = &c->config->pools[pool_idx];
	own_stashed(c);
	if (sp_parked_take(p, c)) {
		sp_commit_begin(p, c, "goes on with a parked leg");
		return sp_next_wait();
	}
	return try_next(p, c);
}

static struct sp_next try_failed(struct sp_proxy *p, struct sp_conn *c, enum sp_backend_failure why)
{
	if (why == SP_BACKEND_REFUSED)
		p->node.counters.backend_refused++;
	else
		p->node.counters.backend_silent++;
	sp_backends_failed(p->backends, c->pool, c->backend_idx, why, sp_now_ns());
	sp_conn_release_back(p, c);
	return try_next(p, c);
}

static void connect_done(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	sp_histogram_add(&p->node.durations.connect, sp_exact_ns() - c->timed_ns);
	if (c->acked)
		c->client.tsval_theirs = c->stashed_tsval;
	c->backend.isn_theirs = seg->seq;
	c->backend.has_ts = seg->has_ts && c->client.has_ts;
	c->backend.tsval_theirs = seg->tsval;
	c->backend.wscale_theirs = c->backend.wscale_ours < 0 ? -1 : seg->wscale;
	c->is_ecn_back = c->is_ecn && (seg->flags & (SP_TCP_ECE | SP_TCP_CWR)) == SP_TCP_ECE;
	c->backend_mss = seg->mss ?: sp_addr_is_v4(&c->back.daddr) ? MSS_DEFAULT_V4 :
		MSS_DEFAULT_V6;
	c->window_bytes = seg->window;
	sp_backends_connected(p->backends, c->pool, c->backend_idx);
	sp_offer_learn(p, c, seg);
	sp_commit_begin(p, c, "the backend is connected");
}

/*
 * A splice of another proxy may have this port until we are in sync, and an RST would end the
 * splice.
 */
static struct sp_next leave_port(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_endpoint to = { c->back.daddr, c->back.dport },
		our = { c->back.saddr, c->back.sport };
	__u64 deadline_ns = c->deadline_ns;

	p->node.counters.ports_avoided++;
	sp_port_seen(p->node.ports, &to, &our);
	sp_conn_release_back(p, c);
	if (open_to(p, c, &to))
		return try_next(p, c);
	c->deadline_ns = deadline_ns;
	return sp_next_wait();
}

/*
 * An acknowledgement of an older connection on this port (RFC 9293, 3.10.7.3) is reset, and the
 * SYN retransmitted at once. A backend that goes on like this gets one reaction for each SYN that
 * the timer sends.
 */
static struct sp_next foreign_ack(struct sp_proxy *p, struct sp_conn *c,
				  const struct sp_segment *seg)
{
	int is_others = c->pool->source == SP_SOURCE_SNAT && !sp_sync_is_done(p);

	if (c->reactions >= (is_others ? PORTS_LEFT_MAX : 1))
		return sp_next_wait();
	c->reactions++;
	if (is_others)
		return leave_port(p, c);
	sp_forward_reset(p, seg);
	send_syn(p, c, 0, sp_now_ns());
	return sp_next_wait();
}

static int acks_our_syn(const struct sp_conn *c, const struct sp_segment *seg)
{
	return seg->flags & SP_TCP_ACK && seg->ack == c->backend.isn_ours + 1;
}

/*
 * If the backend sees the client's own address, the ACK may be of another proxy's connection, whose
 * client has not sent a byte so far.
 */
static int may_be_of_another(const struct sp_proxy *p, const struct sp_conn *c,
			     const struct sp_segment *seg)
{
	return c->pool->source == SP_SOURCE_CLIENT && sp_node_is_shared(&p->node) &&
	       (!acks_our_syn(c, seg) || !(seg->flags & (SP_TCP_SYN | SP_TCP_RST)));
}

struct sp_next sp_back_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (c->state != SP_CONN_CONNECTING)
		return sp_next_wait();
	if (may_be_of_another(p, c, seg)) {
		sp_home_keep(p, seg, SP_STRAY_F_BACK | SP_STRAY_F_MINE);
		return sp_next_wait();
	}
	if (!acks_our_syn(c, seg))
		return (seg->flags & (SP_TCP_ACK | SP_TCP_RST)) == SP_TCP_ACK ?
		       foreign_ack(p, c, seg) : sp_next_wait();
	if (seg->flags & SP_TCP_RST)
		return try_failed(p, c, SP_BACKEND_REFUSED);
	if (seg->flags & SP_TCP_SYN)
		connect_done(p, c, seg);
	return sp_next_wait();
}

/*
 * An ICMP error that reports no path for the SYN ends the try, as in Linux, if it quotes the SYN's
 * very number (RFC 5927, 4.1).
 */
struct sp_next sp_back_quoted(struct sp_proxy *p, struct sp_conn *c, const struct sp_quote *quote)
{
	if (c->state == SP_CONN_CONNECTING && quote->seq == c->backend.isn_ours &&
	    !quote->is_too_big)
		return try_failed(p, c, SP_BACKEND_REFUSED);
	return sp_next_wait();
}

int sp_back_is_queued(const struct sp_conn *c)
{
	return c->state == SP_CONN_CONNECTING && !c->back.sport;
}

struct sp_next sp_back_queued(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	c->is_queue_over = now_ns >= c->deadline_ns;
	return try_next(p, c);
}

struct sp_next sp_back_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (sp_back_is_queued(c))
		return sp_next_wait();
	if (now_ns >= c->deadline_ns)
		return try_failed(p, c, SP_BACKEND_SILENT);
	if (now_ns >= c->again_ns) {
		c->reactions = 0;
		send_syn(p, c, 0, now_ns);
	}
	return sp_next_wait();
}
