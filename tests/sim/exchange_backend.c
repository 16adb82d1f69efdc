// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exchange_backend.c - backends: a request is compared and answered, idle connections are closed */
#include "exchanges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "net.h"
#include "store.h"
#include "tcp.h"
#include "world.h"

#define SERVERS_MAX	256
#define IN_MAX		(256 * 1024)
#define OUT_MAX		(SIM_EXCHANGES_MAX * SIM_RESPONSE_MAX)
#define LINE_MAX	64	/* has the nonce */
#define FAIL_NS		(5 * SIM_MS)
#define FIN_NS		(2 * SIM_MS)	/* behind a 408 */

/**
 * struct server - a backend's end of a connection
 * @number:	from 1 on, for struct sim_fate
 * @in, @len:	bytes so far; the request under way begins at @parsed
 * @x:		request under way; NULL: its nonce is not known
 * @last:	request before
 * @checked:	bytes of the request that were compared
 * @has_request: the request is complete
 * @begin, @due: where the response begins and ends in @out; @due 0: not begun
 * @epoch:	of the last activity: older timers are over
 * @is_shut:	the application has closed
 * @is_draining: bytes are read, and dropped
 * @is_half_closed: the FIN of the peer is here
 */
struct server {
	struct sim_tcp			tcp;
	unsigned int			number, backend;
	char				*in, *out;
	__u32				len, parsed, checked;
	const struct sim_exchange	*x, *last;
	__u32				begin, due;
	int				has_request, is_shut, is_half_closed, is_draining;
	__u64				epoch;
};

struct sim_fate sim_fates[SIM_EXCHANGE_CLIENTS * SIM_EXCHANGES_MAX];
static struct server *servers[SERVERS_MAX];
static unsigned int server_count;

void sim_exchange_backends_end(void)
{
	for (unsigned int i = 0; i < server_count; i++) {
		sim_tcp_fini(&servers[i]->tcp);
		free(servers[i]->in);
		free(servers[i]->out);
		free(servers[i]);
	}
	server_count = 0;
}

void sim_exchange_backends_begin(void)
{
	sim_exchange_backends_end();
	memset(sim_fates, 0, sizeof(sim_fates));
}

/* ---- the end of a connection ---- */

static void shut(struct server *s)
{
	s->is_shut = s->tcp.is_done = 1;
	sim_tcp_write(&s->tcp);
}

static void shut_late(void *server, __u64 unused)
{
	shut(server);
}

static void close_idle(void *server, __u64 epoch)
{
	struct server *s = server;

	if (epoch != s->epoch || s->is_shut || s->tcp.state != SIM_TCP_OPEN ||
	    s->tcp.snd_una != s->tcp.iss + 1 + s->tcp.len)
		return;
	sim_trace("backend %u: closes idle connection %u", s->backend, s->number);
	sim_fates[s->last->nonce].closed_ns = sim_now_ns;
	if (s->last->idle == SIM_IDLE_RST) {
		sim_tcp_reset(&s->tcp);
		return;
	}
	s->is_shut = 1;
	if (s->last->idle == SIM_IDLE_408)
		s->tcp.len += sprintf(s->out + s->tcp.len,
				      "HTTP/1.1 408 Request Timeout\r\nX-Connection: %u\r\n"
				      "Content-Length: 0\r\nConnection: close\r\n\r\n", s->number);
	if (sim_chance(500)) {
		shut(s);
		return;
	}
	sim_tcp_write(&s->tcp);
	sim_in(sim_below(FIN_NS), shut_late, s, 0);
}

static void fail_now(void *server, __u64 nonce)
{
	struct server *s = server;

	sim_trace("backend %u: fails in response %u", s->backend, (unsigned int)nonce);
	sim_fates[nonce].is_failed = 1;
	sim_tcp_reset(&s->tcp);
}

/* ---- responses ---- */

static void end_exchange(struct server *s)
{
	const struct sim_exchange *x = s->x;

	s->last = x;
	s->x = NULL;
	s->due = s->checked = s->has_request = 0;
	s->epoch++;
	s->is_draining = sim_exchange_closes(x);	/* an RST would undo the response */
	if (s->is_draining || (s->is_half_closed && s->len == s->parsed))
		shut(s);
	else if (x->idle != SIM_IDLE_STAYS)
		sim_in(x->idle_ns, close_idle, s, s->epoch);
}

static void parse(struct server *s);

/* The end of the connection does not wait for the rest of the request. */
static void end_if_complete(struct server *s)
{
	if (!s->x || s->tcp.len != s->due ||
	    !(s->has_request || (s->x->is_early && sim_exchange_closes(s->x))))
		return;
	end_exchange(s);
	parse(s);
}

/* Up to the pause, the failure, or the end. */
static void respond(void *server, __u64 epoch)
{
	struct server *s = server;
	__u32 pause, fails;

	if (s->tcp.state != SIM_TCP_OPEN || epoch != s->epoch)
		return;
	pause = s->begin + s->x->pause_at;
	fails = s->begin + s->x->fails_at;
	if (s->x->drip_bytes && s->tcp.len + s->x->drip_bytes < s->due) {
		s->tcp.len += s->x->drip_bytes;
		sim_in(s->x->drip_ns, respond, s, s->epoch);
	} else if (s->x->pause_at && s->tcp.len < pause && pause < s->due) {
		s->tcp.len = pause;
		sim_in(s->x->pause_ns, respond, s, s->epoch);
	} else if (s->x->fails_at && fails < s->due) {
		s->tcp.len = fails > s->tcp.len ? fails : s->tcp.len;
		sim_in(sim_below(FAIL_NS), fail_now, s, s->x->nonce);
	} else {
		s->tcp.len = s->due;
	}
	sim_tcp_write(&s->tcp);
	end_if_complete(s);
}

/* At the end of the head. */
static void begin_response(struct server *s)
{
	__u32 interim;

	s->begin = s->tcp.len;
	s->due = s->begin + sim_exchange_response(s->x, s->backend, s->out + s->begin, &interim);
	s->tcp.len += interim;
	sim_tcp_write(&s->tcp);
	if (s->x->is_early)
		respond(s, s->epoch);
}

/* ---- requests ---- */

static int is_moved(const struct sim_exchange *x, const struct server *s)
{
	return x->nonce % SIM_EXCHANGES_MAX && sim_fates[x->nonce - 1].taker != s->number;
}

/* The first line of a request has arrived. */
static void take_request(struct server *s, const struct sim_exchange *x)
{
	struct sim_fate *f = &sim_fates[x->nonce];

	if (!sim_exchange_is_of(x, s->backend))
		sim_fail("request %u comes to backend %u, which is not of its pool", x->nonce,
			 s->backend);
	if (f->taker)
		sim_fail("request %u comes to a second connection of a backend", x->nonce);
	if (f->timed_out_by)
		sim_fail("request %u comes to connection %u, after the 408 of connection %u",
			 x->nonce, s->number, f->timed_out_by);
	if (x->nonce % SIM_EXCHANGES_MAX && sim_exchange_closes(x - 1))
		sim_fail("request %u comes after the response that ends its connection", x->nonce);
	if (is_moved(x, s) && !sim_exchange_is_heard(x->nonce - 1) &&
	    !sim_exchange_is_gone(x->nonce))
		sim_fail("law 9: request %u has moved before its client has response %u", x->nonce,
			 x->nonce - 1);
	sim_exchange_sums.moves += is_moved(x, s);
	f->taker = s->number;
	s->x = x;
	s->epoch++;
	s->checked = 0;
}

static void find_request(struct server *s)
{
	char line[LINE_MAX + 1] = "", method[8], pool;
	const struct sim_exchange *x;
	unsigned int nonce;
	__u32 len = s->len - s->parsed;

	memcpy(line, s->in + s->parsed, len < LINE_MAX ? len : LINE_MAX);
	if (!strstr(line, "\r\n") && len < LINE_MAX)
		return;
	x = sscanf(line, "%7s /%c/%u/", method, &pool, &nonce) == 3 ? sim_exchange_named(nonce) :
		NULL;
	if (x)
		take_request(s, x);
	else
		sim_fail("backend %u hears \"%.*s\"", s->backend, 40, line);
}

static void run_request(struct server *s)
{
	sim_fates[s->x->nonce].runs++;
	sim_trace("backend %u: request %u runs, connection %u", s->backend, s->x->nonce, s->number);
	s->parsed += s->checked;
	s->has_request = 1;
	if (s->x->is_early)
		end_if_complete(s);
	else
		respond(s, s->epoch);
}

static void check_request(struct server *s)
{
	const struct sim_exchange *x = s->x;
	__u32 total, head, come = s->len - s->parsed;
	const char *request = sim_exchange_bytes(x->nonce, &total);
	struct sim_fate *f = &sim_fates[x->nonce];

	come = come < total ? come : total;
	if (memcmp(request + s->checked, s->in + s->parsed + s->checked, come - s->checked))
		sim_fail("request %u: a wrong byte between %u and %u", x->nonce, s->checked,
			 come);
	s->checked = come;
	f->got = come > f->got ? come : f->got;
	head = (const char *)memmem(request, total, "\r\n\r\n", 4) + 4 - request;
	if (s->checked >= head && !s->due)
		begin_response(s);
	if (s->checked == total && s->x == x)
		run_request(s);
}

static void parse(struct server *s)
{
	while (s->len > s->parsed && !s->has_request && !s->is_shut && !sim_failure()) {
		if (!s->x)
			find_request(s);
		if (!s->x || s->checked == s->len - s->parsed)
			return;
		check_request(s);
	}
}

/* Bytes for a closed connection. */
static void trace_refused(const char *bytes, __u32 len)
{
	sim_trace("request %d comes to a closed connection", sim_exchange_of_bytes(bytes, len));
}

/* For law 1: requests behind the one that runs. They are read later. */
static void note_ahead(struct server *s)
{
	__u32 bytes = s->len - s->parsed, total;

	for (unsigned int nonce = s->x->nonce + 1; bytes && nonce % SIM_EXCHANGES_MAX; nonce++) {
		struct sim_fate *f = &sim_fates[nonce];

		if (!sim_exchange_bytes(nonce, &total))
			return;
		total = total < bytes ? total : bytes;
		f->got = total > f->got ? total : f->got;
		bytes -= total;
	}
}

static void server_data(void *server, const char *bytes, __u32 len)
{
	struct server *s = server;
	struct sp_tuple back = sp_tuple_reverse(&s->tcp.out);

	if (sim_machine_count > 1 && !s->len && !sim_store_by_back(&back) && !sim_store.lost)
		sim_fail("law 3: bytes for a backend, of a splice that the store does not have");
	if (s->is_draining)	/* for law 1: the backend has the bytes */
		sim_fates[s->last->nonce].got += len;
	if (s->tcp.state == SIM_TCP_CLOSED || s->is_draining)
		return;
	if (s->is_shut) {
		trace_refused(bytes, len);
		sim_tcp_reset(&s->tcp);
		return;
	}
	if ((sim_machine_count || sim_net.middle) && s->has_request &&
	    !sim_exchange_has_faults())	/* else a daemon may have died, and with it the end */
		sim_fail("request %u: bytes of another before its response is written",
			 s->x->nonce);
	if (s->len + len > IN_MAX)
		return;
	memcpy(s->in + s->len, bytes, len);
	s->len += len;
	if (s->has_request)
		note_ahead(s);
	s->epoch += !s->x;	/* idle no more */
	parse(s);
}

/* Whether the peer may close now. */
static void judge_end(const struct server *s, const char *why)
{
	const struct sim_exchange *x = s->x ?: s->last;

	if (!x || sim_exchange_is_heard(x->nonce) || sim_exchange_is_gone(x->nonce) ||
	    sim_fates[x->nonce].is_failed)
		return;
	if (why || !sim_exchange_is_last(x->nonce))
		sim_fail("law 9: connection %u %s, and its client does not have response %u",
			 s->number, why ?: "is closed", x->nonce);
}

static void server_ended(void *server, const char *why)
{
	struct server *s = server;

	sim_trace("backend %u: connection %u %s", s->backend, s->number, why ?: "is closed");
	if (!s->is_shut)
		judge_end(s, why);
	s->is_half_closed = 1;
	if (!s->x)
		shut(s);
}

/* ---- connections ---- */

/* The next request of its client is at another connection. */
static int is_left(void *server)
{
	const struct server *s = server;
	unsigned int next = s->last ? s->last->nonce + 1 : 0;

	return next % SIM_EXCHANGES_MAX && sim_fates[next].taker &&
	       sim_fates[next].taker != s->number;
}

static struct server *server_of(const struct sp_tuple *key)
{
	for (unsigned int i = server_count; i-- > 0;)
		if (servers[i]->tcp.state != SIM_TCP_CLOSED &&
		    !memcmp(&servers[i]->tcp.out, key, sizeof(*key)))
			return servers[i];
	return NULL;
}

static void accept_one(const struct sp_segment *syn)
{
	struct server *s;

	if (server_count == SERVERS_MAX) {
		sim_fail("sim: backends have no room");
		return;
	}
	s = calloc(1, sizeof(*s));
	servers[server_count++] = s;
	s->number = server_count;
	s->backend = (be32toh(syn->tuple.daddr.w[3]) & 0xff) - 1;
	s->in = malloc(IN_MAX);
	s->out = malloc(OUT_MAX);
	s->tcp.bytes = s->out;
	s->tcp.acks_at_end = 1;
	s->tcp.clock = sim_random();
	s->tcp.ctx = s;
	s->tcp.data = server_data;
	s->tcp.ended = server_ended;
	s->tcp.is_left = is_left;
	sim_tcp_accept(&s->tcp, syn);
}

void sim_exchange_backend_receive(const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);
	struct server *s = server_of(&key);

	if (s) {
		sim_tcp_receive(&s->tcp, seg);
	} else if ((seg->flags & (SP_TCP_SYN | SP_TCP_ACK)) == SP_TCP_SYN) {
		accept_one(seg);
	} else {
		if (seg->payload_len)
			trace_refused(seg->payload, seg->payload_len);
		sim_tcp_refuse(seg);
	}
}

/* Bytes without a complete first line belong to no request yet. */
__u32 sim_exchange_arrived(unsigned int nonce)
{
	__u32 total, most = sim_fates[nonce].got;
	const char *request = sim_exchange_bytes(nonce, &total);

	for (unsigned int i = 0; i < server_count; i++) {
		const struct server *s = servers[i];
		__u32 n = s->len - s->parsed;

		if (!s->x && n > most && n <= total && !memcmp(s->in + s->parsed, request, n))
			most = n;
	}
	return most;
}
