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
#include "node/front.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "proxy/front_internal.h"
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
	struct sp_front *f = ctx;

	c->is_late = c->state == SP_CONN_COMMITTING;
	if (c->is_late || c->state == SP_CONN_OWING ||
	    (c->state == SP_CONN_ANSWERED && !c->is_unsaid))
		return;
	c->stashing = 0;
	if (c->state == SP_CONN_CONNECTING)
		sp_back_release(f, c);
	sp_front_del(f, c);
}

/*
 * We were stopped, and go on. Other proxies did meanwhile what clients repeated, and where that is over, the store has
 * forgotten it: a request that we still hold might win its claim, and run again. So all goes on as if we had just been
 * started: clients repeat what nobody did. What is being claimed was claimed in time, or is late for the servers.
 *
 * Strays go on a lone proxy, too. Those of before the stop have aged, while the segment that explains them lies in the
 * ring: the next one would be taken for the second of a connection that nobody knows, and its client be reset.
 */
void sp_front_awake(struct sp_front *f)
{
	__u64 now_ns = sp_now_ns(), stopped_ns = now_ns - f->awake_ns;

	f->awake_ns = now_ns;
	if (stopped_ns < STOPPED_NS)
		return;
	sp_strays_clear(f->strays);
	if (!sp_carrier_is_shared(&f->carrier))
		return;
	f->counters.stopped++;
	log_warn("this daemon was stopped for %llu ms: what it held is left to others", stopped_ns / 1000000);
	sp_conns_each(f->conns, leave, f);
	sp_strays_clear(f->told);
	sp_heir_start(f);
}

/* Elsewhere than at its home, a mark would keep packets from getting there. */
void sp_front_mark(struct sp_front *f, struct sp_conn *c)
{
	struct sp_half mark = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };

	if (!sp_cluster_is_home(f->cluster, &c->front))
		return;
	if (c->state == SP_CONN_ANSWERED)
		mark.flags |= SP_HALF_F_ANSWERED;
	else if (c->is_marked)
		return;
	c->is_marked = !sp_datapath_put(f->dp, &c->front, &mark, NULL, NULL);
}

void sp_front_del(struct sp_front *f, struct sp_conn *c)
{
	if (c->is_marked)
		sp_datapath_del(f->dp, &c->front);
	sp_stash_drop(f, c);
	f->held_bytes -= sp_head_pages(c);
	sp_config_put(c->config);
	sp_conn_del(f->conns, c);
}

struct sp_segment sp_front_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes)
{
	__u32 room = SP_CONN_BUF - c->held.len;

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
static void on_held(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&ev->tuple);
	struct sp_conn *c = sp_conn_by_front(f->conns, &ev->tuple);

	if (sp_conn_by_back(f->conns, &back))
		sp_back_event(f, seg, 0);
	else if (c)
		sp_head_more(f, c, seg);
	else
		sp_miss_left_behind(f, seg);
}

/*
 * What the ring still has of the time when nobody looked. Soon after, it saves the client a repetition; later, another
 * proxy may have served all of it, and everybody may have forgotten that: it must not run again.
 */
static int is_old(const struct sp_front *f, const struct sp_event *ev)
{
	__u64 closed_ms = f->config->limits.closed_ns / 1000000;
	__u32 age_ms = (__u32)(sp_now_ns() / 1000000) - ev->came_ms;

	return age_ms >= (closed_ms < EVENT_OLD_MS ? closed_ms : EVENT_OLD_MS) && age_ms < 1U << 31;
}

/* As in the datapath, see track_end(). */
static int rst_counts(struct sp_front *f, const struct sp_half *half, const struct sp_segment *seg)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&half->out);
	struct sp_entry own, peer;

	return !sp_datapath_get(f->dp, &seg->tuple, &own) && !sp_datapath_get(f->dp, &peer_key, &peer) &&
	       sp_rst_is_plausible(seg->seq, &own.use, &peer.use);
}

/* Where others may know more of the stream, they are asked: who finds that it fits tells all of it (ENDS). */
static int fin_counts(struct sp_front *f, const struct sp_half *half, __u32 client_isn, const struct sp_segment *seg)
{
	const struct sp_fin fin = { .seq = seg->seq, .end = seg->seq + seg->payload_len + 1,
				    .ack = seg->ack + half->ack_delta };
	enum sp_fin_verdict verdict = sp_splice_judge(f->dp, &seg->tuple, client_isn, &fin);

	if (verdict == SP_FIN_FITS)
		return 1;
	if (!sp_carrier_is_shared(&f->carrier))
		return verdict == SP_FIN_UNKNOWN;
	sp_cluster_tell_fin(f->cluster, &seg->tuple, client_isn, &fin);
	return 0;
}

void sp_front_relay(struct sp_front *f, const struct sp_half *half, __u32 client_isn, const struct sp_segment *seg,
		    __u16 mss)
{
	int is_down = half->flags & SP_HALF_F_FROM_BACKEND;
	struct sp_note note = {
		.front = is_down ? sp_tuple_reverse(&half->out) : seg->tuple, .client_isn = client_isn,
	};

	if (seg->flags & SP_TCP_FIN && fin_counts(f, half, client_isn, seg))
		note.state |= SP_USE_S_FIN;
	if (seg->flags & SP_TCP_RST && rst_counts(f, half, seg))
		note.state |= SP_USE_S_RST;
	if (is_down)
		note.state = sp_ends_mirrored(note.state);
	sp_relay(f->wire, half, seg, mss);
	if (note.state)
		sp_datapath_note(f->dp, &note);
}

/* All others that have the closed splice leave it behind, too. */
static void on_reused(struct sp_front *f, const struct sp_tuple *front)
{
	struct sp_entry e;

	if (!sp_datapath_get(f->dp, front, &e) && e.use.state & SP_USE_S_REUSED)
		sp_cluster_tell_ends(f->cluster, front, e.tag.client_isn, e.use.state);
}

/* Of IPv4. */
static void on_pieces(struct sp_front *f, const struct sp_event *ev, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(f->dp, &ev->tuple, &e) || e.half.flags & SP_HALF_F_TO_DAEMON || ev->mtu < IP_MTU_LEAST)
		return;
	sp_front_relay(f, &e.half, e.tag.client_isn, seg, ev->mtu - IP_TCP_BYTES);
}

void sp_front_event(struct sp_front *f, const struct sp_event *ev)
{
	struct sp_segment seg;

	sp_front_awake(f);
	if (is_old(f, ev)) {
		f->counters.event_old++;
		return;
	}
	if (ev->kind == SP_EVENT_TOO_BIG) {
		sp_wire_send_too_big(f->wire, ev);
		return;
	}
	if (ev->kind == SP_EVENT_QUOTE) {
		sp_back_quoted(f, ev);
		return;
	}
	if (sp_segment_parse(ev, &seg) || !sp_segment_is_intact(ev)) {
		f->counters.segment_bad++;
		return;
	}
	switch (ev->kind) {
	case SP_EVENT_SYNACK:
		seg.tuple = sp_tuple_reverse(&ev->tuple);
		sp_nudge_add(f->nudges, &seg, sp_now_ns());
		break;
	case SP_EVENT_FRONT:
		sp_head_begin(f, &seg, ev->cookie, sp_cluster_is_home(f->cluster, &seg.tuple));
		break;
	case SP_EVENT_BACK: sp_back_event(f, &seg, 0); break;
	case SP_EVENT_PIECES: on_pieces(f, ev, &seg); break;
	case SP_EVENT_HELD: on_held(f, ev, &seg); break;
	case SP_EVENT_REUSED: on_reused(f, &seg.tuple); break;
	case SP_EVENT_MISS:
		if (seg.flags & SP_TCP_RST)
			sp_miss_rst(f, &seg);
		sp_miss_event(f, &seg, sp_cluster_is_home(f->cluster, &seg.tuple));
		break;
	case SP_EVENT_UNTAKEN: break;	/* an agent's */
	}
}

static void tick(void *ctx, struct sp_conn *c)
{
	struct sp_front *f = ctx;
	__u64 now_ns = sp_now_ns();

	switch (c->state) {
	case SP_CONN_FREE:
	case SP_CONN_COMMITTING:
		break;
	case SP_CONN_HEAD:
		sp_head_tick(f, c, now_ns);
		break;
	case SP_CONN_CONNECTING:
		sp_back_tick(f, c, now_ns);
		break;
	case SP_CONN_OWING:
		sp_stash_tick(f, c, now_ns);
		break;
	case SP_CONN_ANSWERED:
		if (now_ns >= c->deadline_ns)
			sp_front_del(f, c);
		break;
	}
}

/* Another proxy may have it: then it is here when the store has answered. */
static int is_here(void *ctx, const struct sp_tuple *front)
{
	struct sp_front *f = ctx;
	struct sp_entry e;

	if (sp_conn_by_front(f->conns, front) || !sp_datapath_get(f->dp, front, &e))
		return 1;
	if (sp_carrier_is_shared(&f->carrier))
		f->store->engine->fetch(f->store, front);
	return 0;
}

void sp_front_tick(struct sp_front *f)
{
	sp_front_awake(f);
	f->parse_budget = PARSE_PER_TICK;
	f->reclaim_budget = RECLAIM_PER_TICK;
	f->quote_budget = QUOTES_PER_TICK;
	sp_sync_tick(f, sp_now_ns());
	sp_conns_each(f->conns, tick, f);
	sp_heir_tick(f, sp_now_ns());
	sp_offer_tick(f, sp_now_ns());
	sp_shortfalls_tick(&f->shortfalls, f->cluster, sp_now_ns());
	if (sp_carrier_is_shared(&f->carrier))
		sp_miss_tick(f);
	f->counters.introduced_again += sp_unheard_tick(f->unheards, f->dp, f->cluster, f->wire, sp_now_ns());
	sp_nudge_tick(f->nudges, f->wire, sp_now_ns(), is_here, f);
}

/*
 * All ports towards a backend are taken: what has ended gives way before its time, and else what belongs to a client
 * that holds much more than the one who wants it.
 */
static int on_shortage(void *ctx, const struct sp_endpoint *to, const struct sp_endpoint *from)
{
	struct sp_tuple back = { .saddr = from->addr, .sport = from->port_be, .daddr = to->addr, .dport = to->port_be };
	struct sp_front *f = ctx;

	if (!f->reclaim_budget)
		return -EBUSY;
	/* who holds many will hardly find a port, and must not keep others from looking */
	if (f->reclaim_budget < RECLAIM_PER_TICK / 2 && sp_ager_held_by(&f->ager, f->wanting) >= HOLDS_MANY)
		return -EBUSY;
	f->reclaim_budget--;
	if (sp_ager_reclaim(&f->ager, &f->config->limits, &back))
		f->counters.ports_reclaimed++;
	else
		f->counters.gave_way += sp_ager_give_way(&f->ager, &back, f->wanting);
	return 0;
}

int sp_front_new(struct sp_datapath *dp, struct sp_wire *wire, struct sp_store *store, struct sp_cluster *cluster,
		 struct sp_config *config, struct sp_front **ret_front)
{
	struct sp_front *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->awake_ns = sp_now_ns();
	err = sp_carrier_init(&f->carrier, dp, wire, store, cluster);
	f->told = sp_strays_new();
	f->nudges = sp_nudges_new();
	f->unheards = sp_unheards_new();
	f->heir = sp_heir_new();
	if (!f->told || !f->nudges || !f->unheards || !f->heir)
		err = -ENOMEM;
	err = err ?: sp_conns_new(config->limits.pending, &f->conns);
	err = err ?: sp_front_configure(f, config);
	if (err) {
		sp_front_free(f);
		return err;
	}
	sp_front_listen(f);
	*ret_front = f;
	return 0;
}

int sp_front_configure(struct sp_front *f, struct sp_config *config)
{
	int err;

	if (!f->ports) {
		err = sp_ports_new(config->snat_addrs, config->snat_count, config->snat_port_first,
				   config->snat_port_last, &f->ports);
		if (err)
			return err;
		sp_ports_on_shortage(f->ports, on_shortage, f);
	}
	if (f->backends)
		sp_offer_forget(f);
	err = f->backends ? sp_backends_configure(f->backends, config) : sp_backends_new(config, &f->backends);
	if (err)
		return err;
	sp_carrier_configure(&f->carrier, config);
	sp_shortfalls_configure(&f->shortfalls, config, sp_now_ns());
	sp_local_warn(config);
	return 0;
}

void sp_front_recover(struct sp_front *f)
{
	f->awake_ns = sp_now_ns();
	sp_heir_start(f);
	sp_sync_start(f);
}

void sp_front_free(struct sp_front *f)
{
	if (!f)
		return;
	sp_conns_free(f->conns);
	sp_strays_free(f->told);
	sp_nudges_free(f->nudges);
	sp_unheards_free(f->unheards);
	sp_heir_free(f->heir);
	sp_backends_free(f->backends);
	sp_carrier_fini(&f->carrier);
	free(f);
}

const struct sp_backends *sp_front_backends(const struct sp_front *f)
{
	return f->backends;
}

const struct sp_shortfalls *sp_front_shortfalls(const struct sp_front *f)
{
	return &f->shortfalls;
}

struct sp_carrier *sp_front_carrier(struct sp_front *f)
{
	return &f->carrier;
}

unsigned int sp_front_pending(const struct sp_front *f)
{
	return sp_conns_count(f->conns);
}
