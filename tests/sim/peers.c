// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * peers.c - clients and backends, and the laws of docs/ARCHITECTURE.md seen from both
 *
 *	1	bytes acknowledged to a client are at a backend, or in the store
 *	3	segments to a backend belong to a splice that the store has
 *	4	a connection that goes on is not reset
 * The purpose of the laws: each request runs once, and its answer arrives complete and correct.
 */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "machine.h"
#include "net.h"
#include "store.h"
#include "tcp.h"
#include "world.h"

#define CLIENTS_MAX	16
#define SERVERS_MAX	64
#define STREAM_MAX	(512 * 1024)
#define REQUESTS_MAX	4

struct client {
	struct sim_tcp	tcp;
	struct sim_plan	plan;
	unsigned int	idx, asked;
	__u32		heard, expected_len;
	char		*out, *expected;
	int		is_done, is_ours;	/* answered by a proxy itself */
	int		is_again_due;
};

struct server {
	struct sim_tcp	tcp;
	int		is_used;
	char		*in, *out;
	__u32		len, parsed;
};

static struct client *clients[CLIENTS_MAX];
static struct server *servers[SERVERS_MAX];
static unsigned int client_count, runs[CLIENTS_MAX][REQUESTS_MAX];

const struct sim_peers *sim_peers = &sim_plain_peers;

static void forget_all(void)
{
	for (unsigned int i = 0; i < client_count; i++) {
		sim_tcp_fini(&clients[i]->tcp);
		free(clients[i]->out);
		free(clients[i]->expected);
		free(clients[i]);
	}
	client_count = 0;
	for (unsigned int i = 0; i < SERVERS_MAX; i++) {
		if (!servers[i])
			continue;
		sim_tcp_fini(&servers[i]->tcp);
		free(servers[i]->in);
		free(servers[i]->out);
		free(servers[i]);
		servers[i] = NULL;
	}
}

static void begin(void)
{
	forget_all();
	memset(runs, 0, sizeof(runs));
}

/* ---- contents: each byte is a function of the request ---- */

void sim_fill(char *to, __u32 len, __u64 chance)
{
	__u64 letters;

	for (__u32 i = 0; i < len; i += 8) {
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		letters = ((chance >> 16 ^ chance) & 0x0f0f0f0f0f0f0f0fULL) + 0x6161616161616161ULL;
		if (len - i >= 8)
			memcpy(to + i, &letters, 8);
		else
			memcpy(to + i, &letters, len - i);
	}
}

static void fill(char *to, __u32 len, unsigned int client, unsigned int request, unsigned int salt)
{
	sim_fill(to, len, client * 977 + request * 131 + salt);
}

static __u32 write_request(char *to, const struct sim_plan *plan, unsigned int client,
			   unsigned int request)
{
	__u32 n = sprintf(to,
			  "POST /%u/%u/%u HTTP/1.1\r\nHost: a.example\r\nContent-Length: %u\r\nX-Pad: ", client, request,
			  plan->answer_bytes, plan->body_bytes);

	if (n + 4 < plan->head_bytes) {
		fill(to + n, plan->head_bytes - n - 4, client, request, 1);
		n = plan->head_bytes - 4;
	}
	memcpy(to + n, "\r\n\r\n", 4);
	fill(to + n + 4, plan->body_bytes, client, request, 2);
	return n + 4 + plan->body_bytes;
}

static __u32 write_answer(char *to, unsigned int client, unsigned int request, __u32 bytes)
{
	__u32 n = sprintf(to, "HTTP/1.1 200 OK\r\nX-Id: %u/%u\r\nContent-Length: %u\r\n\r\n",
			  client, request, bytes);

	fill(to + n, bytes, client, request, 3);
	return n + bytes;
}

/* ---- clients ---- */

static void ask(void *client, __u64 unused)
{
	struct client *c = client;

	if (c->tcp.state == SIM_TCP_CLOSED)
		return;
	c->tcp.len += write_request(c->out + c->tcp.len, &c->plan, c->idx, c->asked);
	c->expected_len += write_answer(c->expected + c->expected_len, c->idx, c->asked,
					c->plan.answer_bytes);
	c->asked++;
	sim_tcp_write(&c->tcp);
}

static void close_up(void *client, __u64 unused)
{
	struct client *c = client;

	c->tcp.is_done = 1;
	sim_tcp_write(&c->tcp);
}

static void client_data(void *client, const char *bytes, __u32 len)
{
	struct client *c = client;

	if (!c->heard && len > 9 && memcmp(bytes + 9, "200", 3)) {
		sim_fail("client %u hears \"%.*s\"", c->idx, 20, bytes);
		c->is_ours = 1;
	}
	if (c->is_ours)
		return;
	if (c->heard + len > c->expected_len || memcmp(c->expected + c->heard, bytes, len)) {
		sim_fail("client %u: a wrong byte at %u", c->idx, c->heard);
		c->is_ours = 1;
		return;
	}
	c->heard += len;
	if (c->heard < c->expected_len)
		return;
	if (c->asked < c->plan.requests)
		sim_in(sim_below(c->plan.think_ns + 1), ask, c, 0);
	else if (!c->plan.is_server_first_to_close)
		sim_in(sim_below(c->plan.think_ns + 1), close_up, c, 0);
}

static struct client *new_client(const struct sim_plan *plan);

/*
 * The port is reused once its connection is over, as Linux does with tcp_tw_reuse: numbers and
 * clock are higher.
 */
static void connect_again(void *client, __u64 unused)
{
	struct client *before = client, *c;
	struct sim_plan plan = before->plan;

	if (!sim_tcp_is_over(&before->tcp)) {
		sim_in(SIM_S, connect_again, before, 0);
		return;
	}
	before->is_again_due = plan.again_ns = 0;
	c = new_client(&plan);
	c->tcp.out = before->tcp.out;
	c->tcp.clock = before->tcp.clock;
	c->tcp.iss = before->tcp.snd_max + 70000 + sim_below(1 << 20);
	sim_trace("client %u: once more, as %u", before->idx, c->idx);
	sim_tcp_connect(&c->tcp);
	ask(c, 0);
}

static void client_ended(void *client, const char *why)
{
	struct client *c = client;

	sim_trace("client %u: %s", c->idx, why ?: "the server closes");
	if (why)
		sim_fail("client %u: %s, when it had %u of %u bytes of request %u", c->idx, why,
			 c->heard, c->expected_len, c->asked);
	c->is_done = !why && c->heard == c->expected_len && c->asked == c->plan.requests;
	if (!why && !c->is_done)
		sim_fail("client %u: the server closes after %u of %u bytes", c->idx, c->heard,
			 c->expected_len);
	close_up(c, 0);
	if (c->is_done && c->plan.again_ns && client_count < CLIENTS_MAX) {
		c->is_again_due = 1;
		sim_in(c->plan.again_ns, connect_again, c, 0);
	}
}

/* Whether a backend has the first @bytes of the client's stream. */
static int backend_has(const struct client *c, __u32 bytes)
{
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		if (servers[i] && servers[i]->len >= bytes &&
		    !memcmp(servers[i]->in, c->out, bytes))
			return 1;
	return 0;
}

static void client_acked(void *client, __u32 bytes, const struct sp_segment *seg)
{
	struct client *c = client;

	if (bytes > c->tcp.len)		/* FIN acknowledged, too */
		bytes = c->tcp.len;
	if (c->is_ours || sim_store_head_bytes(&c->tcp.out, c->tcp.iss) >= bytes ||
	    backend_has(c, bytes))
		return;
	if (sim_machine_count == 1)	/* the lone machine's kernel keeps the bytes */
		return;
	if (seg->payload_len > 9 && memcmp((const char *)seg->payload + 9, "200", 3))
		return;
	sim_fail("law 1: client %u is acknowledged %u bytes that neither a backend nor the store has", c->idx, bytes);
}

static struct client *new_client(const struct sim_plan *plan)
{
	struct client *c = calloc(1, sizeof(*c));

	c->plan = *plan;
	c->idx = client_count;
	c->out = malloc(STREAM_MAX);
	c->expected = malloc(STREAM_MAX);
	c->tcp.bytes = c->out;
	c->tcp.ctx = c;
	c->tcp.data = client_data;
	c->tcp.ended = client_ended;
	c->tcp.acked = client_acked;
	clients[client_count++] = c;
	return c;
}

void sim_client_start(const struct sim_plan *plan)
{
	struct client *c;
	char from[32];

	if (client_count == CLIENTS_MAX)
		return;
	c = new_client(plan);
	snprintf(from, sizeof(from), "10.1.0.%u", c->idx + 1);
	sp_addr_parse(from, &c->tcp.out.saddr);
	sp_addr_parse(SIM_VIP, &c->tcp.out.daddr);
	c->tcp.out.sport = htobe16(30000 + sim_below(20000));
	c->tcp.out.dport = htobe16(SIM_VIP_PORT);
	c->tcp.clock = sim_random();
	sim_tcp_connect(&c->tcp);
	ask(c, 0);
}

static int are_done(void)
{
	for (unsigned int i = 0; i < client_count; i++)
		if (!clients[i]->is_done || clients[i]->is_again_due ||
		    !sim_tcp_is_over(&clients[i]->tcp))
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

static void client_receive(const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);

	for (unsigned int i = client_count; i-- > 0;)	/* the port's latest */
		if (!memcmp(&clients[i]->tcp.out, &key, sizeof(key))) {
			sim_tcp_receive(&clients[i]->tcp, seg);
			return;
		}
	sim_tcp_refuse(seg);
}

/* ---- backends ---- */

static __u32 answer(struct server *s, unsigned int client, unsigned int request, __u32 bytes)
{
	if (client < CLIENTS_MAX && request < REQUESTS_MAX)
		runs[client][request]++;
	sim_trace("backend: request %u of client %u runs", request, client);
	return write_answer(s->out + s->tcp.len, client, request, bytes);
}

/* Parse all complete requests. */
static void parse(struct server *s)
{
	unsigned int client, request, answer_bytes, body;
	const char *end, *head;

	for (;;) {
		head = s->in + s->parsed;
		s->in[s->len] = 0;
		end = strstr(head, "\r\n\r\n");
		if (!end || sscanf(head,
				   "POST /%u/%u/%u HTTP/1.1\r\nHost: a.example\r\nContent-Length: %u", &client, &request,
				   &answer_bytes, &body) != 4)
			return;
		if (s->len < (__u32)(end + 4 - s->in) + body)
			return;
		s->parsed = end + 4 - s->in + body;
		s->tcp.len += answer(s, client, request, answer_bytes);
		if (client < client_count && clients[client]->plan.is_server_first_to_close &&
		    request + 1 == clients[client]->plan.requests)
			s->tcp.is_done = 1;
		sim_tcp_write(&s->tcp);
	}
}

static void server_data(void *server, const char *bytes, __u32 len)
{
	struct server *s = server;
	struct sp_tuple back = sp_tuple_reverse(&s->tcp.out);

	if (sim_machine_count > 1 && !s->len && !sim_store_by_back(&back) && !sim_store.lost)
		sim_fail("law 3: bytes for a backend, of a splice that the store does not have");
	if (s->len + len >= STREAM_MAX)
		return;
	memcpy(s->in + s->len, bytes, len);
	s->len += len;
	parse(s);
}

static void server_ended(void *server, const char *why)
{
	struct server *s = server;

	sim_trace("backend: %s", why ?: "the client closes");
	s->tcp.is_done = 1;
	sim_tcp_write(&s->tcp);
}

static struct server *server_of(const struct sp_tuple *key)
{
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		if (servers[i] && servers[i]->tcp.state != SIM_TCP_CLOSED &&
		    !memcmp(&servers[i]->tcp.out, key, sizeof(*key)))
			return servers[i];
	return NULL;
}

static void accept_one(const struct sp_segment *syn)
{
	for (unsigned int i = 0; i < SERVERS_MAX; i++) {
		if (servers[i])
			continue;
		servers[i] = calloc(1, sizeof(*servers[i]));
		servers[i]->in = malloc(STREAM_MAX);
		servers[i]->out = malloc(STREAM_MAX);
		servers[i]->tcp.bytes = servers[i]->out;
		servers[i]->tcp.clock = sim_random();
		servers[i]->tcp.ctx = servers[i];
		servers[i]->tcp.data = server_data;
		servers[i]->tcp.ended = server_ended;
		sim_tcp_accept(&servers[i]->tcp, syn);
		return;
	}
	sim_fail("sim: backends have no room");
}

static void backend_receive(const struct sp_segment *seg)
{
	struct sp_tuple key = sp_tuple_reverse(&seg->tuple);
	struct server *s = server_of(&key);

	if (s)
		sim_tcp_receive(&s->tcp, seg);
	else if ((seg->flags & (SP_TCP_SYN | SP_TCP_ACK)) == SP_TCP_SYN)
		accept_one(seg);
	else
		sim_tcp_refuse(seg);
}

/* ---- at the end ---- */

static void judge(void)
{
	for (unsigned int i = 0; i < client_count; i++) {
		const struct client *c = clients[i];

		if (!c->is_done)
			sim_fail("client %u is not done: it has %u of %u bytes, and asked %u of %u times", i, c->heard,
				 c->expected_len, c->asked, c->plan.requests);
		for (unsigned int j = 0; j < c->asked && j < REQUESTS_MAX; j++)
			if (runs[i][j] != 1)
				sim_fail("request %u of client %u ran %u times", j, i, runs[i][j]);
	}
}

const struct sim_peers sim_plain_peers = {
	.pools = "pools: [{name: web, backends: [{address: \"10.2.0.1:80\"}, {address: \"10.2.0.2:80\"}]}]\n"
		"services: [{name: www, protocol: http, listen: \"" SIM_VIP ":80\", default: web}]\n",
	.begin = begin, .are_done = are_done, .judge = judge, .has_begun = has_begun,
	.client_receive = client_receive, .backend_receive = backend_receive,
};
