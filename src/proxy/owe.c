// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * owe.c - after the splice: what we have acknowledged to the client is sent to the backend until that has it
 *
 * Theory of operation
 *
 * No client repeats these bytes, so we are their sender, with a sender's duties. The backend's acknowledgements and
 * windows pass through the datapath, which leaves them in the backend's half; we look there at each tick.
 *
 *	window		nothing is sent beyond it; a closed one is asked for by a byte now and then (RFC 9293, 3.8.6)
 *	congestion	ten segments at first, more as they are acknowledged; one after a loss (RFC 5681, RFC 6928)
 *	narrow ways	what is repeated goes in smaller segments: the error that asks for it goes to the client
 *
 *	timestamps	a repetition is as much later as the time since: the splice may have begun with a later one than
 *			we know, and a backend refuses what is earlier for ever (RFC 7323, 5)
 *
 * In a cluster the backend's packets may take the ways of other proxies. Then nothing is known but its first window,
 * and a repetition can't wait for an acknowledgement: each one takes for granted that what was sent has been read, and
 * goes further. Where nothing comes by for UNSEEN_NS, the bytes count as delivered.
 */
#include "proxy/proxy.h"
#include "tcp/relay.h"

#define SEGMENTS_FIRST	10
#define AGAIN_NS	200000000ULL
#define AGAIN_MAX_NS	10000000000ULL
#define GIVE_UP_NS	900000000000ULL	/* as a kernel does after its 15 repetitions */
#define UNSEEN_NS	30000000000ULL
#define MSS_NARROW	536	/* every host of IPv4 takes it (RFC 9293, 3.7.1) */

static __u32 earlier(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static __u32 later(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

/* Bytes [@from, @to) of what is held, as if the client sent them now. */
static void send(struct sp_proxy *p, struct sp_conn *c, __u32 from, __u32 to, __u32 tsval)
{
	struct sp_segment seg = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1 + from, .ack = c->client.isn_ours + 1,
		.window = c->window, .has_ts = c->backend.has_ts,
		.tsval = tsval, .tsecr = c->client.tsval_ours, .is_ce = c->is_ce,
		.payload = sp_conn_buf(p->conns, c) + from, .payload_len = to - from,
		.flags = SP_TCP_ACK | (to > from ? SP_TCP_PSH : 0) | (to == c->fin_at ? SP_TCP_FIN : 0),
	};

	c->is_ce = 0;
	sp_proxy_relay(p, &c->up, c->client.isn_theirs, &seg, c->forward_mss);
}

/* The client's clock runs on, by a tick each millisecond as a rule: at a slower one this is ahead, see THREATS.md. */
static __u32 owed_tsval(const struct sp_conn *c)
{
	return c->stashed_tsval + (c->is_repeating ? (sp_now_ns() - c->owing_ns) / 1000000 : 0);
}

/* stash.c says why the two parts differ in their TSval. */
static void forward(struct sp_proxy *p, struct sp_conn *c, __u32 from, __u32 to)
{
	if (from < c->acked)
		send(p, c, from, earlier(to, c->acked), owed_tsval(c));
	if (to > c->acked || !c->acked)
		send(p, c, later(from, c->acked), to, c->heard_tsval);
}

/* What the client still holds behind what we owe goes once: the client repeats it. */
static void pump(struct sp_proxy *p, struct sp_conn *c, __u32 window)
{
	__u32 end = c->is_repeating ? c->acked : c->reasm.len;
	__u32 to = earlier(end, c->una + earlier(window, c->cwnd));

	if (to <= c->sent)
		return;
	forward(p, c, c->sent, to);
	c->sent = to;
}

void sp_owe_begin(struct sp_conn *c)
{
	c->state = SP_CONN_OWING;
	c->una = 0;
	c->sent = 0;
	c->is_repeating = 0;
	c->cwnd = SEGMENTS_FIRST * c->forward_mss;
	c->backoff_ns = AGAIN_NS;
	c->owing_ns = sp_now_ns();
	c->again_ns = c->owing_ns + AGAIN_NS;
	c->deadline_ns = c->owing_ns + GIVE_UP_NS;
}

void sp_owe_forward(struct sp_proxy *p, struct sp_conn *c)
{
	if (!c->acked) {
		forward(p, c, 0, earlier(c->reasm.len, c->window_bytes));
		sp_proxy_del(p, c);
		return;
	}
	c->client.tsval_theirs = c->stashed_tsval;
	sp_owe_begin(c);
	if (!c->window_bytes)
		forward(p, c, 0, 0);	/* no more than the end of the handshake */
	pump(p, c, c->window_bytes);
}

/* Return: 0; -1: the splice is over. */
static int look(struct sp_proxy *p, const struct sp_conn *c, struct sp_entry *ret_down)
{
	struct sp_tuple key = sp_tuple_reverse(&c->up.out);

	if (sp_datapath_get(p->node.dp, &key, ret_down) || ret_down->state.flags & (SP_STATE_RST | SP_STATE_PEER_RST))
		return -1;
	return 0;
}

/* Nothing of the backend has come by since its splice was made, and it may go by another proxy. */
static int is_blind(const struct sp_proxy *p, const struct sp_entry *down)
{
	return !down->state.pkts && sp_node_is_shared(&p->node);
}

static __u32 acknowledged(const struct sp_conn *c, const struct sp_entry *down)
{
	__u32 bytes = down->state.last_ack - (c->client.isn_theirs + 1);

	return down->state.last_ack && bytes < 1U << 31 ? earlier(bytes, c->reasm.len) : 0;
}

/* The shift leads from the backend's scale to ours. */
static __u32 window_of(const struct sp_conn *c, const struct sp_entry *down)
{
	int scale = down->half.window_shift + (c->client.wscale_ours > 0 ? c->client.wscale_ours : 0);

	if (!down->state.pkts)
		return c->window_bytes;
	return (__u32)down->state.window << (scale > 0 ? scale & 15 : 0);
}

static void note_progress(struct sp_conn *c, __u32 una, __u64 now_ns)
{
	c->cwnd = earlier(c->cwnd + una - c->una, SP_CONN_BUF);
	c->una = una;
	c->sent = later(c->sent, una);
	c->backoff_ns = AGAIN_NS;
	c->again_ns = now_ns + AGAIN_NS;
	c->deadline_ns = now_ns + GIVE_UP_NS;
}

/* Some bytes were lost, or don't fit the way. */
static void repeat(struct sp_conn *c)
{
	if (c->forward_mss > SP_RELAY_MSS)
		c->forward_mss = SP_RELAY_MSS;
	else if (sp_addr_is_v4(&c->up.out.daddr) && c->forward_mss > MSS_NARROW)
		c->forward_mss = MSS_NARROW;
	c->cwnd = c->forward_mss;
}

static void guess_on(struct sp_conn *c)
{
	c->cwnd = earlier(c->cwnd * 2, SP_CONN_BUF);
	c->window_bytes = earlier(c->window_bytes * 2 + c->forward_mss, SP_CONN_BUF);
}

static void time_out(struct sp_proxy *p, struct sp_conn *c, const struct sp_entry *down, __u64 now_ns)
{
	c->again_ns = now_ns + c->backoff_ns;
	c->backoff_ns = c->backoff_ns * 2 < AGAIN_MAX_NS ? c->backoff_ns * 2 : AGAIN_MAX_NS;
	c->sent = c->una;
	if (!window_of(c, down) && !is_blind(p, down)) {
		p->node.counters.owed_probed++;
		forward(p, c, c->una, c->una + 1);
		if (now_ns - down->state.seen_ns < 2 * AGAIN_MAX_NS)
			c->deadline_ns = now_ns + GIVE_UP_NS;
		return;
	}
	p->node.counters.owed_repeated++;
	c->is_repeating = 1;
	if (is_blind(p, down))
		guess_on(c);
	else
		repeat(c);
}

static int is_given_up(struct sp_proxy *p, const struct sp_conn *c, const struct sp_entry *down, __u64 now_ns)
{
	int is_unseen = is_blind(p, down) && now_ns >= c->deadline_ns - GIVE_UP_NS + UNSEEN_NS;
	int is_lost = now_ns >= c->deadline_ns;

	p->node.counters.owed_unseen += is_unseen;
	p->node.counters.owed_lost += is_lost;
	return is_unseen || is_lost;
}

void sp_owe_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	struct sp_entry down;
	__u32 una;

	if (look(p, c, &down) || is_given_up(p, c, &down, now_ns)) {
		sp_proxy_del(p, c);
		return;
	}
	una = acknowledged(c, &down);
	if (una > c->una)
		note_progress(c, una, now_ns);
	if (now_ns >= c->again_ns)
		time_out(p, c, &down, now_ns);
	pump(p, c, window_of(c, &down));
	if (una >= c->acked)
		sp_proxy_del(p, c);
}
