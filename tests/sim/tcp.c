// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp.h"

#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "world.h"

#define MSS		1460
#define TS_BYTES	12
#define WSCALE		4
#define WINDOW		65520
#define RTO_FIRST_NS	SIM_S
#define RTO_MIN_NS	(200 * SIM_MS)
#define RTO_MAX_NS	(20 * SIM_S)
#define TRIES_MAX	12
#define BURST		10	/* segments, RFC 6928 */

static __s32 ahead(__u32 a, __u32 b)
{
	return (__s32)(a - b);
}

static __u32 clock_of(const struct sim_tcp *t)
{
	return sim_now_ns / SIM_MS + t->clock;
}

static struct sp_segment segment(const struct sim_tcp *t, __u8 flags, __u32 seq)
{
	return (struct sp_segment){
		.tuple = t->out, .flags = flags, .seq = seq, .ack = flags & SP_TCP_ACK ?
		t->rcv_nxt : 0,
		.window = flags & SP_TCP_SYN ? 65535 : WINDOW >> WSCALE, .wscale = -1,
		.has_ts = t->has_ts, .tsval = clock_of(t), .tsecr = t->ts_recent,
	};
}

static void on_timer(void *tcp, __u64 armed);

/* The timer holds until the next arm() or disarm(): t->armed differs afterwards. */
static void arm(struct sim_tcp *t)
{
	t->armed++;
	sim_in(t->rto_ns, on_timer, t, t->armed);
}

static void disarm(struct sim_tcp *t)
{
	t->armed++;
}

static void send_ack(struct sim_tcp *t)
{
	struct sp_segment seg = segment(t, SP_TCP_ACK, t->acks_at_end ? t->snd_max : t->snd_nxt);

	if (t->state != SIM_TCP_CLOSED)
		sim_net_send_segment(&seg);
}

static void send_syn(struct sim_tcp *t, __u8 flags)
{
	struct sp_segment seg = segment(t, flags, t->iss);

	seg.mss = MSS;
	seg.wscale = WSCALE;
	seg.is_sack = 1;
	seg.has_ts = 1;
	sim_net_send_segment(&seg);
}

static __u32 stream_end(const struct sim_tcp *t)
{
	return t->iss + 1 + t->len + t->is_done;
}

/* Send a segment from @seq on. Return: sequence numbers used; 0: none left. */
static __u32 send_at(struct sim_tcp *t, __u32 seq, __u32 most)
{
	__u32 room = t->mss - (t->has_ts ? TS_BYTES : 0), at = seq - (t->iss + 1);
	__u32 left = at < t->len ? t->len - at : 0, n = left < room ? left : room;
	struct sp_segment seg = segment(t, SP_TCP_ACK, seq);

	if (n > most)
		n = most;
	if (n) {
		seg.flags |= SP_TCP_PSH;
		seg.payload = t->bytes + at;
		seg.payload_len = n;
	}
	if (t->is_done && at + n == t->len && (left == n))
		seg.flags |= SP_TCP_FIN;
	if (!n && !(seg.flags & SP_TCP_FIN))
		return 0;
	sim_net_send_segment(&seg);
	return n + !!(seg.flags & SP_TCP_FIN);
}

static void send_more(struct sim_tcp *t)
{
	__u32 window = t->snd_wnd < t->cwnd ? t->snd_wnd : t->cwnd, used;

	while (t->state == SIM_TCP_OPEN && ahead(stream_end(t), t->snd_nxt) > 0) {
		__u32 flying = t->snd_nxt - t->snd_una;

		if (flying >= window && flying)
			break;
		used = send_at(t, t->snd_nxt, window > flying ? window - flying : 1);
		if (!used)
			break;
		t->snd_nxt += used;
		if (ahead(t->snd_nxt, t->snd_max) > 0)
			t->snd_max = t->snd_nxt;
		if (flying == 0)
			arm(t);
	}
}

static void fail(struct sim_tcp *t, const char *why)
{
	t->state = SIM_TCP_CLOSED;
	disarm(t);
	t->ended(t->ctx, why);
}

static void on_timer(void *tcp, __u64 armed)
{
	struct sim_tcp *t = tcp;

	if (armed != t->armed || t->state == SIM_TCP_CLOSED)
		return;
	if (t->state == SIM_TCP_OPEN && t->snd_una == t->snd_max &&
	    ahead(stream_end(t), t->snd_una) <= 0)
		return;
	if (++t->tries > TRIES_MAX) {
		fail(t, "no answer");
		return;
	}
	t->rto_ns = t->rto_ns * 2 < RTO_MAX_NS ? t->rto_ns * 2 : RTO_MAX_NS;
	if (t->state == SIM_TCP_OPEN) {
		/* one full segment, without a tail of the next */
		t->cwnd = t->mss - (t->has_ts ? TS_BYTES : 0);
		t->snd_nxt = t->snd_una;
		t->dup_acks = 0;
		send_more(t);
	} else {
		send_syn(t, t->state == SIM_TCP_SYN_SENT ? SP_TCP_SYN : SP_TCP_SYN | SP_TCP_ACK);
	}
	arm(t);
}

static void start(struct sim_tcp *t, enum sim_tcp_state state)
{
	t->state = state;
	t->iss = t->iss ?: (__u32)sim_random();
	t->snd_una = t->iss;
	t->snd_nxt = t->snd_max = t->iss + 1;
	t->mss = MSS;
	t->cwnd = BURST * MSS;
	t->rto_ns = RTO_FIRST_NS;
}

void sim_tcp_connect(struct sim_tcp *t)
{
	start(t, SIM_TCP_SYN_SENT);
	send_syn(t, SP_TCP_SYN);
	arm(t);
}

static void read_syn(struct sim_tcp *t, const struct sp_segment *syn)
{
	t->irs = syn->seq;
	t->rcv_nxt = syn->seq + 1;
	t->has_ts = syn->has_ts;
	t->ts_recent = syn->tsval;
	t->wscale_theirs = syn->wscale > 0 ? syn->wscale : 0;
	t->snd_wnd = syn->window;
	if (syn->mss && syn->mss < t->mss)
		t->mss = syn->mss;
}

void sim_tcp_accept(struct sim_tcp *t, const struct sp_segment *syn)
{
	start(t, SIM_TCP_SYN_RCVD);
	t->out = sp_tuple_reverse(&syn->tuple);
	read_syn(t, syn);
	send_syn(t, SP_TCP_SYN | SP_TCP_ACK);
	arm(t);
}

/* ---- receiving ---- */

static void opened(struct sim_tcp *t)
{
	t->state = SIM_TCP_OPEN;
	t->snd_una = t->iss + 1;
	t->rto_ns = RTO_MIN_NS;
	t->tries = 0;
	disarm(t);
}

static void on_syn_ack(struct sim_tcp *t, const struct sp_segment *seg)
{
	if (seg->flags & SP_TCP_ACK && seg->ack != t->iss + 1) {
		/* a segment of a closed connection: RFC 9293, 3.10.7.3 */
		sim_tcp_refuse(seg);
		return;
	}
	if (!(seg->flags & SP_TCP_ACK))
		return;
	if (seg->flags & SP_TCP_RST) {
		fail(t, "refused");
		return;
	}
	if (!(seg->flags & SP_TCP_SYN))
		return;
	read_syn(t, seg);
	opened(t);
	send_ack(t);
	send_more(t);
}

static void on_rst(struct sim_tcp *t, const struct sp_segment *seg)
{
	if (seg->seq == t->rcv_nxt)
		fail(t, "reset");
	else if (ahead(seg->seq, t->rcv_nxt) > 0 && ahead(seg->seq, t->rcv_nxt) < WINDOW)
		send_ack(t);
}

static void on_ack(struct sim_tcp *t, const struct sp_segment *seg)
{
	if (ahead(seg->ack, t->snd_max) > 0 && t->is_left && t->is_left(t->ctx)) {
		send_ack(t);
		return;
	}
	if (ahead(seg->ack, t->snd_max) > 0) {
		sim_fail("an acknowledgement of %u bytes that were never sent",
			 seg->ack - t->snd_max);
		return;
	}
	t->snd_wnd = (__u32)seg->window << t->wscale_theirs;
	if (ahead(seg->ack, t->snd_una) > 0) {
		t->cwnd += seg->ack - t->snd_una;
		t->snd_una = seg->ack;
		if (ahead(t->snd_una, t->snd_nxt) > 0)
			t->snd_nxt = t->snd_una;
		t->rto_ns = RTO_MIN_NS;
		t->tries = t->dup_acks = 0;
		disarm(t);
		if (t->snd_nxt != t->snd_una)
			arm(t);
		if (t->acked)
			t->acked(t->ctx, t->snd_una - t->iss - 1, seg);
	} else if (!seg->payload_len && t->snd_nxt != t->snd_una && seg->ack == t->snd_una &&
		   ++t->dup_acks == 3) {
		send_at(t, t->snd_una, 65535);
	}
	send_more(t);
}

static void take(struct sim_tcp *t, __u32 seq, const char *bytes, __u32 len, int is_fin)
{
	__u32 known = t->rcv_nxt - seq;

	if (ahead(seq + len + is_fin, t->rcv_nxt) <= 0 || t->is_fin_seen)
		return;
	t->rcv_nxt = seq + len + is_fin;
	if (len > known)
		t->data(t->ctx, bytes + known, len - known);
	if (is_fin && t->state == SIM_TCP_OPEN) {
		t->is_fin_seen = 1;
		t->ended(t->ctx, NULL);
	}
}

static void take_later(struct sim_tcp *t)
{
	for (unsigned int i = 0; i < 16; i++) {
		struct held_segment *h = &t->later[i];

		if (!h->bytes || ahead(h->seq, t->rcv_nxt) > 0)
			continue;
		char *bytes = h->bytes;

		h->bytes = NULL;
		take(t, h->seq, bytes, h->len, h->is_fin);
		free(bytes);
		i = -1;
	}
}

static void keep(struct sim_tcp *t, const struct sp_segment *seg)
{
	for (unsigned int i = 0; i < 16; i++) {
		struct held_segment *h = &t->later[i];

		if (h->bytes)
			continue;
		h->bytes = malloc(seg->payload_len + 1);
		h->seq = seg->seq;
		h->len = seg->payload_len;
		h->is_fin = !!(seg->flags & SP_TCP_FIN);
		memcpy(h->bytes, seg->payload, seg->payload_len);
		return;
	}
}

static void on_stream(struct sim_tcp *t, const struct sp_segment *seg)
{
	__u32 len = seg->payload_len + !!(seg->flags & SP_TCP_FIN);

	if (!len)
		return;
	if (ahead(seg->seq, t->rcv_nxt) > 0 && ahead(seg->seq, t->rcv_nxt) < WINDOW) {
		keep(t, seg);
	} else if (ahead(seg->seq, t->rcv_nxt) <= 0) {
		take(t, seg->seq, seg->payload, seg->payload_len, !!(seg->flags & SP_TCP_FIN));
		take_later(t);
	}
	send_ack(t);
}

static int is_old(const struct sim_tcp *t, const struct sp_segment *seg)
{
	return t->has_ts && seg->has_ts && !(seg->flags & SP_TCP_RST) &&
	       ahead(seg->tsval, t->ts_recent) < 0;
}

/*
 * RFC 9293, 3.10.7.4: a segment is acceptable if part of it is in the window. Unacceptable segments
 * must not move TS.Recent, either (RFC 7323, 4.3).
 */
static int is_acceptable(const struct sim_tcp *t, const struct sp_segment *seg)
{
	__u32 end = seg->seq + seg->payload_len + !!(seg->flags & SP_TCP_FIN);

	return ahead(end, t->rcv_nxt) >= 0 && ahead(seg->seq, t->rcv_nxt) < WINDOW;
}

void sim_tcp_receive(struct sim_tcp *t, const struct sp_segment *seg)
{
	if (t->state == SIM_TCP_CLOSED)
		return;
	if (t->state == SIM_TCP_SYN_SENT) {
		on_syn_ack(t, seg);
		return;
	}
	if (is_old(t, seg) || (seg->flags & SP_TCP_SYN)) {
		if (t->state == SIM_TCP_SYN_RCVD && seg->seq == t->irs)
			send_syn(t, SP_TCP_SYN | SP_TCP_ACK);
		else
			send_ack(t);
		return;
	}
	if (seg->flags & SP_TCP_RST) {
		on_rst(t, seg);
		return;
	}
	if (!(seg->flags & SP_TCP_ACK))
		return;
	if (t->state == SIM_TCP_SYN_RCVD) {
		if (seg->ack != t->iss + 1) {
			sim_tcp_refuse(seg);
			return;
		}
		opened(t);
	}
	if (!is_acceptable(t, seg)) {
		if (seg->payload_len)
			send_ack(t);
		return;
	}
	if (seg->has_ts && ahead(seg->seq, t->rcv_nxt) <= 0 && ahead(seg->tsval, t->ts_recent) > 0)
		t->ts_recent = seg->tsval;
	on_ack(t, seg);
	if (t->state == SIM_TCP_OPEN)
		on_stream(t, seg);
}

void sim_tcp_write(struct sim_tcp *t)
{
	if (t->state == SIM_TCP_OPEN)
		send_more(t);
}

void sim_tcp_reset(struct sim_tcp *t)
{
	struct sp_segment rst = segment(t, SP_TCP_RST | SP_TCP_ACK, t->snd_nxt);

	if (t->state == SIM_TCP_CLOSED)
		return;
	sim_net_send_segment(&rst);
	t->state = SIM_TCP_CLOSED;
	disarm(t);
}

void sim_tcp_fini(struct sim_tcp *t)
{
	for (unsigned int i = 0; i < 16; i++)
		free(t->later[i].bytes);
}

int sim_tcp_is_over(const struct sim_tcp *t)
{
	return t->state == SIM_TCP_CLOSED ||
	       (t->is_done && t->is_fin_seen && t->snd_una == stream_end(t));
}

void sim_tcp_refuse(const struct sp_segment *seg)
{
	struct sp_segment rst = { .tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_RST,
				  .wscale = -1 };

	if (seg->flags & SP_TCP_RST)
		return;
	if (seg->flags & SP_TCP_ACK) {
		rst.seq = seg->ack;
	} else {
		rst.flags |= SP_TCP_ACK;
		rst.ack = seg->seq + seg->payload_len + !!(seg->flags & SP_TCP_SYN) +
			!!(seg->flags & SP_TCP_FIN);
	}
	sim_net_send_segment(&rst);
}
