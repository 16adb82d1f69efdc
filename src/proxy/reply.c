// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * reply.c - HTTP replies of our own, on a connection that ends cleanly
 *
 * A reply is a segment with text and FIN, made anew when the client retransmits. Further data of
 * the client is acknowledged and dropped. So the client closes, and does not lose the reply to an
 * RST.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "abi/cookie.h"
#include "proxy/access.h"
#include "proxy/reply.h"
#include "tcp/relay.h"

#define KEEP_NS	5000000000ULL	/* of the slot, if the client neither closes nor retransmits */

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

static void count_reply(struct sp_proxy *p, int status)
{
	switch (status) {
	case SP_REPLY_NOTHING: p->node.counters.closed_empty++; break;
	case 400: p->node.counters.answered_400++; break;
	case 404: p->node.counters.answered_404++; break;
	case 408: p->node.counters.answered_408++; break;
	case 414: p->node.counters.answered_414++; break;
	case 431: p->node.counters.answered_431++; break;
	case 503: p->node.counters.answered_503++; break;
	}
}

static __u32 seen_bytes(const struct sp_conn *c)
{
	return c->reasm.len + (c->reasm.len >= c->fin_at);
}

/*
 * The answer to HEAD has no body (RFC 9110, 9.3.2). An empty line may come first (RFC 9112, 2.2).
 */
static int is_head(struct sp_proxy *p, const struct sp_conn *c)
{
	const char *buf = sp_conn_buf(p->conns, c) + c->skip;
	__u32 len = c->reasm.len - c->skip;
	__u32 at = len >= 2 && !memcmp(buf, "\r\n", 2) ? 2 : 0;

	return len >= at + 5 && !memcmp(buf + at, "HEAD ", 5);
}

/*
 * The length is the same at any time: so a repeated reply, of this or another proxy, fills the same
 * sequence numbers.
 */
static __u32 format_reply(struct sp_proxy *p, const struct sp_conn *c, char *buf, size_t size)
{
	const char *text = text_of(c->status);
	char date[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
	time_t sent_s = c->sent_s;
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&sent_s, &tm));
	return snprintf(buf, size,
			"HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			"Connection: close\r\n\r\n%s%s", text, date, strlen(text) + 1,
				is_head(p, c) ? "" : text,
			is_head(p, c) ? "" : "\n");
}

/* RST if the protocol has no words for the status. */
static void send_reply(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_segment seg = sp_conn_segment(c, SP_TCP_ACK | SP_TCP_PSH | SP_TCP_FIN,
						seen_bytes(c));
	char buf[320];

	if (c->status != SP_REPLY_NOTHING && c->service->protocol == SP_PROTOCOL_HTTP) {
		seg.payload_len = format_reply(p, c, buf, sizeof(buf));
		seg.payload = buf;
	} else {
		seg.flags = SP_TCP_ACK | (c->status == SP_REPLY_NOTHING ? SP_TCP_FIN : SP_TCP_RST);
	}
	sp_relay_pieces(p->node.wire, &seg, c->mss);
}

static struct sp_next send_first(struct sp_proxy *p, struct sp_conn *c, const char *why)
{
	sp_conn_enter(c, SP_CONN_REPLIED, why);
	count_reply(p, c->status);
	sp_access_replied(p, c);
	c->sent_s = time(NULL);
	sp_conn_trap(p, c);
	/* the stash keeps acknowledged bytes: after a death another proxy replies the same */
	send_reply(p, c);
	return sp_next_wait();
}

__u32 sp_reply_age_ms(const struct sp_conn *c, __u64 now_ns)
{
	__u64 begun_ns = c->deadline_ns - KEEP_NS;

	return c->state == SP_CONN_REPLIED && !c->is_next && now_ns > begun_ns ?
	       (now_ns - begun_ns) / 1000000 : 0;
}

/*
 * Only one proxy reads further requests. If another proxy may have made the splice of the first,
 * the client must not get this reply beside the backend's.
 */
struct sp_next sp_reply_begin(struct sp_proxy *p, struct sp_conn *c, int status, const char *why)
{
	c->status = status;
	c->deadline_ns = sp_now_ns() + KEEP_NS;
	if (!sp_node_is_shared(&p->node) || c->is_next)
		return send_first(p, c, why);
	sp_conn_enter(c, SP_CONN_ASKING, why);
	sp_store_fetch(p->node.store, &c->front);
	return sp_next_wait();
}

/*
 * The trap stays, as behind any reply. Other proxies may have the splice: then only a
 * retransmission tells.
 */
void sp_reply_last(struct sp_proxy *p, struct sp_conn *c, int status)
{
	if (!sp_node_is_shared(&p->node)) {
		c->status = status;
		send_first(p, c, "gives way");
		c->is_trapped = 0;
	}
	sp_conn_end(p, c, "gives way");
}

struct sp_next sp_reply_asked(struct sp_proxy *p, struct sp_conn *c, int err)
{
	if (err == -ENOENT || c->config->store.loss == SP_LOSS_CONTINUE)
		return send_first(p, c, "the store knows no splice");
	return sp_next(SP_NEXT_END, "the store could not be asked");
}

/* An ACK numbered behind our FIN if the client has seen the FIN, else before the reply. */
void sp_reply_end(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_segment ack = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_ACK, .seq = seg->ack,
		.window = 65535,
		.ack = seg->seq + seg->payload_len + !!(seg->flags & SP_TCP_FIN), .wscale = -1,
		.has_ts = seg->has_ts, .tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	if (seg->payload_len || seg->flags & SP_TCP_FIN)
		sp_wire_send(p->node.wire, &ack);
}

/*
 * A client that closes has received the whole reply. The slot is free then; the trap alone answers
 * retransmitted FINs.
 */
struct sp_next sp_reply_segment(struct sp_proxy *p, struct sp_conn *c, const struct sp_segment *seg)
{
	if (!(seg->flags & SP_TCP_RST)) {
		if (seg->ack == c->client.isn_ours + 1)
			/* alone: after a bare ACK the client would not retransmit */
			send_reply(p, c);
		else
			sp_reply_end(p, seg);
		if (!(seg->flags & SP_TCP_FIN) || seg->ack == c->client.isn_ours + 1)
			return sp_next_wait();
	}
	c->is_trapped = 0;
	return sp_next(SP_NEXT_END, "the client has the reply");
}

void sp_reply_probe(struct sp_proxy *p, const struct sp_segment *seg)
{
	const struct sp_service *offer = sp_datapath_service(p->node.dp, &seg->tuple);
	int is_scaled = sp_cookie_data_wscale((seg->ack - 1) & 0xff) != SP_COOKIE_WSCALE_NONE;
	__u32 window = SP_CONN_BUF >> (offer && is_scaled ? offer->wscale : 0);
	struct sp_segment ack = {
		.tuple = sp_tuple_reverse(&seg->tuple), .flags = SP_TCP_ACK, .seq = seg->ack,
		.ack = seg->seq + 1,
		.window = window < 65535 ? window : 65535, .wscale = -1,
		.has_ts = seg->has_ts, .tsval = seg->tsecr, .tsecr = seg->tsval,
	};

	p->node.counters.probes_answered++;
	sp_wire_send(p->node.wire, &ack);
}
