// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * back.c - the connection to the backend: choose one, send a SYN, repeat it,
 * try the next; when it is established, commit, then forward (law 3).
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "proxy/proxy.h"
#include "proxy/offer.h"
#include "tcp/relay.h"
#include "base/warnings.h"

#define SYN_AGAIN_NS	200000000ULL
#define MSS_DEFAULT_V4	536	/* RFC 9293, 3.7.1 */
#define MSS_DEFAULT_V6	1220
#define MSS_ANY		65535
#define ADOPT_MSS_MIN_V4 536	/* a kernel takes over no less */
#define ADOPT_MSS_MIN_V6 1220
#define PORTS_LEFT_MAX	8	/* others' ports, tried in the time between two SYNs */
#define STORE_AWAY_NS	1000000000ULL

void sp_back_release(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_tuple from = sp_tuple_reverse(&c->back);
	struct sp_endpoint to = { c->back.daddr, c->back.dport }, our = { c->back.saddr, c->back.sport };

	if (!c->back.sport)
		return;
	sp_conn_unlink_back(p->conns, c);
	if (c->pool->source == SP_SOURCE_CLIENT)
		sp_datapath_del(p->node.dp, &from);
	else
		sp_port_release(p->node.ports, &to, &our);
	memset(&c->back, 0, sizeof(c->back));
}

/* @ecn: SP_TCP_ECE and CWR where it is asked for, which a repetition does not: who drops such SYNs drops none then. */
static void send_syn(struct sp_proxy *p, struct sp_conn *c, __u8 ecn, __u64 now_ns)
{
	struct sp_segment seg = {
		.tuple = c->back, .seq = c->backend.isn_ours, .flags = SP_TCP_SYN | ecn, .window = 65535,
		.mss = c->mss, .wscale = c->backend.wscale_ours, .is_sack = c->is_sack,
		.has_ts = c->client.has_ts, .tsval = c->backend.tsval_ours,
	};

	sp_wire_send(p->node.wire, &seg);
	c->again_ns = now_ns + SYN_AGAIN_NS;
}

/* Both rise with the clock for each tuple, so that a backend's TIME_WAIT gives way (RFC 6191). */
static void choose_numbers(struct sp_proxy *p, struct sp_conn *c)
{
	struct timespec ts;

	if (c->pool->source == SP_SOURCE_CLIENT) {
		c->backend.isn_ours = c->client.isn_theirs;
		c->backend.tsval_ours = c->client.tsval_theirs;
	} else {
		clock_gettime(CLOCK_REALTIME, &ts);
		c->backend.isn_ours = (__u32)sp_conns_hash(p->conns, &c->back) + ts.tv_sec * 250000u +
			ts.tv_nsec / 4000;
		c->backend.tsval_ours = (__u32)(ts.tv_sec * 1000u + ts.tv_nsec / 1000000);
	}
	c->backend.wscale_ours = c->client.wscale_theirs;
}

/* Until the splice is there, the datapath would take what the backend answers to a client's address for foreign. */
static int attract_answers(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_half held = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };
	struct sp_tuple key = sp_tuple_reverse(&c->back);
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, &key, &e) && sp_entry_is_live(&e))
		return -EADDRINUSE;	/* of the same client, through another service */
	return sp_datapath_put(p->node.dp, &key, &held, NULL, NULL);
}

static int is_adopting(const struct sp_conn *c)
{
	return c->mode == SP_MODE_ADOPT;
}

static struct sp_splice splice_of(const struct sp_conn *c)
{
	struct sp_splice s = sp_splice_make(&c->front, &c->client, &c->back, &c->backend, c->pool->id);
	__u8 flags = sp_mode_flags(c->mode) | (c->is_ecn && !c->is_ecn_back ? SP_HALF_F_NOT_ECT : 0);

	s.up.mss = c->limit_mss;
	s.up.flags |= flags;
	s.down.flags |= flags;
	if (is_adopting(c))
		sp_splice_adopted(&s, c->mss, c->client.wscale_ours < 0 ? 0 : c->client.wscale_ours);
	return s;
}

/* What was committed, to the second: the store would take another one for a rival. */
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
	__u32 headers = sp_addr_is_v4(&c->back.daddr) ? 40 : 60;
	__u32 mtu = sp_route_mtu(&p->route_mtus, &c->back.daddr, sp_now_ns());

	if (mtu > headers && mtu - headers < c->backend_mss)
		c->backend_mss = mtu - headers;
	c->forward_mss = c->backend_mss < c->mss ? c->backend_mss : c->mss;
	c->limit_mss = offer && c->backend_mss >= offer->mss_max ? 0 : c->backend_mss;
}

static void commit(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_splice splice;

	limit_mss(p, c);
	splice = splice_of(c);
	c->state = SP_CONN_COMMITTING;
	c->up = splice.up;
	sp_store_commit(p->node.store, &splice, sp_conn_ref(p->conns, c));
}

/* The backend's kernel goes on with our handshake, as if our SYN-ACK were its own; so nothing is left to ask it. */
static void adopt(struct sp_proxy *p, struct sp_conn *c)
{
	const struct sp_side *client = &c->client;

	c->backend = (struct sp_side){
		.isn_ours = client->isn_theirs, .isn_theirs = client->isn_ours, .has_ts = client->has_ts,
		.tsval_ours = client->tsval_theirs, .tsval_theirs = client->tsval_ours,
		.wscale_ours = client->wscale_theirs, .wscale_theirs = client->wscale_ours,
	};
	c->window_bytes = c->service->offer.window;
	commit(p, c);
}

/* What leaves from here; in mode split and adopt the backend's host sends to the client. */
static int is_forbidden(const struct sp_proxy *p, const struct sp_conn *c)
{
	const char *name = c->pool->backends[c->backend_idx].name;
	struct sp_tuple to_client = sp_tuple_reverse(&c->front);

	if (!sp_datapath_is_forbidden(p->node.dp, &c->back) &&
	    (c->mode != SP_MODE_WHOLE || !sp_datapath_is_forbidden(p->node.dp, &to_client)))
		return 0;
	sp_warn(SP_WARNING_IPSEC, sp_now_ns(), name, "backend %s gets no connections: an IPsec policy of this host wants packets to "
		"it, or to its client, encrypted or not sent, and the datapath can't encrypt", name);
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
	if (is_forbidden(p, c)) {
		sp_back_release(p, c);
		return -EACCES;
	}
	if (is_adopting(c)) {
		adopt(p, c);
		return 0;
	}
	choose_numbers(p, c);
	c->is_news = 1;
	c->state = SP_CONN_CONNECTING;
	c->deadline_ns = now_ns + c->config->limits.connect_ns;
	send_syn(p, c, c->is_ecn ? SP_TCP_ECE | SP_TCP_CWR : 0, now_ns);
	return 0;
}

/* What the agent is not asked about: see sp_mode_choose(). */
static enum sp_mode_reason obstacle(const struct sp_proxy *p, const struct sp_conn *c)
{
	if (!sp_sync_is_done(p))
		return SP_MODE_NOT_IN_SYNC;
	if (sp_now_ns() < p->store_away_until_ns)
		return SP_MODE_STORE_AWAY;
	return c->mss < (sp_addr_is_v4(&c->front.daddr) ? ADOPT_MSS_MIN_V4 : ADOPT_MSS_MIN_V6) ? SP_MODE_SMALL_MSS :
		SP_MODE_AS_ASKED;
}

static void choose_mode(const struct sp_proxy *p, struct sp_conn *c)
{
	const struct sp_endpoint *at = &c->pool->backends[c->backend_idx].at;
	const struct sp_member *agent = sp_cluster_agent_at(p->node.cluster, at);

	c->mode = sp_mode_choose(c->service->mode, c->pool, agent, sp_mode_obstacle_at(agent, at) ?: obstacle(p, c),
				 &c->mode_reason);
	if (c->acked && c->mode != SP_MODE_WHOLE) {
		c->mode = SP_MODE_WHOLE;
		c->mode_reason = SP_MODE_HEAD_ACKED;
	}
	c->is_ecn_back = is_adopting(c) && c->is_ecn && agent->can & SP_CAN_ECN;
	c->backend_mss = is_adopting(c) && agent->mtu ? agent->mtu - (sp_addr_is_v4(&at->addr) ? 40 : 60) : MSS_ANY;
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

/* A backend towards which all ports are in use counts as a try, too. */
static void try_next(struct sp_proxy *p, struct sp_conn *c)
{
	int is_v4 = sp_addr_is_v4(&c->front.daddr);

	while (c->tries++ < c->config->limits.tries) {
		c->backend_idx = sp_backends_choose(p->backends, c->pool, is_v4, &c->tried, sp_now_ns());
		if (c->backend_idx < 0)
			break;
		choose_mode(p, c);
		if (!open_to(p, c, &c->pool->backends[c->backend_idx].at))
			return;
	}
	sp_reply(p, c, 503);
}

static int is_full(const struct sp_proxy *p)
{
	const struct sp_count *count = sp_datapath_count(p->node.dp);

	return count->splices >= count->max;
}

/*
 * What the store was given, another proxy may have acknowledged on our behalf, if we were suspended and it took us for
 * dead: no client repeats that.
 */
static void own_up(struct sp_conn *c)
{
	if (c->stashing <= c->acked)
		return;
	if (!c->acked)		/* else the store may know no later one than it had before */
		c->stashed_tsval = c->giving_tsval;
	c->acked = c->stashing;
}

/* With a full table no new SYN is answered, but some have been. */
void sp_back_start(struct sp_proxy *p, struct sp_conn *c, int pool_idx)
{
	int is_greedy = pool_idx >= 0 && sp_ager_is_greedy(&p->node.ager, &c->front.saddr);

	p->node.counters.share_full += is_greedy;
	if (pool_idx < 0 || is_greedy || is_full(p)) {
		sp_reply(p, c, pool_idx < 0 ? 404 : 503);
		return;
	}
	c->pool = &c->config->pools[pool_idx];
	own_up(c);
	try_next(p, c);
}

static void failed(struct sp_proxy *p, struct sp_conn *c, enum sp_backend_failure why)
{
	if (why == SP_BACKEND_REFUSED)
		p->node.counters.backend_refused++;
	else
		p->node.counters.backend_silent++;
	sp_backends_failed(p->backends, c->pool, c->backend_idx, why, sp_now_ns());
	sp_back_release(p, c);
	try_next(p, c);
}

static void established(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (c->acked)
		c->client.tsval_theirs = c->stashed_tsval;
	c->backend.isn_theirs = seg->seq;
	c->backend.has_ts = seg->has_ts && c->client.has_ts;
	c->backend.tsval_theirs = seg->tsval;
	c->backend.wscale_theirs = c->backend.wscale_ours < 0 ? -1 : seg->wscale;
	c->is_ecn_back = c->is_ecn && (seg->flags & (SP_TCP_ECE | SP_TCP_CWR)) == SP_TCP_ECE;
	c->backend_mss = seg->mss ?: sp_addr_is_v4(&c->back.daddr) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
	c->window_bytes = seg->window;
	sp_backends_connected(p->backends, c->pool, c->backend_idx);
	sp_offer_learn(p, c, seg);
	commit(p, c);
}

/* Before the backend has answered there is nothing to acknowledge. */
void sp_back_reset(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment rst = {
		.tuple = c->back, .flags = SP_TCP_RST | (c->state == SP_CONN_COMMITTING ? SP_TCP_ACK : 0), .wscale = -1,
		.seq = c->backend.isn_ours + 1, .ack = c->backend.isn_theirs + 1,
	};

	if (!is_adopting(c))	/* else the backend knows nothing of it */
		sp_wire_send(p->node.wire, &rst);
	sp_back_release(p, c);
}

/* The splice is there. A client that has reset it meanwhile gets no byte to its backend, only the RST. */
static void forward(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment rst = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1, .ack = c->client.isn_ours + 1,
		.flags = SP_TCP_RST | SP_TCP_ACK,
	};

	if (!c->is_reset) {
		sp_owe_forward(p, c);
		return;
	}
	sp_proxy_relay(p, &c->up, c->client.isn_theirs, &rst, c->forward_mss);
	sp_proxy_del(p, c);
}

/* What the half alone tells of the handshake with the backend must do. */
void sp_back_join(struct sp_proxy *p, struct sp_conn *c, const struct sp_half *up)
{
	p->node.counters.adopted++;
	c->is_trapped = 0;
	c->up = *up;
	c->backend.has_ts = c->client.has_ts && (up->tsval_delta || up->tsecr_delta);
	c->forward_mss = c->mss < SP_RELAY_MSS ? c->mss : SP_RELAY_MSS;
	c->window_bytes = SP_WINDOW_UNKNOWN;
	forward(p, c);
}

/*
 * The claim is lost. Where the backend sees the client's own address, both proxies have opened the very same
 * connection.
 */
static void lost_to(struct sp_proxy *p, struct sp_conn *c, const struct sp_splice *winner)
{
	const struct sp_streams at = { .client = c->client.isn_theirs + 1 + c->reasm.len };

	if (!memcmp(&winner->up.out, &c->back, sizeof(c->back)))
		sp_back_release(p, c);
	else
		sp_back_reset(p, c);
	if (!sp_splice_install(p->node.dp, winner, &at, winner->up.spliced_s)) {
		sp_sync_fetched(p, winner);
		sp_cluster_introduce(p->node.cluster, winner, winner->up.spliced_s);
		sp_back_join(p, c, &winner->up);
	} else if (sp_stash_owe(p, c)) {
		sp_proxy_del(p, c);
	}
}

/*
 * We were stopped since we asked: whatever others have done meanwhile may be over. If ours was chosen, who gets the
 * next packet finds it in the store, and its port is in use until that is over, too (sync.c).
 */
static void too_late(struct sp_proxy *p, struct sp_conn *c, int err, const struct sp_splice *winner)
{
	if (err == -EEXIST && memcmp(&winner->up.out, &c->back, sizeof(c->back)))
		sp_back_reset(p, c);
	else if (err)
		sp_back_release(p, c);
	c->stashing = 0;	/* the servers keep what was acknowledged, for whoever goes on with it */
	sp_proxy_del(p, c);
}

/* The store has answered: what is held goes on only now. */
void sp_back_committed(struct sp_proxy *p, struct sp_conn *c, int err, const struct sp_splice *winner)
{
	struct sp_splice splice = splice_committed(c);
	const struct sp_streams at = { .client = c->client.isn_theirs + 1 + c->reasm.len,
				       .backend = c->backend.isn_theirs + 1 };
	__u32 refreshed_s = splice.up.spliced_s;

	if (c->is_late) {
		too_late(p, c, err, winner);
		return;
	}
	if (err == -EAGAIN)
		p->store_away_until_ns = sp_now_ns() + STORE_AWAY_NS;
	if (err == -EAGAIN && c->config->store.loss == SP_LOSS_CONTINUE) {
		p->node.counters.unprotected++;
		refreshed_s = 0;
		err = 0;
	}
	if (err == -EEXIST) {
		lost_to(p, c, winner);
		return;
	}
	if (!err)
		err = sp_splice_install(p->node.dp, &splice, &at, refreshed_s);
	if (err) {	/* another proxy may rely on it, found in the store; else its SYN-ACK, repeated, is nobody's */
		p->node.counters.commit_failed++;
		sp_back_release(p, c);
		if (sp_stash_owe(p, c))
			sp_proxy_del(p, c);
		return;
	}
	c->is_trapped = 0;	/* the half of the splice has taken the mark's place */
	p->node.counters.spliced++;
	sp_ager_made(&p->node.ager, &c->front.saddr);
	count_mode(p, c);
	sp_conn_unlink_back(p->conns, c);
	sp_cluster_introduce(p->node.cluster, &splice, refreshed_s);
	if (is_adopting(c) && !c->is_reset)
		sp_reintroduce_add(p->reintroductions, &splice, &c->client, c->window, !c->reasm.len, sp_now_ns());
	forward(p, c);
}

/* Before we are in sync, that port may be of a splice that another proxy carries, and an RST would end it. */
static void leave_port(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_endpoint to = { c->back.daddr, c->back.dport }, our = { c->back.saddr, c->back.sport };

	__u64 deadline_ns = c->deadline_ns;

	p->node.counters.ports_avoided++;
	sp_port_seen(p->node.ports, &to, &our);
	sp_back_release(p, c);
	if (open_to(p, c, &to))
		try_next(p, c);
	else
		c->deadline_ns = deadline_ns;
}

/*
 * Of an older connection on this port (RFC 9293, 3.10.7.3): it is reset, and the SYN repeated at once. A backend that
 * goes on like this is heard once for each SYN that the timer sends.
 */
static void foreign_ack(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	int is_others = c->pool->source == SP_SOURCE_SNAT && !sp_sync_is_done(p);

	if (c->reactions >= (is_others ? PORTS_LEFT_MAX : 1))
		return;
	c->reactions++;
	if (is_others) {
		leave_port(p, c);
		return;
	}
	sp_reply_reset(p, seg);
	send_syn(p, c, 0, sp_now_ns());
}

static int acks_our_syn(const struct sp_conn *c, const struct sp_segment *seg)
{
	return seg->flags & SP_TCP_ACK && seg->ack == c->backend.isn_ours + 1;
}

/* @seg: from a backend; no half carries it */
void sp_back_event(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);
	struct sp_conn *c = sp_conn_by_back(p->conns, &key);

	if (!c) {
		sp_miss_back(p, seg, is_relayed);
	} else if (c->state != SP_CONN_CONNECTING) {
		return;
	} else if (c->pool->source == SP_SOURCE_CLIENT && sp_node_is_shared(&p->node) &&
		   (!acks_our_syn(c, seg) || !(seg->flags & (SP_TCP_SYN | SP_TCP_RST)))) {
		/* perhaps of one that another proxy has made, and whose client has not sent a byte so far */
		sp_miss_stray(p, seg, SP_STRAY_F_BACK | SP_STRAY_F_MINE);
	} else if (!acks_our_syn(c, seg)) {
		if ((seg->flags & (SP_TCP_ACK | SP_TCP_RST)) == SP_TCP_ACK)
			foreign_ack(p, c, seg);
	} else if (seg->flags & SP_TCP_RST) {
		failed(p, c, SP_BACKEND_REFUSED);
	} else if (seg->flags & SP_TCP_SYN) {
		established(p, c, seg);
	}
}

/*
 * An ICMP error. That there is no way for our SYN ends the try, as it does for Linux, if it quotes its very number
 * (RFC 5927, 4.1). Where others have splices, it may be about one of theirs.
 */
void sp_back_quoted(struct sp_proxy *p, const struct sp_event *ev)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_back(p->conns, &back);
	struct sp_quote quote;

	if (sp_segment_parse_quote(ev, &quote))
		p->node.counters.segment_bad++;
	else if (!c)
		sp_miss_quoted(p, &ev->tuple);
	else if (c->state == SP_CONN_CONNECTING && quote.seq == c->backend.isn_ours && !quote.is_too_big)
		failed(p, c, SP_BACKEND_REFUSED);
}

/*
 * Where the backend sees clients' own addresses, it may have this connection from another proxy, by which the client's
 * handshake went; and in mode split what it says to our SYN doesn't come here.
 */
void sp_back_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (c->pool->source == SP_SOURCE_CLIENT)
		sp_head_ask_store(p, c);
	if (now_ns >= c->deadline_ns) {
		failed(p, c, SP_BACKEND_SILENT);
	} else if (now_ns >= c->again_ns) {
		c->reactions = 0;
		send_syn(p, c, 0, now_ns);
	}
}
