// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * A connection is here from its first data segment (with a valid cookie) until
 * its splice, usually for one round trip to a backend.
 *
 *	HEAD	    bytes are held, unacknowledged, until the head is whole
 *	CONNECTING  a SYN of ours is out; what the client sends is held
 *	COMMITTING  the backend is there; the store is asked
 *	OWING	    spliced, but the backend lacks bytes that we have acknowledged
 *	ANSWERED    an answer of our own is out; its FIN is waited for
 *
 * From HEAD: to CONNECTING (a pool was found), to ANSWERED (400, 404, 408, 431).
 * From CONNECTING: to COMMITTING; to CONNECTING with another backend after a
 * refusal or silence; to ANSWERED (503). From COMMITTING: to the splice, which
 * ends it here, or by way of OWING when stash.c had to acknowledge something (owe.c).
 *
 * Nothing that only we hold is acknowledged (law 1): what is lost here, the
 * client repeats. The halves are committed before any byte is forwarded (law 3).
 *
 * head.c holds and reads the head, stash.c acknowledges what must be, back.c is
 * the connection to the backend, answer.c what we say ourselves, miss.c what
 * belongs to no connection here, and sync.c which ports others use for us.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "node/role.h"
#include "proxy/proxy.h"
#include "proxy/offer.h"
#include "node/local.h"
#include "tcp/relay.h"

#define PARSE_PER_TICK	(1024 * 1024)	/* see head.c */
#define EVENT_OLD_MS	2000
#define RECLAIM_PER_TICK 2048		/* some 2 ms of 20 */
#define QUOTES_PER_TICK	64
#define IP_MTU_LEAST	68	/* RFC 791, 3.2 */
#define IP_TCP_BYTES	40
#define HOLDS_MANY	64
#define STOPPED_NS	1000000000ULL	/* nobody has heard of us for so long: others did our work */

/* What was acknowledged stays with the servers: its heir has it, or we are that (heir.c). */
static void leave(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;

	c->is_late = c->state == SP_CONN_COMMITTING;
	if (c->is_late || c->state == SP_CONN_OWING ||
	    (c->state == SP_CONN_REPLIED && !c->is_unsent))
		return;
	c->stashing = 0;
	if (c->state == SP_CONN_CONNECTING)
		sp_back_release(p, c);
	sp_proxy_del(p, c);
}

/*
 * We were stopped, and go on. Other proxies did meanwhile what clients repeated, and where that is over, the store has
 * forgotten it: a request that we still hold might win its claim, and run again. So all goes on as if we had just been
 * started: clients repeat what nobody did. What is being claimed was claimed in time, or is late for the servers.
 *
 * Strays go on a lone proxy, too. Those of before the stop have aged, while the segment that explains them lies in the
 * ring: the next one would be taken for the second of a connection that nobody knows, and its client be reset.
 */
void sp_proxy_awake(struct sp_proxy *p)
{
	__u64 now_ns = sp_now_ns(), stopped_ns = now_ns - p->awake_ns;

	p->awake_ns = now_ns;
	if (stopped_ns < STOPPED_NS)
		return;
	sp_strays_clear(p->node.strays);
	if (!sp_node_is_shared(&p->node))
		return;
	p->node.counters.stopped++;
	log_warn("this daemon was stopped for %llu ms: what it held is left to others", stopped_ns / 1000000);
	sp_conns_each(p->conns, leave, p);
	sp_strays_clear(p->sent_home);
	sp_takeover_start(p);
}

/* Elsewhere than at its home, a mark would keep packets from getting there. */
void sp_proxy_trap(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };

	if (!sp_cluster_is_home(p->node.cluster, &c->front))
		return;
	if (c->state == SP_CONN_REPLIED)
		mark.flags |= SP_HALF_F_REPLIED;
	else if (c->is_trapped)
		return;
	c->is_trapped = !sp_datapath_put(p->node.dp, &c->front, &mark, NULL, NULL);
}

void sp_proxy_del(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->is_trapped)
		sp_datapath_del(p->node.dp, &c->front);
	sp_stash_drop(p, c);
	p->held_bytes -= sp_head_pages(c);
	sp_config_put(c->config);
	sp_conn_del(p->conns, c);
}

struct sp_segment sp_proxy_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes)
{
	__u32 room = SP_CONN_BUF - c->reasm.len;

	if (c->client.wscale_ours > 0)
		room >>= c->client.wscale_ours;
	return (struct sp_segment){
		.tuple = sp_tuple_reverse(&c->front), .flags = flags, .window = room < 65535 ? room : 65535,
		.wscale = -1,
		.seq = c->client.isn_ours + 1, .ack = c->client.isn_theirs + 1 + ack_bytes,
		.has_ts = c->client.has_ts, .tsval = c->client.tsval_ours, .tsecr = c->client.tsval_theirs,
	};
}

/* The half says "to the daemon": a backend's answer (source: client), or a client whose head or answer is with us. */
static void on_held(struct sp_proxy *p, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_front(p->conns, &ev->tuple);

	if (sp_conn_by_back(p->conns, &back))
		sp_back_event(p, seg, 0);
	else if (c)
		sp_head_more(p, c, seg);
	else
		sp_miss_left_behind(p, seg);
}

/*
 * What the ring still has of the time when nobody looked. Soon after, it saves the client a repetition; later, another
 * proxy may have served all of it, and everybody may have forgotten that: it must not run again.
 */
static int is_old(const struct sp_proxy *p, const struct sp_event *ev)
{
	__u64 closed_ms = p->node.config->limits.closed_ns / 1000000;
	__u32 age_ms = (__u32)(sp_now_ns() / 1000000) - ev->came_ms;

	return age_ms >= (closed_ms < EVENT_OLD_MS ? closed_ms : EVENT_OLD_MS) && age_ms < 1U << 31;
}

/* As in the datapath, see track_end(). */
static int rst_counts(struct sp_proxy *p, const struct sp_half *half, const struct sp_segment *seg)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&half->out);
	struct sp_entry own, peer;

	return !sp_datapath_get(p->node.dp, &seg->tuple, &own) && !sp_datapath_get(p->node.dp, &peer_key, &peer) &&
	       sp_rst_is_plausible(seg->seq, &own.state, &peer.state);
}

/* Where others may know more of the stream, they are asked: who finds that it fits tells all of it (ENDS). */
static int fin_counts(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn, const struct sp_segment *seg)
{
	const struct sp_fin fin = { .seq = seg->seq, .end = seg->seq + seg->payload_len + 1,
				    .ack = seg->ack + half->ack_delta };
	enum sp_fin_verdict verdict = sp_splice_judge(p->node.dp, &seg->tuple, client_isn, &fin);

	if (verdict == SP_FIN_FITS)
		return 1;
	if (!sp_node_is_shared(&p->node))
		return verdict == SP_FIN_UNKNOWN;
	sp_cluster_tell_fin(p->node.cluster, &seg->tuple, client_isn, &fin);
	return 0;
}

void sp_proxy_relay(struct sp_proxy *p, const struct sp_half *half, __u32 client_isn, const struct sp_segment *seg,
		    __u16 mss)
{
	int is_down = half->flags & SP_HALF_F_FROM_BACKEND;
	struct sp_patch note = {
		.front = is_down ? sp_tuple_reverse(&half->out) : seg->tuple, .client_isn = client_isn,
	};

	if (seg->flags & SP_TCP_FIN && fin_counts(p, half, client_isn, seg))
		note.flags |= SP_STATE_FIN;
	if (seg->flags & SP_TCP_RST && rst_counts(p, half, seg))
		note.flags |= SP_STATE_RST;
	if (is_down)
		note.flags = sp_ends_mirrored(note.flags);
	sp_relay(p->node.wire, half, seg, mss);
	if (note.flags)
		sp_datapath_patch(p->node.dp, &note);
}

/* All others that have the closed splice leave it behind, too. */
static void on_reused(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, front, &e) && e.state.flags & SP_STATE_REUSED)
		sp_cluster_tell_ends(p->node.cluster, front, e.meta.client_isn, e.state.flags);
}

/* Of IPv4. */
static void on_pieces(struct sp_proxy *p, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &ev->tuple, &e) || e.half.flags & SP_HALF_F_TO_DAEMON || ev->mtu < IP_MTU_LEAST)
		return;
	sp_proxy_relay(p, &e.half, e.meta.client_isn, seg, ev->mtu - IP_TCP_BYTES);
}

static void event(struct sp_node *node, const struct sp_event *ev)
{
	struct sp_proxy *p = (struct sp_proxy *)node;
	struct sp_segment seg;

	sp_proxy_awake(p);
	if (is_old(p, ev)) {
		p->node.counters.event_old++;
		return;
	}
	if (ev->kind == SP_EVENT_TOO_BIG) {
		sp_wire_send_too_big(p->node.wire, ev);
		return;
	}
	if (ev->kind == SP_EVENT_QUOTE) {
		sp_back_quoted(p, ev);
		return;
	}
	if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev)) {
		p->node.counters.segment_bad++;
		return;
	}
	switch (ev->kind) {
	case SP_EVENT_SYNACK:
		seg.tuple = sp_tuple_reverse(&ev->tuple);
		sp_synack_add(p->synacks, &seg, sp_now_ns());
		break;
	case SP_EVENT_FRONT:
		sp_head_begin(p, &seg, ev->cookie, sp_cluster_is_home(p->node.cluster, &seg.tuple));
		break;
	case SP_EVENT_BACK: sp_back_event(p, &seg, 0); break;
	case SP_EVENT_PIECES: on_pieces(p, ev, &seg); break;
	case SP_EVENT_HELD: on_held(p, ev, &seg); break;
	case SP_EVENT_REUSED: on_reused(p, &seg.tuple); break;
	case SP_EVENT_MISS:
		if (seg.flags & SP_TCP_RST)
			sp_miss_rst(p, &seg);
		sp_miss_event(p, &seg, sp_cluster_is_home(p->node.cluster, &seg.tuple));
		break;
	case SP_EVENT_UNTAKEN: break;	/* an agent's */
	}
}

static void tick_conn(void *ctx, struct sp_conn *c)
{
	struct sp_proxy *p = ctx;
	__u64 now_ns = sp_now_ns();

	switch (c->state) {
	case SP_CONN_FREE:
	case SP_CONN_COMMITTING:
		break;
	case SP_CONN_HEAD:
		sp_head_tick(p, c, now_ns);
		break;
	case SP_CONN_CONNECTING:
		sp_back_tick(p, c, now_ns);
		break;
	case SP_CONN_OWING:
		sp_stash_tick(p, c, now_ns);
		break;
	case SP_CONN_REPLIED:
		if (now_ns >= c->deadline_ns)
			sp_proxy_del(p, c);
		break;
	}
}

/* Another proxy may have it: then it is here when the store has answered. */
static int is_here(void *ctx, const struct sp_tuple *front)
{
	struct sp_proxy *p = ctx;
	struct sp_entry e;

	if (sp_conn_by_front(p->conns, front) || !sp_datapath_get(p->node.dp, front, &e))
		return 1;
	if (sp_node_is_shared(&p->node))
		sp_store_fetch(p->node.store, front);
	return 0;
}

static void tick(struct sp_node *node)
{
	struct sp_proxy *p = (struct sp_proxy *)node;

	sp_proxy_awake(p);
	p->parse_budget = PARSE_PER_TICK;
	p->reclaim_budget = RECLAIM_PER_TICK;
	p->quote_budget = QUOTES_PER_TICK;
	sp_sync_tick(p, sp_now_ns());
	sp_conns_each(p->conns, tick_conn, p);
	sp_takeover_tick(p, sp_now_ns());
	sp_offer_tick(p, sp_now_ns());
	sp_degraded_tick(&p->degraded, p->node.cluster, sp_now_ns());
	if (sp_node_is_shared(&p->node))
		sp_miss_tick(p);
	p->node.counters.introduced_again += sp_reintroduce_tick(p->reintroductions, p->node.dp, p->node.cluster, p->node.wire, sp_now_ns());
	sp_synack_tick(p->synacks, p->node.wire, sp_now_ns(), is_here, p);
}

/*
 * All ports towards a backend are taken: what has ended gives way before its time, and else what belongs to a client
 * that holds much more than the one who wants it.
 */
static int on_shortage(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	struct sp_tuple back = { .saddr = from->addr, .sport = from->port_be, .daddr = to->addr, .dport = to->port_be };
	struct sp_proxy *p = ctx;

	if (!p->reclaim_budget)
		return -EBUSY;
	/* who holds many will hardly find a port, and must not keep others from looking */
	if (p->reclaim_budget < RECLAIM_PER_TICK / 2 && sp_ager_held_by(&p->node.ager, p->wanting) >= HOLDS_MANY)
		return -EBUSY;
	p->reclaim_budget--;
	if (sp_ager_reclaim(&p->node.ager, &p->node.config->limits, &back))
		p->node.counters.ports_reclaimed++;
	else
		p->node.counters.gave_way += sp_ager_give_way(&p->node.ager, &back, p->wanting);
	return 0;
}

static struct sp_proxy *proxy_of(struct sp_node *node)
{
	return (struct sp_proxy *)node;
}

static void close_proxy(struct sp_node *node)
{
	struct sp_proxy *p = proxy_of(node);

	if (!p)
		return;
	sp_conns_free(p->conns);
	sp_strays_free(p->sent_home);
	sp_synacks_free(p->synacks);
	sp_reintroductions_free(p->reintroductions);
	sp_takeover_free(p->takeover);
	sp_backends_free(p->backends);
	sp_node_fini(&p->node);
	free(p);
}

static int configure(struct sp_node *node, struct sp_config *config)
{
	struct sp_proxy *p = proxy_of(node);
	int err;

	if (!node->ports) {
		err = sp_ports_new(config->snat_addrs, config->snat_count, config->snat_port_first,
				   config->snat_port_last, &node->ports);
		if (err)
			return err;
		sp_ports_on_shortage(node->ports, on_shortage, p);
	}
	if (p->backends)
		sp_offer_forget(p);
	err = p->backends ? sp_backends_configure(p->backends, config) : sp_backends_new(config, &p->backends);
	if (err)
		return err;
	sp_node_configure(node, config);
	sp_degraded_configure(&p->degraded, config, sp_now_ns());
	sp_local_warn(config);
	return 0;
}

static int open_proxy(const struct sp_node_parts *parts, struct sp_config *config, struct sp_node **ret_node)
{
	struct sp_proxy *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->awake_ns = sp_now_ns();
	err = sp_node_init(&p->node, &sp_proxy_role, parts);
	p->sent_home = sp_strays_new();
	p->synacks = sp_synacks_new();
	p->reintroductions = sp_reintroductions_new();
	p->takeover = sp_takeover_new();
	if (!p->sent_home || !p->synacks || !p->reintroductions || !p->takeover)
		err = -ENOMEM;
	err = err ?: sp_conns_new(config->limits.pending, &p->conns);
	err = err ?: configure(&p->node, config);
	if (err) {
		close_proxy(&p->node);
		return err;
	}
	sp_dispatch_subscribe(p);
	*ret_node = &p->node;
	return 0;
}

static void recover(struct sp_node *node)
{
	struct sp_proxy *p = proxy_of(node);

	p->awake_ns = sp_now_ns();
	sp_takeover_start(p);
	sp_sync_start(p);
}

static int is_in_sync(const struct sp_node *node)
{
	return sp_sync_is_done((const struct sp_proxy *)node);
}

static unsigned int pending(const struct sp_node *node)
{
	return sp_conns_count(((const struct sp_proxy *)node)->conns);
}

static const struct sp_backends *backends(const struct sp_node *node)
{
	return ((const struct sp_proxy *)node)->backends;
}

static const struct sp_degraded *degraded(const struct sp_node *node)
{
	return &((const struct sp_proxy *)node)->degraded;
}

const struct sp_role sp_proxy_role = {
	.name = "spliced", .config_path = "/etc/spliced/spliced.yaml", .load = sp_config_load,
	.open = open_proxy, .close = close_proxy, .recover = recover, .configure = configure,
	.event = event, .tick = tick, .is_in_sync = is_in_sync, .pending = pending,
	.backends = backends, .degraded = degraded,
};
