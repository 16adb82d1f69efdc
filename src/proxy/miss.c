// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * miss.c - packets of connections that this machine does not know
 *
 * They belong to a splice of another proxy, came before their connection
 * (reordered, or after a restart), were overtaken by their splice on the way
 * up here, or their connection is dead. They wait a second among the strays
 * while the store is asked; nobody is told RST before that (law 4).
 *
 * Has nobody made the splice yet, the segment is for the home of its
 * connection; there it waits for the others of the head, and meanwhile the
 * store is asked again, since another proxy may have the whole head and be
 * about to commit. Does the store say "nobody" twice, a second apart, the
 * connection is dead.
 *
 * A home is known to be dead when it has been silent for a while, and what it
 * was told meanwhile is lost. So that is kept, and told again to whoever is the
 * home now: clients are slower to repeat it, twice as slow each time.
 *
 * What a backend sends is for whoever has opened its connection: the owner of
 * the address that it goes to. Where that is the client's own, all are told.
 */
#include <errno.h>
#include <string.h>

#include "proxy/proxy.h"
#include "tcp/relay.h"

#define MISSED_NS	5000000000ULL	/* a client repeats itself twice at least */
#define TELL_AGAIN_MAX	4096	/* of what a dead home was told: one that was told more has a flood of small pieces */
#define AGAIN_PER_TICK	256	/* what a flood makes us ask over again: 12800 a second */

void sp_miss_stray(struct sp_proxy *p, const struct sp_segment *seg, __u8 flags)
{
	p->node.counters.stray_kept++;
	sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, flags, sp_now_ns());
	sp_store_fetch(p->node.store, &seg->tuple);
}

static int is_own(const struct sp_proxy *p, const struct sp_addr *addr)
{
	for (size_t i = 0; i < p->node.config->snat_count; i++)
		if (sp_addr_equal(&p->node.config->snat_addrs[i], addr))
			return 1;
	return 0;
}

static void tell_opener(struct sp_proxy *p, const struct sp_segment *seg)
{
	if (sp_cluster_tell_owner(p->node.cluster, SP_EVENT_BACK, seg))
		sp_cluster_tell_all(p->node.cluster, SP_EVENT_BACK, seg);
}

/* The splice was made while this was on its way up here. */
void sp_miss_overtaken(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *seg)
{
	if (e->half.flags & SP_HALF_F_TO_DAEMON || seg->flags & SP_TCP_SYN)
		return;
	p->node.counters.relayed++;
	sp_proxy_relay(p, &e->half, e->meta.client_isn, seg, SP_RELAY_MSS);
}

/* The datapath takes it for one of the client's next connection from that port: the store knows. */
static int is_of_closed(const struct sp_proxy *p, const struct sp_entry *e)
{
	return sp_node_is_shared(&p->node) && sp_state_is_closed(&e->state);
}

/*
 * A client that has sent nothing so far asks whether we are there: by the number before its first byte, with or without
 * a byte of garbage (RFC 1122, 4.2.3.6).
 */
static int is_probe(const struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_segment first = *seg;

	first.seq++;
	return seg->payload_len <= 1 && !(seg->flags & SP_TCP_FIN) && sp_datapath_cookie(p->node.dp, &first);
}

/*
 * What it opened a while ago is still there, as nothing has to be kept for it: no stray. Where the server speaks first
 * there has been a splice since the handshake, perhaps at another proxy.
 */
static int is_of_silent_client(struct sp_proxy *p, const struct sp_segment *seg, int is_home)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, &seg->tuple);
	__u8 flags = seg->flags & (SP_TCP_SYN | SP_TCP_RST | SP_TCP_ACK);
	enum sp_cookie cookie;

	if (!service || service->protocol == SP_PROTOCOL_TCP || flags != SP_TCP_ACK)
		return 0;
	if (is_probe(p, seg)) {
		sp_reply_probe(p, seg);
		return 1;
	}
	cookie = sp_datapath_cookie(p->node.dp, seg);
	if (!cookie)
		return 0;
	if (seg->payload_len || seg->flags & SP_TCP_FIN) {
		p->node.counters.heads_late++;
		sp_head_begin(p, seg, cookie, is_home);
	}
	return 1;
}

/* @e: half of an older connection; NULL: there is none. What began that one does not begin anything again. */
static void unknown(struct sp_proxy *p, const struct sp_segment *seg, const struct sp_entry *e, int is_home)
{
	if ((e && e->meta.client_isn == seg->seq - 1) || !is_of_silent_client(p, seg, is_home))
		sp_miss_stray(p, seg, is_home ? SP_STRAY_F_MINE : 0);
}

/* Neither half nor cookie: a later segment of a head, one that came too early, or a connection that is gone. */
void sp_miss_event(struct sp_proxy *p, const struct sp_segment *seg, int is_home)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c)
		sp_head_more(p, c, seg);
	else if (sp_datapath_get(p->node.dp, &seg->tuple, &e))
		unknown(p, seg, NULL, is_home);
	else if (e.state.flags & SP_STATE_REUSED || is_of_closed(p, &e))
		unknown(p, seg, &e, is_home);
	else if (e.half.flags & SP_HALF_F_TO_DAEMON)
		sp_miss_left_behind(p, seg);
	else
		sp_miss_overtaken(p, &e, seg);
}

/*
 * A client that has sent nothing but its handshake sends nothing more behind this RST, and its backend may have nothing
 * to say to which the client would answer by another one. So all proxies hear of it: one of them may be connecting.
 * The cookie proves that there was a handshake: each costs the cluster this message once.
 */
void sp_miss_rst(struct sp_proxy *p, const struct sp_segment *seg)
{
	sp_synack_forget(p->synacks, &seg->tuple, seg->seq - 1);
	if (!sp_conn_by_front(p->conns, &seg->tuple) && sp_node_is_shared(&p->node) &&
	    sp_datapath_cookie(p->node.dp, seg))
		sp_cluster_tell_all(p->node.cluster, SP_EVENT_MISS, seg);
}

/* The proxy that got the RST asks the store. Here it waits for the first segment of its connection, if that is late. */
void sp_miss_rst_told(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, &seg->tuple);
	struct sp_entry e;

	if (c)
		sp_head_more(p, c, seg);
	else if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) && sp_entry_is_live(&e))
		sp_miss_overtaken(p, &e, seg);
	else
		sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, 0, sp_now_ns());
}

/* A SYN-ACK is of no use to anybody but the one who has sent the SYN. */
void sp_miss_back(struct sp_proxy *p, const struct sp_segment *seg, int is_relayed)
{
	int is_mine = is_own(p, &seg->tuple.daddr);
	struct sp_entry e;

	if (!sp_datapath_get(p->node.dp, &seg->tuple, &e) && !(e.half.flags & SP_HALF_F_TO_DAEMON) && !is_of_closed(p, &e))
		sp_miss_overtaken(p, &e, seg);
	else if (is_mine || !(seg->flags & SP_TCP_SYN))
		sp_miss_stray(p, seg, SP_STRAY_F_BACK | (is_mine || is_relayed ? SP_STRAY_F_MINE : 0));
	else if (!is_relayed)
		tell_opener(p, seg);
}

/*
 * A SYN on a live splice. The end that really has forgotten the connection
 * answers this acknowledgement with an RST of just that number, which closes
 * the half; the SYN is then repeated (RFC 5961, 4). Nobody else can. Who still
 * has the connection must not take a window from us, which would stall it: so
 * the sequence number lies just below what it has, like that of a keepalive.
 */
static void challenge(struct sp_proxy *p, const struct sp_entry *e, const struct sp_segment *syn)
{
	struct sp_tuple peer_key = sp_tuple_reverse(&e->half.out);
	struct sp_segment ack = { .tuple = sp_tuple_reverse(&syn->tuple), .flags = SP_TCP_ACK, .wscale = -1 };
	struct sp_entry peer;

	if (sp_datapath_get(p->node.dp, &peer_key, &peer))
		return;
	ack.seq = e->state.last_ack - e->half.ack_delta - 1;
	ack.ack = peer.state.last_ack;
	p->node.counters.syn_challenged++;
	sp_wire_send(p->node.wire, &ack);
}

/*
 * The error itself is lost, but not the next one about what its sender repeats: by then the half is here, and the
 * datapath translates it.
 */
void sp_miss_quoted(struct sp_proxy *p, const struct sp_tuple *key)
{
	if (!sp_node_is_shared(&p->node) || !p->quote_budget)
		return;
	p->quote_budget--;
	p->node.counters.quote_asked++;
	sp_store_fetch(p->node.store, key);
}

/* As if it had found no mark: of a client's segments the first one begins it all. */
static void unmarked(struct sp_proxy *p, const struct sp_segment *seg)
{
	int is_home = sp_cluster_is_home(p->node.cluster, &seg->tuple);
	enum sp_cookie cookie;

	if (!sp_config_service_at(p->node.config, &seg->tuple)) {
		sp_miss_back(p, seg, 0);
		return;
	}
	cookie = sp_datapath_cookie(p->node.dp, seg);
	if (!cookie)
		sp_miss_event(p, seg, is_home);
	else if (seg->payload_len || seg->flags & SP_TCP_FIN)
		sp_head_begin(p, seg, cookie, is_home);
}

/*
 * The mark of a daemon before us, which took what it held along unless it had answered; or it was taken away while
 * the segment was on its way up.
 */
void sp_miss_left_behind(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &seg->tuple, &e)) {
		if ((seg->flags & (SP_TCP_SYN | SP_TCP_ACK)) != SP_TCP_SYN)
			unmarked(p, seg);
		return;
	}
	if (!(e.half.flags & SP_HALF_F_TO_DAEMON)) {
		if (seg->flags & SP_TCP_SYN)
			challenge(p, &e, seg);
		else
			sp_miss_overtaken(p, &e, seg);
		return;
	}
	if (e.half.flags & SP_HALF_F_REPLIED) {
		sp_reply_end(p, seg);
		return;
	}
	sp_datapath_del(p->node.dp, &seg->tuple);
	unmarked(p, seg);
}

struct through {
	struct sp_proxy	*proxy;
	const struct sp_half	*half;
	__u32			client_isn;
};

static void relay_stray(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	const struct through *through = ctx;

	if (seg->flags & SP_TCP_SYN || flags & SP_STRAY_F_CUT)
		return;
	through->proxy->node.counters.relayed++;
	sp_proxy_relay(through->proxy, through->half, through->client_isn, seg, SP_RELAY_MSS);
}

static int is_here(struct sp_proxy *p, const struct sp_splice *splice)
{
	struct sp_entry e;

	return !sp_datapath_get(p->node.dp, &splice->front, &e) && !(e.half.flags & SP_HALF_F_TO_DAEMON) &&
	       e.meta.client_isn == splice->client_isn && !memcmp(&e.half.out, &splice->up.out, sizeof(e.half.out));
}

/* It is on its way to a splice of its own, which has come too late. The store tells one that is COMMITTING itself. */
static int is_overtaken(const struct sp_conn *c)
{
	return c->state == SP_CONN_HEAD || c->state == SP_CONN_CONNECTING ||
	       (c->state == SP_CONN_REPLIED && c->is_unsent);
}

static void adopt(struct sp_proxy *p, struct sp_conn *c, const struct sp_splice *splice)
{
	const struct sp_streams at = { .client = splice->client_isn + 1 + c->reasm.len };

	if (c->state == SP_CONN_CONNECTING)
		sp_back_release(p, c);
	if (is_here(p, splice) || !sp_splice_install(p->node.dp, splice, &at, splice->up.spliced_s))
		sp_back_join(p, c, &splice->up);
}

void sp_miss_tell_home(struct sp_proxy *p, enum sp_event_kind kind, const struct sp_segment *seg)
{
	__u8 flags = SP_STRAY_F_MINE | (kind == SP_EVENT_FRONT ? SP_STRAY_F_FIRST : 0);

	p->node.counters.sent_home++;
	sp_stray_add(p->sent_home, sp_conns_hash(p->conns, &seg->tuple), seg, flags, sp_now_ns());
	sp_cluster_tell_home(p->node.cluster, kind, seg);
}

static void tell_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	enum sp_event_kind kind = flags & SP_STRAY_F_FIRST ? SP_EVENT_FRONT : SP_EVENT_MISS;
	struct sp_proxy *p = ctx;

	if (flags & SP_STRAY_F_CUT)
		return;
	p->node.counters.told_again++;
	if (!sp_cluster_is_home(p->node.cluster, &seg->tuple))
		sp_cluster_tell_home(p->node.cluster, kind, seg);
	else if (kind == SP_EVENT_FRONT)
		sp_head_begin(p, seg, SP_COOKIE_INVALID, 1);
	else
		sp_miss_event(p, seg, 1);
}

/* What a living home was told it gets once more, which does no harm while its splice is known. */
void sp_miss_home_died(struct sp_proxy *p)
{
	if (p->node.config->limits.closed_ns >= 2 * SP_STRAY_EARLY_NS)
		sp_stray_young(p->sent_home, sp_now_ns(), TELL_AGAIN_MAX, tell_again, p);
}

/* @err of the look-up is not told: what is for another proxy may be known there, also while the store is away. */
static void send_on(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;

	if (flags & SP_STRAY_F_CUT)
		return;
	if (flags & SP_STRAY_F_BACK)
		tell_opener(p, seg);
	else
		sp_miss_tell_home(p, SP_EVENT_MISS, seg);
}

/* A backend is reset by the owner of the address, or by whoever wants to connect to it from this one. */
static void reset_stray(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_tuple back = sp_tuple_reverse(&seg->tuple);
	struct sp_proxy *p = ctx;

	if (flags & SP_STRAY_F_BACK && !is_own(p, &seg->tuple.daddr) && !sp_conn_by_back(p->conns, &back))
		return;
	p->node.counters.reset_unknown++;
	sp_reply_reset(p, seg);
}

/* A proxy that is missed may have the beginning of a connection, and have told nobody: it may only be suspended. */
static int may_be_with_the_dead(const struct sp_proxy *p, __u64 now_ns)
{
	return p->died_ns && now_ns - p->died_ns < MISSED_NS;
}

static void not_found(struct sp_proxy *p, const struct sp_tuple *key, int err)
{
	__u64 hash = sp_conns_hash(p->conns, key), now_ns = sp_now_ns();
	__u8 flags;

	if (sp_stray_flags(p->node.strays, hash, key, &flags))
		return;
	if (!(flags & SP_STRAY_F_MINE))
		sp_stray_take(p->node.strays, hash, key, now_ns, send_on, p);
	else if (err == -ENOENT && !may_be_with_the_dead(p, now_ns) &&
		 (sp_stray_nobody(p->node.strays, hash, key, now_ns) || flags & SP_STRAY_F_BACK))
		sp_stray_take(p->node.strays, hash, key, now_ns, reset_stray, p);
}

/*
 * The port came again, and the strays belong to the newer connection: its SYN was seen, here or by another proxy, or
 * its first segment has just been sent home.
 */
static int is_older(struct sp_proxy *p, const struct sp_splice *splice)
{
	__u64 hash = sp_conns_hash(p->conns, &splice->front), now_ns = sp_now_ns();
	struct sp_entry e;
	__u32 isn;

	if (sp_reused_has(&p->reused, hash, &splice->front, splice->client_isn, now_ns))
		return 1;
	if (!sp_datapath_get(p->node.dp, &splice->front, &e) && e.state.flags & SP_STATE_REUSED &&
	    e.meta.client_isn == splice->client_isn)
		return 1;
	return !sp_stray_isn(p->sent_home, hash, &splice->front, now_ns, &isn) && isn != splice->client_isn;
}

/*
 * The client's port has come again: its handshake proves that. Proxies that did not see the old connection end would
 * carry the new one's segments by the old halves, and the store gives these to any proxy that asks.
 */
static void leave_behind(struct sp_proxy *p, const struct sp_splice *old)
{
	sp_store_forget(p->node.store, old);
	sp_cluster_tell_ends(p->node.cluster, &old->front, old->client_isn, SP_STATE_REUSED);
}

/* A splice of another proxy: ours as well from now on. */
static void found(struct sp_proxy *p, const struct sp_tuple *key, const struct sp_splice *splice)
{
	static const struct sp_streams unknown;
	struct sp_conn *c = sp_conn_by_front(p->conns, &splice->front);
	struct through through = { .proxy = p, .client_isn = splice->client_isn };

	p->node.counters.fetched++;
	sp_sync_fetched(p, splice);
	if (c && c->client.isn_theirs != splice->client_isn) {
		leave_behind(p, splice);
		return;
	}
	if (!c && is_older(p, splice)) {
		not_found(p, key, -ENOENT);
		return;
	}
	sp_cluster_introduce(p->node.cluster, splice, splice->up.spliced_s);
	if (c && is_overtaken(c))
		adopt(p, c, splice);
	else if (!c && !is_here(p, splice) && sp_splice_install(p->node.dp, splice, &unknown, splice->up.spliced_s))
		return;
	through.half = memcmp(key, &splice->front, sizeof(*key)) ? &splice->down : &splice->up;
	sp_stray_take(p->node.strays, sp_conns_hash(p->conns, key), key, sp_now_ns(), relay_stray, &through);
}

/* What we say ourselves waits for the store. @older: what it has, which may be of the port's last connection. */
static void say_unsaid(struct sp_proxy *p, const struct sp_tuple *key, int err, const struct sp_splice *older)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, key);

	if (!c || c->state != SP_CONN_REPLIED || !c->is_unsent)
		return;
	if (!older || older->client_isn != c->client.isn_theirs)
		sp_reply_now(p, c, err);
}

void sp_miss_fetched(void *ctx, const struct sp_tuple *key, int err, const struct sp_splice *splice)
{
	struct sp_proxy *p = ctx;

	if (!err) {
		found(p, key, splice);
		sp_takeover_fetched(p, key, 0);
		say_unsaid(p, key, -ENOENT, splice);
		return;
	}
	if (!sp_takeover_fetched(p, key, err))
		not_found(p, key, err);
	say_unsaid(p, key, err, NULL);
}

void sp_miss_headless(struct sp_proxy *p, const struct sp_tuple *key, int err)
{
	not_found(p, key, err);
}

static void ask_again(void *ctx, const struct sp_segment *seg, __u8 flags)
{
	struct sp_proxy *p = ctx;

	sp_store_fetch(p->node.store, &seg->tuple);
}

void sp_miss_tick(struct sp_proxy *p)
{
	sp_stray_young(p->node.strays, sp_now_ns(), AGAIN_PER_TICK, ask_again, p);
}
