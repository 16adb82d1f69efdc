// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "node/access_line.h"
#include "proxy/tracing.h"
#include "tcp/relay.h"

#define WINDOW_UNKNOWN	65535	/* the backend's SYN-ACK may have passed elsewhere */
#define PAGE	4096
#define FROM(state) (1 << SP_CONN_##state)

/* States before each state; conn.h has the meanings. */
static const __u16 entered_from[] = {
	[SP_CONN_HEAD]		= FROM(FREE) | FROM(COMMITTING) | FROM(HEAD) | FROM(WAITING) |
				  FROM(CONNECTING) | FROM(DELIVERING) | FROM(ASKING),
	[SP_CONN_WAITING]	= FROM(HEAD),
	[SP_CONN_CONNECTING]	= FROM(HEAD) | FROM(WAITING) | FROM(CONNECTING),
	[SP_CONN_COMMITTING]	= FROM(HEAD) | FROM(WAITING) | FROM(CONNECTING),
	[SP_CONN_LATE]		= FROM(COMMITTING) | FROM(LATE),
	[SP_CONN_DELIVERING]	= FROM(HEAD) | FROM(WAITING) | FROM(CONNECTING) |
				  FROM(COMMITTING) | FROM(ASKING),
	[SP_CONN_ASKING]	= FROM(HEAD) | FROM(WAITING) | FROM(CONNECTING),
	[SP_CONN_REPLIED]	= FROM(HEAD) | FROM(WAITING) | FROM(CONNECTING) | FROM(ASKING),
};

static const char *const state_names[] = {
#define X(name) [SP_CONN_##name] = #name,
	SP_CONN_STATES(X)
#undef X
};

/* A line for each change: --verbose replays a connection, and so does a trace. */
static void log_change(const struct sp_conn *c, const char *to, const char *why)
{
	char front[SP_TUPLE_STRLEN];

	log_debug_limited("%s: %s > %s: %s", sp_tuple_format(&c->front, front),
			  state_names[c->state], to, why);
	if (sp_trace_is_on())
		sp_tracing_state(c, state_names[c->state], to, why);
}

void sp_conn_enter(struct sp_conn *c, enum sp_conn_state state, const char *why)
{
	log_change(c, state_names[state], why);
	if (!(entered_from[state] & 1 << c->state)) {
		log_err("a connection can't go from %s to %s (%s)", state_names[c->state],
			state_names[state], why);
		abort();
	}
	c->state = state;
}

struct sp_conn *sp_conn_begin(struct sp_proxy *p, const struct sp_tuple *front, const char *why)
{
	const struct sp_service_conf *service = sp_config_service_at(p->node.config, front);
	struct sp_conn *c = service ? sp_conn_add(p->conns, front) : NULL;

	if (!c)
		return NULL;
	c->config = sp_config_get(p->node.config);
	c->service = service;
	c->begins = SP_BOUND_STOP;
	sp_conn_enter(c, SP_CONN_HEAD, why);
	return c;
}

struct sp_stash_offer sp_conn_offer(const struct sp_conn *c)
{
	return (struct sp_stash_offer){
		.client = c->client, .mss = c->mss, .is_sack = c->is_sack, .is_ecn = c->is_ecn,
		.is_next = c->is_next, .begun_ms = c->begun_ms,
	};
}

void sp_conn_drop_stash(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_stash_offer offer = sp_conn_offer(c);

	if (c->stashing)
		sp_store_unstash(p->node.store, &c->front, &offer, c->stashing);
	c->stashing = 0;
}

void sp_conn_leave_stash(struct sp_conn *c)
{
	c->stashing = 0;
}

/* The limits of the service do not count a connection that ends without a splice. */
static void leave_limits(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_entry up;

	if (!c->is_next && sp_admission_is_limited(&c->service->admission) &&
	    (sp_datapath_get(p->node.dp, &c->front, &up) || !sp_entry_is_live(&up)))
		sp_datapath_leave(p->node.dp, &c->front);
}

void sp_conn_end(struct sp_proxy *p, struct sp_conn *c, const char *why)
{
	log_change(c, "END", why);
	if (c->is_trapped)
		sp_datapath_del(p->node.dp, &c->front);
	sp_conn_opened(p, c);
	leave_limits(p, c);
	sp_conn_drop_stash(p, c);
	p->held_bytes -= sp_conn_pages(c);
	sp_access_text_put(c->access);
	sp_config_put(c->config);
	sp_conn_del(p->conns, c);
}

void sp_conn_trap(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_half trap = { .flags = SP_HALF_F_TO_DAEMON, .out = c->front };

	if (c->is_again)
		return;
	if (c->is_next ? c->state != SP_CONN_REPLIED :
	    !sp_cluster_is_home(p->node.cluster, &c->front))
		return;		/* a further request has the half's boundary */
	if (c->state == SP_CONN_REPLIED) {
		trap.flags |= SP_HALF_F_REPLIED;
		trap.seq_delta = c->client.isn_ours + 1;
	} else if (c->is_trapped) {
		return;
	}
	c->is_trapped = !sp_datapath_put(p->node.dp, &c->front, &trap, NULL, NULL);
}

__u32 sp_conn_pages(const struct sp_conn *c)
{
	return (c->reasm.top + PAGE - 1) / PAGE * PAGE;
}

__u32 sp_conn_put(struct sp_proxy *p, struct sp_conn *c, __s64 at, const char *bytes, __u32 len)
{
	__u32 before = sp_conn_pages(c);
	__u32 grew = sp_reasm_add(&c->reasm, sp_conn_buf(p->conns, c), SP_CONN_BUF, at, bytes, len);

	p->held_bytes += sp_conn_pages(c) - before;
	return grew;
}

void sp_conn_take_half(struct sp_conn *c)
{
	c->backend.has_ts = c->client.has_ts && (c->up.tsval_delta || c->up.tsecr_delta);
	c->forward_mss = c->mss && c->mss < SP_RELAY_MSS ? c->mss : SP_RELAY_MSS;
	c->window_bytes = WINDOW_UNKNOWN;
}

struct sp_segment sp_conn_segment(const struct sp_conn *c, __u8 flags, __u32 ack_bytes)
{
	__u32 room = SP_CONN_BUF - c->reasm.len, seq = c->client.isn_ours + 1;

	/* the response before goes on: a number below the client's window counts for nothing */
	if (c->is_next && c->state != SP_CONN_REPLIED && (__s32)(c->heard_ack - seq) > 0)
		seq = c->heard_ack;
	if (c->client.wscale_ours > 0)
		room >>= c->client.wscale_ours;
	return (struct sp_segment){
		.tuple = sp_tuple_reverse(&c->front), .flags = flags, .window = room < 65535 ?
		room : 65535,
		.wscale = -1,
		.seq = seq, .ack = c->client.isn_theirs + 1 + ack_bytes,
		.has_ts = c->client.has_ts, .tsval = c->client.tsval_ours,
		.tsecr = c->client.tsval_theirs,
	};
}

void sp_conn_open_to(struct sp_proxy *p, struct sp_conn *c)
{
	sp_backends_opening(p->backends, c->pool, c->backend_idx, 1);
	c->is_opening = 1;
}

void sp_conn_opened(struct sp_proxy *p, struct sp_conn *c)
{
	if (c->is_opening)
		sp_backends_opening(p->backends, c->pool, c->backend_idx, -1);
	c->is_opening = 0;
}

void sp_conn_release_back(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_tuple from = sp_tuple_reverse(&c->back);
	struct sp_endpoint to = { c->back.daddr, c->back.dport },
		our = { c->back.saddr, c->back.sport };

	if (!c->back.sport)
		return;
	sp_conn_opened(p, c);
	sp_conn_unlink_back(p->conns, c);
	if (c->pool->source == SP_SOURCE_CLIENT)
		sp_datapath_del(p->node.dp, &from);
	else
		sp_port_release(p->node.ports, &to, &our);
	memset(&c->back, 0, sizeof(c->back));
}

void sp_conn_reset_back(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_segment rst = {
		.tuple = c->back, .flags = SP_TCP_RST | (sp_conn_is_committing(c) ? SP_TCP_ACK : 0),
		.wscale = -1,
		.seq = c->backend.isn_ours + 1, .ack = c->backend.isn_theirs + 1,
	};

	if (!c->back.sport)
		return;
	if (!sp_conn_is_adopting(c))	/* else the backend does not know the connection */
		sp_wire_send(p->node.wire, &rst);
	sp_conn_release_back(p, c);
}

void sp_conn_take_splice(struct sp_conn *c, const struct sp_splice *splice)
{
	const struct sp_boundary *b = &splice->boundary;

	c->up = splice->up;
	c->version = splice->version;
	c->request = (struct sp_request){
		.bytes = (__u32)(b->until - (c->client.isn_theirs + 1)) +
			 (__u64)b->laps * SP_BOUNDARY_LAP,
		.bound = b->bound,
	};
}
