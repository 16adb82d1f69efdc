// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * change.c - the beginning of a request, where the backend gets other bytes
 *
 * Theory of operation
 *
 * The bytes are a function of the connection, the configuration and the head, so nothing is kept.
 * If the bytes are lost, the client retransmits its head, since no part of the head was
 * acknowledged (abi/change.h), and any proxy makes the same bytes (again.c).
 *
 * If no head changes, a header of the PROXY protocol takes the place of the client's first byte,
 * together with that byte. So a retransmission of the byte repeats the header.
 */
#include "proxy/change.h"

#include <errno.h>
#include <string.h>

#include "l7/proxy_header.h"
#include "l7/rewrite.h"

/* ---- the client's address ---- */

static struct sp_endpoint client_of(const struct sp_conn *c)
{
	return (struct sp_endpoint){ c->front.saddr, c->front.sport };
}

static int is_relayed(const struct sp_conn *c)
{
	const struct sp_service_conf *s = c->service;

	return s->accept_proxy_count &&
	       sp_prefixes_have(s->accept_proxy, s->accept_proxy_count, &c->front.saddr);
}

int sp_change_expects_origin(const struct sp_conn *c)
{
	return !c->is_next && !c->skip && is_relayed(c);
}

struct sp_endpoint sp_change_name(const struct sp_conn *c)
{
	return is_relayed(c) && sp_conn_reads(c) ? c->origin : (struct sp_endpoint){ 0 };
}

/* A further request: the connection's first bytes had the name. */
static void find_name(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_named named;

	c->is_nameless = sp_datapath_named(p->node.dp, &c->front, c->client_isn, &named) != 0;
	if (!c->is_nameless)
		c->origin = (struct sp_endpoint){ named.addr, named.port_be };
}

enum sp_parse_verdict sp_change_origin(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_proxy_header header;
	enum sp_parse_verdict v;

	if (!c->skip)
		c->origin = client_of(c);
	if (c->is_next && is_relayed(c))
		find_name(p, c);
	if (!sp_change_expects_origin(c))
		return SP_PARSE_OK;
	v = sp_proxy_header_parse(sp_conn_buf(p->conns, c), c->reasm.len, &header);
	if (v != SP_PARSE_OK)
		return v;
	c->skip = header.len;
	if (!header.is_own)
		c->origin = header.client;
	return v;
}

/* ---- the head ---- */

static char made[SP_CHANGE_BYTES_MAX];

static int rewrites_head(const struct sp_conn *c)
{
	return c->service->protocol == SP_PROTOCOL_HTTP && c->begins == SP_BOUND_STOP &&
	       sp_rewrite_is_needed(&c->service->rewrite);
}

/* The head after @c->skip, changed, to @to. Return: 0; -E2BIG, -EBADMSG. */
static int rewrite_head(struct sp_proxy *p, const struct sp_conn *c, char *to, size_t room,
			size_t *ret_old, size_t *ret_len)
{
	const char *buf = sp_conn_buf(p->conns, c) + c->skip;
	static struct sp_http1 head;

	if (sp_http1_parse(buf, c->reasm.len - c->skip, &head) != SP_PARSE_OK)
		return -EBADMSG;
	*ret_old = head.head_len;
	return sp_rewrite_head(&c->service->rewrite, buf, &head, &c->origin.addr, to, room,
			       ret_len);
}

int sp_change_plan(struct sp_proxy *p, struct sp_conn *c)
{
	size_t old = 1, len = 1;
	int err;

	c->plan = (struct sp_change){ 0 };
	if (c->is_nameless)
		return -ENOENT;
	if (!rewrites_head(c)) {
		if (c->skip)
			c->plan = (struct sp_change){ .bytes = c->skip + 1, .becomes = 1 };
		return 0;
	}
	err = rewrite_head(p, c, made, sizeof(made) - SP_PROXY_WRITE_MAX, &old, &len);
	if (err || c->skip + old > SP_CHANGE_BYTES_MAX)
		return err == -EBADMSG ? 400 : 431;
	if (c->skip || old != len || memcmp(made, sp_conn_buf(p->conns, c), len))
		c->plan = (struct sp_change){ .bytes = c->skip + old, .becomes = len };
	return 0;
}

/* ---- legs ---- */

static size_t write_header(const struct sp_conn *c, char *buf)
{
	const struct sp_endpoint service = { c->front.daddr, c->front.dport };

	return sp_proxy_header_write(c->pool->proxy_protocol, &c->origin, &service, buf);
}

static int speaks_proxy(const struct sp_conn *c)
{
	return c->pool && c->pool->proxy_protocol != SP_PROXY_PROTOCOL_NONE;
}

int sp_change_is_needed(const struct sp_conn *c)
{
	return c->plan.bytes || speaks_proxy(c);
}

static struct sp_change change_of(const struct sp_conn *c, int is_headed)
{
	struct sp_change change = c->plan;
	char buf[SP_PROXY_WRITE_MAX];

	if (is_headed && !change.bytes)
		change.bytes = change.becomes = 1;
	if (is_headed)
		change.becomes += write_header(c, buf);
	change.from = c->client.isn_theirs + 1 + change.bytes;
	return change;
}

/* No boundary follows where no more requests are read. */
void sp_change_begin_leg(struct sp_conn *c)
{
	c->is_headed = speaks_proxy(c);
	c->change = change_of(c, c->is_headed);
	if (c->change.bytes && !sp_conn_reads(c))
		c->request = (struct sp_request){ .bytes = SP_CONN_BUF, .bound = SP_BOUND_NONE };
}

void sp_change_stay(struct sp_conn *c)
{
	c->is_headed = 0;
	c->change = change_of(c, 0);
}

int sp_change_again(struct sp_conn *c, const struct sp_change *known)
{
	for (int is_headed = 0; is_headed <= speaks_proxy(c); is_headed++) {
		c->is_headed = is_headed;
		c->change = change_of(c, is_headed);
		if (!memcmp(&c->change, known, sizeof(*known)))
			return 0;
	}
	return -ESTALE;
}

void sp_change_splice(const struct sp_conn *c, struct sp_splice *splice)
{
	splice->change = c->change;
	splice->up.seq_delta += sp_change_shift(c);
	splice->down.ack_delta -= sp_change_shift(c);
}

void sp_change_patch(const struct sp_conn *c, struct sp_patch *patch)
{
	if (!c->change.bytes)
		return;
	patch->sets |= SP_PATCH_CHANGE;
	patch->change = c->change;
}

/* ---- the bytes ---- */

const char *sp_change_bytes(struct sp_proxy *p, const struct sp_conn *c)
{
	size_t at = c->is_headed ? write_header(c, made) : 0, old, len;

	if (rewrites_head(c)) {
		/* refused before, if at all */
		rewrite_head(p, c, made + at, sizeof(made) - at, &old, &len);
		return made;
	}
	if (c->reasm.len > c->skip)
		made[at] = sp_conn_buf(p->conns, c)[c->skip];
	return made;
}

struct sp_segment sp_change_behind(const struct sp_change *change, const struct sp_segment *seg)
{
	struct sp_segment behind = *seg;
	__u32 cut = change->from - seg->seq;

	if (!sp_change_is_before(change, seg->seq))
		return behind;
	if (cut > seg->payload_len)
		cut = seg->payload_len;
	behind.seq += cut;
	behind.payload += cut;
	behind.payload_len -= cut;
	return behind;
}
