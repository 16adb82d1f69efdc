// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "middle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "exchanges.h"
#include "net.h"
#include "tcp.h"
#include "world.h"

#define ROOM		(SIM_EXCHANGES_MAX * SIM_RESPONSE_MAX)
#define CONNS_MAX	SIM_EXCHANGE_CLIENTS
#define LEGS_MAX	128
#define ADDRESS		"10.3.0.1"

static const char not_found[] =
	"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

struct conn;

/* A connection to a backend; @is_over: either end has closed */
struct leg {
	struct sim_tcp	tcp;
	struct conn	*conn;
	unsigned int	backend;
	char		*out;
	int		is_over;
};

/* A client's connection. The request at @parsed is the next; @x: under way at @leg; @got: heard */
struct conn {
	struct sim_tcp			tcp;
	char				*in, *out;
	__u32				len, parsed, got, due;
	const struct sim_exchange	*x;
	struct leg			*leg;
	int				is_half_closed, is_wrong_done;
};

const char *const sim_wrong_names[SIM_WRONG_COUNT] = {
#define X(up, low) #low,
	SIM_WRONGS(X)
#undef X
};
static struct conn *conns[CONNS_MAX];
static struct leg *legs[LEGS_MAX];
static unsigned int conn_count, leg_count;
static enum sim_wrong wrong;
static char scratch[SIM_RESPONSE_MAX];

/* The fault is due: once in a connection. */
static int is_wrong(struct conn *c, enum sim_wrong which)
{
	if (which != wrong || c->is_wrong_done)
		return 0;
	c->is_wrong_done = 1;
	return 1;
}

static void close_leg(struct leg *l)
{
	l->is_over = l->tcp.is_done = 1;
	sim_tcp_write(&l->tcp);
}

static void close_front(struct conn *c)
{
	c->tcp.is_done = 1;
	sim_tcp_write(&c->tcp);
}

static void append(struct sim_tcp *tcp, char *to, const char *bytes, __u32 len)
{
	if (tcp->is_done || tcp->len + len > ROOM)
		return;
	memcpy(to + tcp->len, bytes, len);
	tcp->len += len;
	sim_tcp_write(tcp);
}

/* ---- backends ---- */

static void go_on(struct conn *c);

static void end_response(struct conn *c)
{
	const struct sim_exchange *x = c->x;

	c->x = NULL;
	if (sim_exchange_closes(x))
		close_front(c);
	else
		go_on(c);
}

/* The bytes as they are, or not. */
static void pass(struct conn *c, struct leg *l, const char *bytes, __u32 len)
{
	__u32 interim;

	if (c->got > 200 && is_wrong(c, SIM_WRONG_MIX)) {
		sim_exchange_response(c->x, l->backend ^ 1, scratch, &interim);
		append(&c->tcp, c->out, scratch + c->got, len);
		return;
	}
	if (c->x->nonce % SIM_EXCHANGES_MAX && is_wrong(c, SIM_WRONG_SWAP)) {
		sim_exchange_response(c->x - 1, l->backend, scratch, &interim);
		append(&c->tcp, c->out, scratch + c->got, len);
		return;
	}
	if (is_wrong(c, SIM_WRONG_DROP))
		return;
	append(&c->tcp, c->out, bytes, len);
	if (c->got > 1000 && is_wrong(c, SIM_WRONG_CUT))
		close_front(c);
	if (c->got + len < c->due && is_wrong(c, SIM_WRONG_LEAVE))
		close_leg(l);
}

static void leg_data(void *leg, const char *bytes, __u32 len)
{
	struct leg *l = leg;
	struct conn *c = l->conn;

	if (l != c->leg || !c->x) {
		if (is_wrong(c, SIM_WRONG_LATE_408))
			append(&c->tcp, c->out, bytes, len);
		return;
	}
	if (!c->got && len > 12 && !memcmp(bytes, "HTTP/1.1 408", 12)) {
		append(&c->tcp, c->out, bytes, len);
		c->x = NULL;
		close_front(c);
		return;
	}
	pass(c, l, bytes, len);
	c->got += len;
	if (c->got >= c->due && c->x->upgrade != SIM_UPGRADE_ACCEPTED)
		end_response(c);
}

static void leg_ended(void *leg, const char *why)
{
	struct leg *l = leg;
	struct conn *c = l->conn;

	close_leg(l);
	if (c->leg != l)
		return;
	c->leg = NULL;
	if (c->x && c->got >= c->due)
		end_response(c);
	else if (c->x)
		sim_tcp_reset(&c->tcp);
	else if (is_wrong(c, SIM_WRONG_IDLE))
		close_front(c);
}

static struct leg *new_leg(struct conn *c, unsigned int backend)
{
	struct leg *l;
	char to[32];

	if (leg_count == LEGS_MAX)
		return NULL;
	l = legs[leg_count] = calloc(1, sizeof(*l));
	l->conn = c;
	l->backend = backend;
	l->out = malloc(ROOM);
	l->tcp.bytes = l->out;
	l->tcp.acks_at_end = 1;
	l->tcp.ctx = l;
	l->tcp.data = leg_data;
	l->tcp.ended = leg_ended;
	snprintf(to, sizeof(to), "10.2.0.%u", backend + 1);
	sp_addr_parse(to, &l->tcp.out.daddr);
	sp_addr_parse(ADDRESS, &l->tcp.out.saddr);
	l->tcp.out.sport = htobe16(20000 + leg_count++);
	l->tcp.clock = sim_random();
	sim_tcp_connect(&l->tcp);
	return l;
}

/* ---- requests ---- */

static struct leg *leg_for(struct conn *c, const struct sim_exchange *x)
{
	unsigned int pool = is_wrong(c, SIM_WRONG_POOL) ? (x->pool + 1) % SIM_POOLS : x->pool;

	if (c->leg && !c->leg->is_over && c->leg->backend / SIM_POOL_BACKENDS == pool)
		return c->leg;
	if (c->leg)
		close_leg(c->leg);
	return new_leg(c, pool * SIM_POOL_BACKENDS + sim_below(SIM_POOL_BACKENDS));
}

static void forward(struct conn *c, const struct sim_exchange *x, __u32 len)
{
	struct leg *second = is_wrong(c, SIM_WRONG_DOUBLE) ?
		new_leg(c, x->pool * SIM_POOL_BACKENDS) : NULL;
	__u32 interim;

	if (second)
		append(&second->tcp, second->out, c->in + c->parsed, len);
	c->leg = leg_for(c, x);
	if (!c->leg)
		return;
	c->x = x;
	c->got = 0;
	c->due = sim_exchange_response(x, c->leg->backend, scratch, &interim);
	if (is_wrong(c, SIM_WRONG_SPOIL))
		c->in[c->parsed + len - 1] ^= 1;
	append(&c->leg->tcp, c->leg->out, c->in + c->parsed, len);
	c->parsed += len;
}

static int is_acknowledged(const struct conn *c)
{
	return c->tcp.snd_una == c->tcp.iss + 1 + c->tcp.len;
}

/* Return: length of the request, or of the head that asks for a tunnel; 0: not known */
static __u32 bytes_awaited(const struct conn *c, const struct sim_exchange *x)
{
	__u32 len;
	const char *end = memmem(c->in + c->parsed, c->len - c->parsed, "\r\n\r\n", 4);

	sim_exchange_bytes(x->nonce, &len);
	if (x->upgrade == SIM_UPGRADE_ACCEPTED)
		return end ? end + 4 - (c->in + c->parsed) : 0;
	return len;
}

/* The whole request is awaited; the one before is complete and acknowledged. */
static void go_on(struct conn *c)
{
	int nonce = c->len > c->parsed ?
		sim_exchange_of_bytes(c->in + c->parsed, c->len - c->parsed) : -1;
	const struct sim_exchange *x = nonce < 0 ? NULL : sim_exchange_named(nonce);
	__u32 len;

	if (c->tcp.is_done || c->tcp.state == SIM_TCP_CLOSED)
		return;
	if (c->is_half_closed && !c->x && c->len == c->parsed)
		close_front(c);
	if (!x || !(len = bytes_awaited(c, x)) || c->len - c->parsed < len)
		return;
	if ((c->x || !is_acknowledged(c)) && !(c->got && is_wrong(c, SIM_WRONG_EARLY)))
		return;
	if (x->pool != SIM_POOL_NONE) {
		forward(c, x, len);
		return;
	}
	append(&c->tcp, c->out, not_found, sizeof(not_found) - 1);
	close_front(c);
}

static void front_data(void *conn, const char *bytes, __u32 len)
{
	struct conn *c = conn;

	memcpy(c->in + c->len, bytes, len);
	c->len += len;
	if (c->x && c->x->upgrade == SIM_UPGRADE_ACCEPTED && c->leg) {
		c->parsed += len;
		append(&c->leg->tcp, c->leg->out, bytes, len);
		return;
	}
	if (c->x && is_wrong(c, SIM_WRONG_AHEAD))
		append(&c->leg->tcp, c->leg->out, bytes, len);
	go_on(c);
}

static void front_ended(void *conn, const char *why)
{
	struct conn *c = conn;

	c->is_half_closed = 1;
	if (why && c->leg)
		close_leg(c->leg);
	if (!why)
		go_on(c);
}

static void front_acked(void *conn, __u32 bytes, const struct sp_segment *seg)
{
	go_on(conn);
}

static void accept_client(const struct sp_segment *syn)
{
	struct conn *c = calloc(1, sizeof(*c));

	conns[conn_count++] = c;
	c->in = malloc(ROOM);
	c->out = malloc(ROOM);
	c->tcp.bytes = c->out;
	c->tcp.acks_at_end = 1;
	c->tcp.clock = sim_random();
	c->tcp.ctx = c;
	c->tcp.data = front_data;
	c->tcp.ended = front_ended;
	c->tcp.acked = front_acked;
	sim_tcp_accept(&c->tcp, syn);
}

/* ---- the wire ---- */

static void receive(const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);

	for (unsigned int i = 0; i < conn_count; i++)
		if (conns[i]->tcp.state != SIM_TCP_CLOSED &&
		    !memcmp(&conns[i]->tcp.out, &key, sizeof(key))) {
			sim_tcp_receive(&conns[i]->tcp, seg);
			return;
		}
	for (unsigned int i = 0; i < leg_count; i++)
		if (legs[i]->tcp.state != SIM_TCP_CLOSED &&
		    !memcmp(&legs[i]->tcp.out, &key, sizeof(key))) {
			sim_tcp_receive(&legs[i]->tcp, seg);
			return;
		}
	if ((seg->flags & (SP_TCP_SYN | SP_TCP_ACK)) == SP_TCP_SYN && conn_count < CONNS_MAX)
		accept_client(seg);
	else
		sim_tcp_refuse(seg);
}

void sim_middle_begin(enum sim_wrong which)
{
	while (conn_count) {
		struct conn *c = conns[--conn_count];

		sim_tcp_fini(&c->tcp);
		free(c->in);
		free(c->out);
		free(c);
	}
	while (leg_count) {
		sim_tcp_fini(&legs[--leg_count]->tcp);
		free(legs[leg_count]->out);
		free(legs[leg_count]);
	}
	wrong = which;
	sim_net.middle = receive;
}
