// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* visitor.c - reader of a client's responses: every byte is compared, see exchanges.h */
#include "visitor.h"

#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "store.h"
#include "world.h"

static const struct sim_exchange *awaited(const struct sim_visitor *c)
{
	return c->heard < c->asked ? &c->plan.exchanges[c->heard] : NULL;
}

struct sim_exchange_sums sim_exchange_sums;

/* Pipelined requests wait for others, and do not count. */
static void measure_wait(const struct sim_visitor *c, const struct sim_exchange *x)
{
	__u64 wait_ns = sim_now_ns - c->written_ns;

	if (c->is_writing || c->heard + 1 < c->asked || x->pause_at ||
	    c->plan.depth > 1 || wait_ns <= sim_exchange_sums.wait_ns)
		return;
	sim_exchange_sums.wait_ns = wait_ns;
	sim_exchange_sums.wait_seed = sim_seed;
}

static void begin_response(struct sim_visitor *c, const struct sim_exchange *x)
{
	__u32 interim;

	measure_wait(c, x);
	c->is_timeout = 0;
	c->framing = (struct sim_framing){ .is_head = x->method == SIM_METHOD_HEAD,
					   .is_upgrade = !!x->upgrade };
	c->candidates = (1 << SIM_POOL_BACKENDS) - 1;
	for (unsigned int i = 0; i < SIM_POOL_BACKENDS && x->pool != SIM_POOL_NONE; i++) {
		if (!c->expected[i])
			c->expected[i] = malloc(SIM_RESPONSE_MAX);
		c->expected_len[i] = sim_exchange_response(x, x->pool * SIM_POOL_BACKENDS + i,
							   c->expected[i], &interim);
	}
}

static void compare(struct sim_visitor *c, const struct sim_exchange *x, const char *bytes,
		    __u32 len)
{
	unsigned int before = c->candidates;

	for (unsigned int i = 0; i < SIM_POOL_BACKENDS; i++)
		if (c->got + len > c->expected_len[i] ||
		    memcmp(c->expected[i] + c->got, bytes, len))
			c->candidates &= ~(1U << i);
	if (c->candidates)
		return;
	sim_fail("response %u: from byte %u on not of %s: \"%.*s\"", x->nonce, c->got,
		 c->got && before != (1 << SIM_POOL_BACKENDS) - 1 ? "the backend that began" :
		 "a backend of its pool", len < 40 ? (int)len : 40, bytes);
}

/* The backend has closed the connection, idle since exchange @j, too late for exchange @i. */
static int has_closed_since(const struct sim_visitor *c, unsigned int j, unsigned int i)
{
	const struct sim_fate *f = &sim_fates[c->plan.exchanges[i].nonce],
			      *before = &sim_fates[c->plan.exchanges[j].nonce];
	__u64 patience_ns;

	if (!before->closed_ns || (f->taker && f->taker != before->taker))
		return 0;
	patience_ns = sim_exchange_patience_ns(c->plan.exchanges[j].idle == SIM_IDLE_RST);
	return before->closed_ns + patience_ns >= c->asked_ns[i];
}

/* Any earlier exchange of the pool may have had the connection, which was parked since. */
static int is_overtaken(const struct sim_visitor *c, unsigned int i)
{
	for (unsigned int j = 0; j < i; j++)
		if ((j + 1 == i || c->plan.exchanges[j].pool == c->plan.exchanges[i].pool) &&
		    has_closed_since(c, j, i))
			return 1;
	return 0;
}

/*
 * A request and the 408 of an idle connection may meet on the way: then no backend takes the
 * request. RFC 9110, 15.5.9.
 */
static void end_with_408(struct sim_visitor *c, const struct sim_exchange *x)
{
	struct sim_fate *f = &sim_fates[x->nonce];

	if (!c->framing.connection)
		sim_fail("response %u: 408 of the proxy itself", x->nonce);
	if (f->taker || !is_overtaken(c, c->heard))
		sim_fail("response %u: the 408 of connection %u, and connection %u has the request",
			 x->nonce, c->framing.connection, f->taker);
	sim_exchange_sums.timeouts++;
	f->timed_out_by = c->framing.connection;
	c->heard++;
	c->got = 0;
	c->is_closing = 1;
}

static int is_of_length(const struct sim_visitor *c)
{
	for (unsigned int i = 0; i < SIM_POOL_BACKENDS; i++)
		if (c->candidates & 1 << i && c->got == c->expected_len[i])
			return 1;
	return 0;
}

static void end_response(struct sim_visitor *c, const struct sim_exchange *x, int is_over)
{
	const struct sim_fate *f = &sim_fates[x->nonce];

	sim_trace("client %u: has response %u", c->idx, x->nonce);
	if (x->pool == SIM_POOL_NONE ? c->framing.status != 404 : !is_of_length(c))
		sim_fail("response %u: complete after %u bytes, status %u", x->nonce, c->got,
			 c->framing.status);
	if (f->runs != (x->pool != SIM_POOL_NONE) && !(x->is_early && !f->runs))
		sim_fail("request %u ran %u times, and the client has a response", x->nonce,
			 f->runs);
	sim_exchange_sums.responses++;
	c->heard++;
	c->got = 0;
	c->is_closing = c->framing.has_close || is_over || (x->is_old && x->is_close);
	sim_visitor_ask(c);
}

/* The body waits no longer if the server agrees, or has answered already. */
static void expect_no_more(struct sim_visitor *c)
{
	int is_answered = c->heard == c->asked || (c->heard + 1 == c->asked && c->got &&
						   c->framing.interims);

	if (!c->is_expecting || !is_answered || c->tcp.len != c->head_end)
		return;
	sim_visitor_go_on(c);
}

void sim_visitor_data(void *visitor, const char *bytes, __u32 len)
{
	struct sim_visitor *c = visitor;

	for (__u32 n; len && !sim_failure(); bytes += n, len -= n) {
		const struct sim_exchange *x = awaited(c);

		if (!x || c->is_closing) {
			sim_fail("client %u: bytes behind response %u: \"%.*s\"", c->idx, c->heard,
				 len < 40 ? (int)len : 40, bytes);
			return;
		}
		if (!c->got)
			begin_response(c, x);
		c->is_timeout |= !c->got && len > 12 && !memcmp(bytes, "HTTP/1.1 408", 12);
		n = sim_framing_read(&c->framing, bytes, len);
		if (x->pool != SIM_POOL_NONE && !c->is_timeout)
			compare(c, x, bytes, n);
		c->got += n;
		if (c->framing.state == SIM_FRAMING_BROKEN)
			sim_fail("response %u: no HTTP", x->nonce);
		else if (c->framing.state == SIM_FRAMING_COMPLETE && c->is_timeout)
			end_with_408(c, x);
		else if (c->framing.state == SIM_FRAMING_COMPLETE)
			end_response(c, x, 0);
	}
	expect_no_more(c);
}

/* ---- the end ---- */

/* Responses may remain incomplete: the RST of a later failure undoes bytes on the way. */
int sim_visitor_is_excused(const struct sim_visitor *c)
{
	for (unsigned int i = c->heard; i < c->asked; i++)
		if (sim_fates[c->plan.exchanges[i].nonce].is_failed || is_overtaken(c, i))
			return 1;
	return 0;
}

static int is_own_wish(const struct sim_visitor *c)
{
	return c->tcp.is_done && c->heard == c->plan.count;
}

/* The RST of an idle backend may reach a client that has closed. */
static int is_last_idle(const struct sim_visitor *c)
{
	return sim_fates[c->plan.exchanges[c->plan.count - 1].nonce].closed_ns > 0;
}

static void leave(struct sim_visitor *c)
{
	c->is_done = 1;
	if ((__s32)(c->tcp.snd_una - (c->tcp.iss + 1 + c->tcp.len)) >= 0)
		sim_visitor_close(c, 0);
	else	/* unwanted data: as after close() and the server's RST */
		sim_visitor_reset(c);
}

void sim_visitor_ended(void *visitor, const char *why)
{
	struct sim_visitor *c = visitor;
	const struct sim_exchange *x = awaited(c);

	sim_trace("client %u: %s", c->idx, why ?: "the server closes");
	if (!why && x && c->got && x->pool != SIM_POOL_NONE && is_of_length(c) &&
	    sim_framing_end(&c->framing))
		end_response(c, x, 1);
	if (!sim_visitor_is_excused(c) && !c->is_closing &&
	    (!is_own_wish(c) || (why && !is_last_idle(c))))
		sim_fail("client %u: %s, with %u of %u responses, and %u bytes of the next", c->idx,
			 why ?: "the server closes", c->heard, c->plan.count, c->got);
	sim_exchange_sums.excused += !c->is_closing && !is_own_wish(c);
	leave(c);
}

/* Stashed: of the connection's bytes. */
void sim_visitor_acked(void *visitor, __u32 bytes, const struct sp_segment *seg)
{
	struct sim_visitor *c = visitor;
	__u32 stashed, end = bytes < c->tcp.len ? bytes : c->tcp.len;

	if (sim_machine_count <= 1)	/* the lone machine's kernel keeps the bytes */
		return;
	stashed = sim_store_head_bytes(&c->tcp.out, c->tcp.iss);
	for (unsigned int i = c->heard; i < c->asked && c->begin[i] < end; i++) {
		unsigned int nonce = c->plan.exchanges[i].nonce;
		__u32 want = (end < c->begin[i + 1] ? end : c->begin[i + 1]) - c->begin[i];

		if (c->plan.exchanges[i].pool == SIM_POOL_NONE || sim_fates[nonce].is_failed ||
		    c->is_closing || stashed >= end || sim_exchange_arrived(nonce) >= want)
			continue;
		sim_fail("law 1: client %u is acknowledged %u bytes of request %u that neither a backend nor the store has", c->idx,
			 want, nonce);
	}
}
