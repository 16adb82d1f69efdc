// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * answer.c - answers of our own, on a connection that ends cleanly
 *
 * An answer is one segment with the text and FIN, made again from whatever
 * the client repeats. What the client still sends is acknowledged and thrown
 * away, so that it closes instead of losing the answer to an RST.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "abi/cookie.h"
#include "proxy/front_internal.h"
#include "tcp/relay.h"

#define KEEP_NS	5000000000ULL	/* the slot, for a client that neither closes nor repeats itself */

static const char *text_of(int status)
{
	switch (status) {
	case 400: return "400 Bad Request";
	case 404: return "404 Not Found";
	case 408: return "408 Request Timeout";
	case 414: return "414 URI Too Long";
	case 431: return "431 Request Header Fields Too Large";
	default: return "503 Service Unavailable";
	}
}

static void count(struct sp_front *f, int status)
{
	switch (status) {
	case SP_ANSWER_NOTHING: f->counters.closed_empty++; break;
	case 400: f->counters.answered_400++; break;
	case 404: f->counters.answered_404++; break;
	case 408: f->counters.answered_408++; break;
	case 414: f->counters.answered_414++; break;
	case 431: f->counters.answered_431++; break;
	case 503: f->counters.answered_503++; break;
	}
}

static __u32 seen_bytes(const struct sp_conn *c)
{
	return c->held.len + (c->held.len >= c->fin_at);
}

/* The answer to HEAD has no body (RFC 9110, 9.3.2). An empty line may come first (RFC 9112, 2.2). */
static int is_head(struct sp_front *f, const struct sp_conn *c)
{
	const char *buf = sp_conn_buf(f->conns, c);
	__u32 at = c->held.len >= 2 && !memcmp(buf, "\r\n", 2) ? 2 : 0;

	return c->held.len >= at + 5 && !memcmp(buf + at, "HEAD ", 5);
}

/* Of the same length at any time, so that a repetition, here or from another proxy, fills the same place. */
static __u32 format(struct sp_front *f, const struct sp_conn *c, char *buf, size_t size)
{
	const char *text = text_of(c->status);
	char date[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
	time_t said_s = c->said_s;
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&said_s, &tm));
	return snprintf(buf, size, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			"Connection: close\r\n\r\n%s%s", text, date, strlen(text) + 1, is_head(f, c) ? "" : text,
			is_head(f, c) ? "" : "\n");
}

/* RST where the protocol has no words for it. */
static void send(struct sp_front *f, const struct sp_conn *c)
{
	struct sp_segment seg = sp_front_segment(c, SP_TCP_ACK | SP_TCP_PSH | SP_TCP_FIN, seen_bytes(c));
	char buf[320];

	if (c->status != SP_ANSWER_NOTHING && c->service->protocol == SP_PROTOCOL_HTTP) {
		seg.payload_len = format(f, c, buf, sizeof(buf));
		seg.payload = buf;
	} else {
		seg.flags = SP_TCP_ACK | (c->status == SP_ANSWER_NOTHING ? SP_TCP_FIN : SP_TCP_RST);
	}
	sp_relay_pieces(f->wire, &seg, c->mss);
}

static void say(struct sp_front *f, struct sp_conn *c)
{
	count(f, c->status);
	c->is_unsaid = 0;
	c->said_s = time(NULL);
	sp_front_mark(f, c);
	send(f, c);	/* the stash keeps what was acknowledged: should we die, another proxy says the same */
}

/* Where another proxy may have made the splice, the client must not hear us beside its backend. */
void sp_answer(struct sp_front *f, struct sp_conn *c, int status)
{
	c->status = status;
	c->state = SP_CONN_ANSWERED;
	c->deadline_ns = sp_now_ns() + KEEP_NS;
	if (!sp_carrier_is_shared(&f->carrier)) {
		say(f, c);
		return;
	}
	c->is_unsaid = 1;
	f->store->engine->fetch(f->store, &c->front);
}

/* A mark stays, as behind any answer. Other proxies may have the splice, so that only the client's repetition tells. */
void sp_answer_last(struct sp_front *f, struct sp_conn *c, int status)
{
	if (!sp_carrier_is_shared(&f->carrier)) {
		c->status = status;
		c->state = SP_CONN_ANSWERED;
		say(f, c);
		c->is_marked = 0;
	}
	sp_front_del(f, c);
}

void sp_answer_now(struct sp_front *f, struct sp_conn *c, int err)
{
	if (err == -ENOENT || c->config->store.loss == SP_LOSS_CONTINUE)
		say(f, c);
	else
		sp_front_del(f, c);
}

/* From our FIN's place on when the client has seen it, else from before the answer. */
void sp_answer_end(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_segment ack = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_ACK, .seq = seg->ack, .window = 65535,
		.ack = seg->seq + seg->payload_len + !!(seg->flags & SP_TCP_FIN), .wscale = -1,
		.has_ts = seg->has_ts, .tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	if (seg->payload_len || seg->flags & SP_TCP_FIN)
		sp_wire_send(f->wire, &ack);
}

/*
 * The client knows all of the answer when it closes: its slot is free for others, the mark alone
 * sees to repeated FINs.
 */
void sp_answer_again(struct sp_front *f, struct sp_conn *c, const struct sp_segment *seg)
{
	if (c->is_unsaid)
		return;
	if (!(seg->flags & SP_TCP_RST)) {
		if (seg->ack == c->client.isn_ours + 1)
			send(f, c);	/* and nothing else: after a bare ACK the client would not repeat itself */
		else
			sp_answer_end(f, seg);
		if (!(seg->flags & SP_TCP_FIN) || seg->ack == c->client.isn_ours + 1)
			return;
	}
	c->is_marked = 0;
	sp_front_del(f, c);
}

void sp_answer_probe(struct sp_front *f, const struct sp_segment *seg)
{
	const struct sp_service *offer = sp_datapath_service(f->dp, &seg->tuple);
	int is_scaled = sp_cookie_data_wscale((seg->ack - 1) & 0xff) != SP_COOKIE_WSCALE_NONE;
	__u32 window = SP_CONN_BUF >> (offer && is_scaled ? offer->wscale : 0);
	struct sp_segment ack = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_ACK, .seq = seg->ack, .ack = seg->seq + 1,
		.window = window < 65535 ? window : 65535, .wscale = -1,
		.has_ts = seg->has_ts, .tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	f->counters.probes_answered++;
	sp_wire_send(f->wire, &ack);
}

void sp_answer_reset(struct sp_front *f, const struct sp_segment *seg)
{
	struct sp_segment rst = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_RST, .seq = seg->ack, .wscale = -1,
	};

	if (seg->flags & SP_TCP_RST || !(seg->flags & SP_TCP_ACK))
		return;
	sp_wire_send(f->wire, &rst);
}
