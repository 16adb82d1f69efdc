// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * leave.c - the FIN of a backend as the proof that its leg can say no more
 *
 * After the death of the proxy that has read the responses of a leg, its successor does not know
 * where the present one ends. A client that does not send requests ahead sends the next one behind
 * the whole response. So the leg, once it is quiet and all is acknowledged, gets our FIN; and the
 * backend's FIN tells the end of its stream, and acknowledges all that the client has sent before.
 *
 * A backend in the middle of a response may cut it off for our FIN. That takes a client that sends
 * ahead, and a response that pauses for QUIET_NS just after the death: see THREATS.md.
 */
#include "proxy/leave.h"

#include "proxy/forward.h"
#include "tcp/relay.h"

#define QUIET_NS	100000000ULL
#define AGAIN_NS	200000000ULL
#define GIVE_UP_NS	5000000000ULL

static __u32 fin_seq(const struct sp_conn *c)
{
	return c->client.isn_theirs + 1 + c->leg.seq_delta;
}

static void send_fin(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	struct sp_segment fin = {
		.tuple = c->front, .seq = c->client.isn_theirs + 1, .ack = c->heard_ack,
		.flags = SP_TCP_FIN | SP_TCP_ACK, .window = c->window, .wscale = -1,
		.has_ts = c->client.has_ts && (c->leg.tsval_delta || c->leg.tsecr_delta),
		.tsval = c->heard_tsval, .tsecr = c->client.tsval_ours,
	};

	sp_relay(p->node.wire, &c->leg, &fin, SP_RELAY_MSS);
	c->again_ns = now_ns + c->backoff_ns;
	c->backoff_ns *= 2;
}

static int is_quiet(const struct sp_conn *c, const struct sp_leg *leg, __u64 now_ns)
{
	const struct sp_half_state *u = &leg->down.state;

	if (now_ns - u->seen_ns < QUIET_NS)
		return 0;
	return !u->pkts || c->heard_ack == u->next_seq + leg->down.half.seq_delta;
}

struct sp_next sp_leave_begin(struct sp_proxy *p, struct sp_conn *c, const struct sp_leg *leg)
{
	__u64 now_ns = sp_now_ns();

	if (!is_quiet(c, leg, now_ns))
		return sp_next_wait();
	p->node.counters.legs_ended++;
	sp_conn_enter(c, SP_CONN_LEAVING, "the leg is quiet, and gets our FIN");
	c->deadline_ns = now_ns + GIVE_UP_NS;
	c->backoff_ns = AGAIN_NS;
	send_fin(p, c, now_ns);
	return sp_next_wait();
}

/* All the client has sent before is at the backend, with our FIN or without. */
static int acks_all(const struct sp_conn *c, const struct sp_segment *seg)
{
	return seg->ack == fin_seq(c) || seg->ack == fin_seq(c) + 1;
}

struct sp_next sp_leave_end(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	struct sp_leg leg = sp_leg_look(p, c);
	struct sp_segment data = *seg;
	struct sp_patch patch = {
		.front = c->front, .client_isn = c->client_isn, .sets = SP_PATCH_DOWN,
		.version = c->version, .becomes = c->version,
		.down = { .until = seg->seq + seg->payload_len, .bound = SP_BOUND_STOP,
			  .reading = SP_READING_ENDED },
	};

	if (leg.state == SP_LEG_LOST)
		return sp_next(SP_NEXT_END, "its splice is gone");
	data.flags &= ~SP_TCP_FIN;
	if (seg->flags & SP_TCP_RST || seg->payload_len)
		sp_forward(p, &leg.down.half, c->client_isn, &data, SP_RELAY_MSS);
	if (seg->flags & SP_TCP_RST)
		return sp_next(SP_NEXT_END, "the backend has reset the leg");
	if (!acks_all(c, seg) || sp_datapath_patch(p->node.dp, &patch))
		return sp_next_wait();
	c->deadline_ns = sp_now_ns() + GIVE_UP_NS;
	sp_conn_enter(c, SP_CONN_WAITING, "the backend has ended the leg");
	return sp_next(SP_NEXT_TURN, NULL);
}

struct sp_next sp_leave_tick(struct sp_proxy *p, struct sp_conn *c, __u64 now_ns)
{
	if (now_ns >= c->deadline_ns && !c->acked)
		return sp_next(SP_NEXT_END, "the backend does not end the leg");
	if (now_ns >= c->again_ns)
		send_fin(p, c, now_ns);
	return sp_next_wait();
}
