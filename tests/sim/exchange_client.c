// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exchange_client.c - clients of many requests: connections, and the pieces of requests */
#include "exchanges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "net.h"
#include "visitor.h"
#include "world.h"

#define EXPECT_NS	SIM_S
#define ABORT_NS	(20 * SIM_MS)

void (*sim_exchange_asked)(unsigned int nonce);
int sim_exchange_has_reset;
static struct sim_visitor *clients[SIM_EXCHANGE_CLIENTS];
static unsigned int client_count;

void sim_exchange_clients_begin(void)
{
	sim_exchange_clients_end();
	sim_exchange_asked = NULL;
	sim_exchange_has_reset = 0;
}

void sim_exchange_clients_end(void)
{
	for (unsigned int i = 0; i < client_count; i++) {
		struct sim_visitor *c = clients[i];

		sim_tcp_fini(&c->tcp);
		free(c->out);
		for (unsigned int j = 0; j < SIM_POOL_BACKENDS; j++)
			free(c->expected[j]);
		free(c);
	}
	client_count = 0;
}

/* ---- requests ---- */

static void write_piece(void *client, __u64 turn);

static void write_in(struct sim_visitor *c, __u64 in_ns)
{
	c->is_writing = 1;
	sim_in(in_ns, write_piece, c, ++c->turn);
}

void sim_visitor_close(void *visitor, __u64 unused)
{
	struct sim_visitor *c = visitor;

	c->tcp.is_done = 1;
	sim_tcp_write(&c->tcp);
}

void sim_visitor_ask(struct sim_visitor *c)
{
	if (!c->is_writing && !c->is_closing && c->heard == c->plan.count)
		sim_in(c->plan.close_ns, sim_visitor_close, c, 0);
	if (c->is_writing || c->is_closing || c->asked == c->plan.count ||
	    c->asked - c->heard >= c->plan.depth)
		return;
	c->pieces_left = 0;
	write_in(c, sim_below(c->plan.exchanges[c->asked].think_ns + 1));
}

void sim_visitor_go_on(struct sim_visitor *c)
{
	c->is_expecting = 0;
	write_in(c, 0);
}

void sim_visitor_reset(struct sim_visitor *c)
{
	sim_exchange_has_reset = 1;
	sim_tcp_reset(&c->tcp);
}

static void abort_visit(void *client, __u64 unused)
{
	struct sim_visitor *c = client;

	if (c->tcp.state == SIM_TCP_CLOSED)
		return;
	sim_trace("client %u: aborts", c->idx);
	sim_visitor_reset(c);
	c->is_done = 1;
}

static void begin_request(struct sim_visitor *c)
{
	const struct sim_exchange *x = &c->plan.exchanges[c->asked++];

	sim_trace("client %u: request %u, pool %u, %u bytes", c->idx, x->nonce, x->pool,
		  c->begin[c->asked] - c->begin[c->asked - 1]);
	c->pieces_left = x->pieces;
	c->is_expecting = x->is_expecting;
	sim_exchange_request(x, c->out + c->begin[c->asked - 1], &c->head_end);
	c->head_end += c->begin[c->asked - 1];
	c->asked_ns[c->asked - 1] = sim_now_ns;
	sim_exchange_sums.requests++;
	if (sim_exchange_asked)
		sim_exchange_asked(x->nonce);
	if (c->plan.aborts_at == c->asked)
		sim_in(sim_below(ABORT_NS), abort_visit, c, 0);
}

/* The end of the next piece, as often as not within the head. */
static __u32 next_cut(struct sim_visitor *c)
{
	__u32 from = c->tcp.len, end = c->begin[c->asked], last = end;

	if (c->is_expecting && from < c->head_end)
		last = c->head_end;
	if (c->pieces_left <= 1)
		return last;
	c->pieces_left--;
	if (sim_chance(500) && from + 1 < c->head_end)
		return from + 1 + sim_below(c->head_end - from - 1);
	return last - from > 1 ? from + 1 + sim_below(last - from - 1) : last;
}

static void end_request(struct sim_visitor *c)
{
	c->is_writing = 0;
	c->written_ns = sim_now_ns;
	if (c->asked == c->plan.count && c->plan.is_half_close)
		c->tcp.is_done = 1;
}

/* A tunnel is used when it is there; "100 Continue" is awaited for a second. */
static void await_interim(struct sim_visitor *c)
{
	if (c->plan.exchanges[c->asked - 1].upgrade)
		c->turn++;
	else
		write_in(c, EXPECT_NS);
}

static void write_piece(void *client, __u64 turn)
{
	struct sim_visitor *c = client;
	int is_begun = c->asked && c->tcp.len < c->begin[c->asked];

	if (c->tcp.state == SIM_TCP_CLOSED || turn != c->turn || c->is_closing || c->tcp.is_done)
		return;
	if (!is_begun)
		begin_request(c);
	c->tcp.len = next_cut(c);
	if (c->tcp.len == c->begin[c->asked])
		end_request(c);
	else if (c->is_expecting && c->tcp.len == c->head_end)
		await_interim(c);
	else
		write_in(c, sim_below(c->plan.exchanges[c->asked - 1].piece_ns + 1));
	sim_tcp_write(&c->tcp);
	sim_visitor_ask(c);
}

/* ---- from plan to connection ---- */

static void prepare(struct sim_visitor *c)
{
	__u32 head;

	c->out = malloc(SIM_EXCHANGES_MAX * SIM_REQUEST_MAX);
	for (unsigned int i = 0; i < c->plan.count; i++) {
		struct sim_exchange *x = &c->plan.exchanges[i];

		x->nonce = c->idx * SIM_EXCHANGES_MAX + i;
		c->begin[i + 1] = c->begin[i] + sim_exchange_request(x, c->out + c->begin[i],
								     &head);
	}
	c->tcp.bytes = c->out;
	c->tcp.acks_at_end = 1;
	c->tcp.ctx = c;
	c->tcp.data = sim_visitor_data;
	c->tcp.ended = sim_visitor_ended;
	c->tcp.acked = sim_visitor_acked;
}

void sim_visit_start(const struct sim_visit *visit)
{
	struct sim_visitor *c;
	char from[32];

	if (client_count == SIM_EXCHANGE_CLIENTS)
		return;
	c = calloc(1, sizeof(*c));
	c->plan = *visit;
	c->idx = client_count;
	clients[client_count++] = c;
	prepare(c);
	snprintf(from, sizeof(from), "10.1.0.%u", c->idx + 1);
	sp_addr_parse(from, &c->tcp.out.saddr);
	c->tcp.out.daddr = visit->to.addr;
	c->tcp.out.sport = htobe16(30000 + sim_below(20000));
	c->tcp.out.dport = visit->to.port_be;
	c->tcp.clock = sim_random();
	sim_tcp_connect(&c->tcp);
	sim_visitor_ask(c);
}

/* ---- answers to backends ---- */

static struct sim_visitor *client_of(unsigned int nonce)
{
	unsigned int idx = nonce / SIM_EXCHANGES_MAX;

	return idx < client_count && nonce % SIM_EXCHANGES_MAX < clients[idx]->plan.count ?
		clients[idx] : NULL;
}

const struct sim_exchange *sim_exchange_named(unsigned int nonce)
{
	struct sim_visitor *c = client_of(nonce);

	return c ? &c->plan.exchanges[nonce % SIM_EXCHANGES_MAX] : NULL;
}

const char *sim_exchange_bytes(unsigned int nonce, __u32 *ret_len)
{
	unsigned int i = nonce % SIM_EXCHANGES_MAX;
	struct sim_visitor *c = client_of(nonce);

	if (!c)
		return NULL;
	*ret_len = c->begin[i + 1] - c->begin[i];
	return c->out + c->begin[i];
}

int sim_exchange_of_bytes(const char *bytes, __u32 len)
{
	for (unsigned int nonce = 0; nonce < SIM_EXCHANGE_CLIENTS * SIM_EXCHANGES_MAX; nonce++) {
		__u32 n;
		const char *request = sim_exchange_bytes(nonce, &n);

		if (request && !memcmp(request, bytes, len < n ? len : n))
			return nonce;
	}
	return -1;
}

int sim_exchange_is_heard(unsigned int nonce)
{
	return client_of(nonce)->heard > nonce % SIM_EXCHANGES_MAX;
}

int sim_exchange_is_last(unsigned int nonce)
{
	return client_of(nonce)->tcp.is_done;
}

int sim_exchange_is_gone(unsigned int nonce)
{
	return client_of(nonce)->tcp.state == SIM_TCP_CLOSED || client_of(nonce)->is_done;
}

void sim_exchange_client_receive(const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);

	for (unsigned int i = client_count; i-- > 0;)
		if (!memcmp(&clients[i]->tcp.out, &key, sizeof(key))) {
			sim_tcp_receive(&clients[i]->tcp, seg);
			return;
		}
	sim_tcp_refuse(seg);
}

static int are_done(void)
{
	for (unsigned int i = 0; i < client_count; i++)
		if (!clients[i]->is_done || !sim_tcp_is_over(&clients[i]->tcp))
			return 0;
	return 1;
}

static int has_begun(const struct sp_tuple *front, __u32 isn)
{
	for (unsigned int i = 0; i < client_count; i++)
		if (clients[i]->tcp.iss == isn &&
		    !memcmp(&clients[i]->tcp.out, front, sizeof(*front)))
			return 1;
	return 0;
}

/* If the RST of a failed backend is lost, the client waits in vain. */
static void judge(void)
{
	for (unsigned int i = 0; i < client_count; i++) {
		const struct sim_visitor *c = clients[i];

		if ((!c->is_done || !sim_tcp_is_over(&c->tcp)) && !sim_visitor_is_excused(c))
			sim_fail("client %u is not done: %u of %u responses, %u bytes of the next, asked %u", i, c->heard, c->plan.count, c->got, c->asked);
	}
	for (unsigned int i = 0; i < SIM_EXCHANGE_CLIENTS * SIM_EXCHANGES_MAX; i++)
		if (sim_fates[i].runs > 1)
			sim_fail("request %u ran %u times", i, sim_fates[i].runs);
}

static void begin(void)
{
	sim_exchange_clients_begin();
	sim_exchange_backends_begin();
}

const struct sim_peers sim_exchange_peers = {
	.pools = "pools: [{name: a, backends: [{address: \"10.2.0.1:80\"}, {address: \"10.2.0.2:80\"}]},\n"
		"  {name: b, backends: [{address: \"10.2.0.3:80\"}, {address: \"10.2.0.4:80\"}]},\n"
		"  {name: c, backends: [{address: \"10.2.0.5:80\"}, {address: \"10.2.0.6:80\"}]}]\n"
		"services: [{name: www, protocol: http, listen: \"" SIM_VIP ":80\",\n"
		"  routes: [{path: /a, pool: a}, {path: /b, pool: b}, {path: /c, pool: c}]}]\n",
	.begin = begin, .are_done = are_done, .judge = judge, .has_begun = has_begun,
	.client_receive = sim_exchange_client_receive,
	.backend_receive = sim_exchange_backend_receive,
};
