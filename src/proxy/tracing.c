/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tracing.c - see tracing.h */
#include "proxy/tracing.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "node/report_fate.h"
#include "tcp/segment.h"

#define FLAGS_STRLEN	32
#define TCP_BYTES	20
#define BACK_STRLEN	200

static const char *backend_of(const struct sp_conn *c)
{
	return c->back.sport && c->pool ? c->pool->backends[c->backend_idx].name : NULL;
}

static struct sp_connection_row row_of(const struct sp_conn *c)
{
	return (struct sp_connection_row){
		.front = c->front, .back = c->back, .service = c->service->name,
		.pool = c->pool ? c->pool->name : NULL, .backend = backend_of(c),
	};
}

/* "; to web/web-1 from 10.2.0.1:40000", once there is a backend. */
static const char *format_back(const struct sp_conn *c, char buf[BACK_STRLEN])
{
	const char *backend = backend_of(c);
	char from[SP_ENDPOINT_STRLEN];

	buf[0] = 0;
	if (backend)
		snprintf(buf, BACK_STRLEN, "; to %s/%s from %s", c->pool->name, backend,
			 sp_endpoint_format(&c->back.saddr, c->back.sport, from));
	return buf;
}

void sp_tracing_state(const struct sp_conn *c, const char *from, const char *to, const char *why)
{
	struct sp_connection_row row = row_of(c);
	char back[BACK_STRLEN];

	sp_trace(&row, "state", "%s%s > %s: %s%s; version %u", c->is_next ? "next request: " : "",
		 from, to, why ?: "", format_back(c, back), c->version);
}

/* ---- packets ---- */

static const char *reason_name(__u16 reason)
{
	static const char *const names[] = {
#define X(up, low, proxy, out, in, why) [SP_DROP_##up] = #low,
		SP_DROP_REASONS(X)
#undef X
	};

	return reason < sizeof(names) / sizeof(names[0]) && names[reason] ? names[reason] : "-";
}

static const char *format_flags(__u8 flags, char buf[FLAGS_STRLEN])
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK" };
	size_t len = 0;

	buf[0] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & 1 << i)
			len += snprintf(buf + len, FLAGS_STRLEN - len, "%s%s", len ? " " : "",
					names[i]);
	return buf;
}

static __u32 read_u32(const __u8 *at)
{
	__u32 be;

	memcpy(&be, at, sizeof(be));
	return ntohl(be);
}

/* The connection that a packet of either side belongs to, as far as it is known here. */
static struct sp_connection_row row_of_packet(struct sp_proxy *p, const struct sp_tuple *t)
{
	const struct sp_config *config = p->node.config;
	struct sp_tuple back = sp_tuple_reverse(t);
	struct sp_connection_row row = { .front = *t };
	const struct sp_service_conf *service;
	const struct sp_conn *c = sp_conn_by_front(p->conns, t) ?: sp_conn_by_back(p->conns, &back);
	const struct sp_pool_conf *pool = NULL;
	struct sp_entry e;

	if (c)
		return row_of(c);
	if (!sp_datapath_get(p->node.dp, t, &e)) {
		int is_down = e.half.flags & SP_HALF_F_FROM_BACKEND;

		row.front = is_down ? sp_tuple_reverse(&e.half.out) : *t;
		row.back = is_down ? back : e.half.out;
		pool = sp_config_pool_of(config, e.half.pool_id);
	}
	service = sp_config_service_at(config, &row.front);
	row.service = service ? service->name : NULL;
	row.pool = pool ? pool->name : NULL;
	return row;
}

void sp_tracing_packet(struct sp_proxy *p, const struct sp_event *ev)
{
	struct sp_connection_row row = row_of_packet(p, &ev->tuple);
	const __u8 *tcp = ev->packet + ev->l4_off;
	char fate[SP_REPORT_FATE_STRLEN], flags[FLAGS_STRLEN], packet[SP_TUPLE_STRLEN];
	const char *name = reason_name(ev->mtu);

	sp_report_fate(ev->mtu, 0, fate);
	if (!ev->tuple.dport || (__u32)ev->l4_off + TCP_BYTES > ev->len)
		sp_trace(&row, "packet", "%s (%s)", name, fate);
	else
		sp_trace(&row, "packet", "%s (%s): %s: %s, seq %u, ack %u", name, fate,
			 sp_tuple_format(&ev->tuple, packet), format_flags(tcp[13], flags),
			 read_u32(tcp + 4), read_u32(tcp + 8));
}
