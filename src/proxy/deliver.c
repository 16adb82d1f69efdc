// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * deliver.c - after the commit: the held bytes are forwarded; acknowledged bytes are retransmitted
 * until the backend has them
 *
 * Theory of operation
 *
 * A client does not retransmit acknowledged bytes, so the proxy is the sender, with a sender's
 * duties. The backend's acknowledgements and windows pass through the datapath. Each tick reads
 * them in the half from the backend.
 *
 *	window		no byte is sent beyond; a closed window is probed (RFC 9293, 3.8.6)
 *	congestion	ten segments at first, then slow start; one after a loss (RFC 5681, 6928)
 *	path MTU	retransmissions are smaller: the ICMP error goes to the client
 *	timestamps	the TSval of a retransmission grows with the time since: the splice may have
 *			begun with a later TSval, and a backend refuses earlier ones for ever (RFC
 *			7323, 5). Of a further request, the leg has carried later acknowledgements
 *			while the head's owner was dead: that time counts as well
 *
 * In a cluster the backend's packets may pass through other proxies, from the beginning or from
 * some packet on. Then only an old window is known, and each retransmission assumes that earlier
 * bytes were read, and reaches further. After UNSEEN_NS without a packet they count as delivered.
 */
#include "proxy/deliver.h"

#include <errno.h>

#include "proxy/remake.h"
#include "proxy/change.h"
#include "proxy/forward.h"
#include "proxy/home.h"
#include "proxy/kept.h"
#include "proxy/leg.h"
#include "tcp/relay.h"

#define SEGMENTS_FIRST	10
#define AGAIN_NS	200000000ULL
#define AGAIN_MAX_NS	10000000000ULL
#define AGAIN_BLIND_NS	2000000000ULL	/* twice the silence after which members hear of an end */
#define GIVE_UP_NS	900000000000ULL	/* as a kernel does after 15 retransmissions */
#define UNSEEN_NS	30000000000ULL
#define MSS_NARROW	536	/* accepted by every IPv4 host (RFC 9293, 3.7.1) */

#define HEAD_ROOM	65536	/* for the head of a response that is compared first: align.c */

/* A client with a part of the response needs no room for that part. */
static __u16 offered_window(const struct sp_conn *c)
{
	int scale = c->client.wscale_ours < 0 || c->client.wscale_theirs < 0 ? 0 :
		    c->client.wscale_theirs & 15;
	__u32 room = c->heard_ack - (c->client.isn_ours + 1) + HEAD_ROOM;

	return c->is_part ? sp_min_bytes(0xffff, c->window + (room >> scale)) : c->window;
}

/*
 * Offsets count the bytes at the backend, from the first of the request. Behind a changed head they
 * are those of the client's bytes and sp_change_shift().
 */
static void send_part(struct sp_proxy *p, struct sp_conn *c, const char *bytes, __u32 from,
		      __u32 to, __u32 tsval)
{
	__u32 shift = sp_change_shift(c);
	struct sp_segment seg = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1 + from - shift,
		.ack = c->client.isn_ours + 1,
		.window = offered_window(c), .has_ts = c->backend.has_ts,
		.tsval = tsval, .tsecr = c->client.tsval_ours, .is_ce = c->is_ce,
		.payload = bytes, .payload_len = to - from,
		.flags = SP_TCP_ACK | (to > from ? SP_TCP_PSH : 0) |
		(c->fin_at != SP_CONN_NO_FIN && to == c->fin_at + shift ? SP_TCP_FIN : 0),
	};

	c->is_ce = 0;
	sp_forward(p, &c->up, c->client_isn, &seg, c->forward_mss);
}

/* Send bytes [@from, @to), as if the client sent them now. */
static void send_bytes(struct sp_proxy *p, struct sp_conn *c, __u32 from, __u32 to, __u32 tsval)
{
	__u32 changed = sp_min_bytes(to, c->change.bytes ? c->change.becomes : 0);

	if (from < changed)
		send_part(p, c, sp_change_bytes(p, c) + from, from, changed, tsval);
	if (to > changed || (from == to && !changed))
		send_part(p, c, sp_conn_buf(p->conns, c) +
			  (sp_max_bytes(from, changed) - sp_change_shift(c)),
			  sp_max_bytes(from, changed), to, tsval);
}

/*
 * The client's clock runs on, as a rule by a tick each millisecond. If the clock is slower, this
 * value is ahead, see THREATS.md.
 */
static __u32 owed_tsval(const struct sp_conn *c)
{
	if (!c->is_repeating)
		return c->stashed_tsval;
	return c->stashed_tsval + c->stash_age_ms + (sp_now_ns() - c->delivering_ns) / 1000000;
}

/* The two parts differ in their TSval, see stash.c. */
static void send_range(struct sp_proxy *p, struct sp_conn *c, __u32 from, __u32 to)
{
	if (from < c->owed)
		send_bytes(p, c, from, sp_min_bytes(to, c->owed), owed_tsval(c));
	if (to > c->owed || !c->owed)
		send_bytes(p, c, sp_max_bytes(from, c->owed), to, c->heard_tsval);
}

static __u32 bytes_there(const struct sp_conn *c)
{
	return sp_conn_own_bytes(c) + sp_change_shift(c);
}

/* Unacknowledged bytes, behind owed bytes, go once: the client retransmits them. */
static void pump_bytes(struct sp_proxy *p, struct sp_conn *c, __u32 window)
{
	__u32 end = c->is_repeating ? c->owed : bytes_there(c);
	__u32 to = sp_min_bytes(end, c->una + sp_min_bytes(window, c->cwnd));

	if (to <= c->sent)
		return;
	send_range(p, c, c->sent, to);
	c->sent = to;
}

static void begin_delivery(struct sp_conn *c, const char *why)
{
	c->has_more = c->reasm.top > c->request.bytes;
	sp_conn_enter(c, SP_CONN_DELIVERING, why);
	if (!c->acked)
		c->stashed_tsval = c->heard_tsval;
	c->client.tsval_theirs = c->stashed_tsval;
	c->una = 0;
	c->sent = 0;
	c->is_repeating = 0;
	c->is_blind = 0;
	c->repeated_ns = 0;
	c->cwnd = SEGMENTS_FIRST * c->forward_mss;
	c->backoff_ns = AGAIN_NS;
	c->delivering_ns = sp_now_ns();
	c->again_ns = c->delivering_ns + AGAIN_NS;
	c->deadline_ns = c->delivering_ns + GIVE_UP_NS;
}

/* If the client has reset its connection meanwhile, the backend gets no byte, only the RST. */
static void send_rst(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment rst = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1, .ack = c->client.isn_ours + 1,
		.flags = SP_TCP_RST | SP_TCP_ACK,
	};

	sp_forward(p, &c->up, c->client_isn, &rst, c->forward_mss);
}

/*
 * A client's retransmission begins with a single segment, and goes on only when that is
 * acknowledged: so a changed head of several segments is sent from here until the backend has all
 * of it. The same holds if the client has sent nothing, since its server speaks first.
 */
static __u32 owed_bytes(const struct sp_conn *c)
{
	__u32 becomes = c->change.bytes ? c->change.becomes : 0;

	if (c->acked)
		return c->acked < c->change.bytes ? becomes : c->acked + sp_change_shift(c);
	if (becomes && (c->change.bytes > c->mss || !c->reasm.len))
		return sp_min_bytes(becomes, bytes_there(c));
	return 0;
}

/* Behind a request of another proxy's, bytes may have come after its response: they come again. */
static struct sp_next end_delivery(const struct sp_conn *c, const char *why)
{
	return sp_next(sp_conn_reads(c) && !c->is_overtaken ? SP_NEXT_REST : SP_NEXT_END, why);
}

struct sp_next sp_deliver_begin(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->is_reset) {
		send_rst(p, c);
		return sp_next(SP_NEXT_END, "reset by its client while it was committed");
	}
	sp_kept_note(p, c);
	c->owed = owed_bytes(c);
	if (!c->owed) {
		c->has_more = 1;
		send_range(p, c, 0, sp_min_bytes(bytes_there(c), c->window_bytes));
		return end_delivery(c, "spliced");
	}
	begin_delivery(c, "spliced, with acknowledged bytes to deliver");
	if (!c->window_bytes)
		send_range(p, c, 0, 0);	/* no more than the end of the handshake */
	pump_bytes(p, c, c->window_bytes);
	return sp_next_wait();
}

static void take_half(struct sp_conn *c)
{
	c->is_trapped = 0;
	sp_conn_take_half(c);
}

struct sp_next sp_deliver_join(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	p->node.counters.adopted++;
	c->change = (struct sp_change){ 0 };
	if (!sp_datapath_get(p->node.dp, &c->front, &e) && sp_remake_resume(c, &e))
		return sp_next(SP_NEXT_PARSE, NULL);
	take_half(c);
	return sp_deliver_begin(p, c);
}

/* Return: whether the half carries what is held; else it is a further request, and is read. */
static int takes_boundary(struct sp_conn *c, const struct sp_entry *up)
{
	const struct sp_boundary *b = &up->meta.boundary;
	__s32 bytes = b->until - (c->client.isn_theirs + 1);

	if (b->bound != SP_BOUND_NONE && bytes <= 0 && !b->laps)
		return 0;
	c->request = (struct sp_request){ .bytes = b->bound == SP_BOUND_NONE ? SP_CONN_BUF : bytes,
					  .bound = b->bound };
	c->version = up->meta.version;
	return 1;
}

int sp_deliver_through_known(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &c->front, &e) || e.half.flags & SP_HALF_F_TO_DAEMON ||
	    e.meta.client_isn != c->client_isn)
		return -ENOENT;
	if (e.half.flags & SP_HALF_F_REQUESTS && !takes_boundary(c, &e))
		return -ENOENT;
	p->node.counters.heads_owed += !!c->acked;
	if (sp_remake_resume(c, &e))
		return 0;
	c->up = e.half;
	take_half(c);
	c->owed = owed_bytes(c);
	begin_delivery(c, "its splice is here, with acknowledged bytes to deliver");
	return 0;
}

/* The other proxy reads on. A changed head is made again from the client's retransmission. */
static struct sp_next forward_once(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &c->front, &e) || e.meta.client_isn != c->client_isn ||
	    e.half.flags & SP_HALF_F_TO_DAEMON || e.meta.change.bytes || !takes_boundary(c, &e))
		return sp_next(SP_NEXT_END, "another proxy was first");
	c->up = e.half;
	c->change = (struct sp_change){ 0 };
	c->owed = 0;
	take_half(c);
	send_range(p, c, 0, sp_min_bytes(bytes_there(c), c->window_bytes));
	return sp_next(SP_NEXT_END, "another proxy was first, and its splice carries what is held");
}

/* The bytes begin where the splice ends: they are of the next request still. */
static struct sp_next resume_behind(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	if (sp_datapath_get(p->node.dp, &c->front, &e) ||
	    e.meta.boundary.until != c->client.isn_theirs + 1 || sp_leg_resume(p, c))
		return sp_next(SP_NEXT_END, "another proxy was first");
	c->is_guess = 0;
	return sp_next(SP_NEXT_RETRY, NULL);
}

/*
 * Acknowledged bytes of a leg of this proxy: a former daemon has committed. Of a peer's leg the
 * peer delivers, and acknowledgements pass there.
 */
struct sp_next sp_deliver_overtaken(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_entry e;

	c->is_staying = 0;
	if (!c->acked || sp_datapath_get(p->node.dp, &c->front, &e) ||
	    !sp_home_owns(p, &e.half.out.saddr))
		return forward_once(p, c);
	if (sp_deliver_through_known(p, c))
		return resume_behind(p, c);
	c->is_overtaken = 1;
	return sp_next_wait();
}

/* Return: 0; -1: the splice is over. */
static int read_down(struct sp_proxy *p, const struct sp_conn *c, struct sp_entry *ret_down)
{
	struct sp_tuple key = sp_tuple_reverse(&c->up.out);

	if (sp_datapath_get(p->node.dp, &key, ret_down) ||
	    ret_down->state.flags & (SP_STATE_RST | SP_STATE_PEER_RST))
		return -1;
	return 0;
}

/* No packet of the backend came by since then: they may pass through another proxy. */
static int is_unseen(const struct sp_proxy *p, const struct sp_entry *down, __u64 since_ns)
{
	return sp_node_is_shared(&p->node) &&
	       (!down->state.pkts || down->state.seen_ns < since_ns);
}

static __u32 acked_bytes(const struct sp_conn *c, const struct sp_entry *down)
{
	__u32 shift = sp_change_shift(c);
	__u32 bytes = down->state.last_ack - (c->client.isn_theirs + 1) + shift;

	return down->state.last_ack && bytes < 1U << 31 ?
	       sp_min_bytes(bytes, c->reasm.len + shift) : 0;
}

/* The shift leads from the backend's scale to ours. */
static __u32 window_of(const struct sp_conn *c, const struct sp_entry *down)
{
	int scale = down->half.window_shift +
		(c->client.wscale_ours > 0 ? c->client.wscale_ours : 0);

	if (!down->state.pkts || c->is_blind)
		return c->window_bytes;
	return (__u32)down->state.window << (scale > 0 ? scale & 15 : 0);
}

static void note_progress(struct sp_conn *c, __u32 una, __u64 now_ns)
{
	c->cwnd = sp_min_bytes(c->cwnd + una - c->una, SP_CONN_BUF);
	c->una = una;
	c->sent = sp_max_bytes(c->sent, una);
	c->backoff_ns = AGAIN_NS;
	c->again_ns = now_ns + AGAIN_NS;
	c->deadline_ns = now_ns + GIVE_UP_NS;
}

/* Some bytes were lost, or don't fit the way. */
static void repeat_narrow(struct sp_conn *c)
{
	if (c->forward_mss > SP_RELAY_MSS)
		c->forward_mss = SP_RELAY_MSS;
	else if (sp_addr_is_v4(&c->up.out.daddr) && c->forward_mss > MSS_NARROW)
		c->forward_mss = MSS_NARROW;
	c->cwnd = c->forward_mss;
}

static void guess_on(struct sp_conn *c)
{
	c->cwnd = sp_min_bytes(c->cwnd * 2, SP_CONN_BUF);
	c->window_bytes = sp_min_bytes(c->window_bytes * 2 + c->forward_mss, SP_CONN_BUF);
}

/* A blind sender must reach the last byte within UNSEEN_NS. */
static void back_off(struct sp_conn *c, __u64 now_ns)
{
	__u64 max_ns = c->is_blind ? AGAIN_BLIND_NS : AGAIN_MAX_NS;

	c->again_ns = now_ns + c->backoff_ns;
	c->backoff_ns = c->backoff_ns * 2 < max_ns ? c->backoff_ns * 2 : max_ns;
}

static void time_out(struct sp_proxy *p, struct sp_conn *c, const struct sp_entry *down,
		     __u64 now_ns)
{
	c->is_blind = is_unseen(p, down, c->repeated_ns);
	c->repeated_ns = now_ns;
	back_off(c, now_ns);
	c->sent = c->una;
	if (!window_of(c, down) && !c->is_blind) {
		p->node.counters.owed_probed++;
		send_range(p, c, c->una, c->una + 1);
		if (now_ns - down->state.seen_ns < 2 * AGAIN_MAX_NS)
			c->deadline_ns = now_ns + GIVE_UP_NS;
		return;
	}
	p->node.counters.owed_repeated++;
	c->is_repeating = 1;
	if (c->is_blind)
		guess_on(c);
	else
		repeat_narrow(c);
}

static int is_given_up(struct sp_proxy *p, const struct sp_conn *c, const struct sp_entry *down,
		       __u64 now_ns)
{
	int is_over = is_unseen(p, down, now_ns - UNSEEN_NS) &&
		now_ns >= c->deadline_ns - GIVE_UP_NS + UNSEEN_NS;
	int is_lost = now_ns >= c->deadline_ns;

	p->node.counters.owed_unseen += is_over;
	p->node.counters.owed_lost += is_lost;
	return is_over || is_lost;
}

struct sp_next sp_deliver_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	struct sp_entry down;
	__u32 una;

	if (read_down(p, c, &down))
		return sp_next(SP_NEXT_END, "the splice is over");
	if (is_given_up(p, c, &down, now_ns))
		return sp_next(SP_NEXT_END, "the backend acknowledges nothing");
	una = acked_bytes(c, &down);
	if (una > c->una)
		note_progress(c, una, now_ns);
	if (now_ns >= c->again_ns)
		time_out(p, c, &down, now_ns);
	pump_bytes(p, c, window_of(c, &down));
	return una >= c->owed ? end_delivery(c, "delivered") : sp_next_wait();
}
