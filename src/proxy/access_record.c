// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access_record.c - see access_record.h
 */
#include "proxy/access_record.h"

#include <stdlib.h>
#include <string.h>

#include "node/access_sink.h"

#define BUCKETS		65536
#define RECORDS_MAX	(1 << 20)

/* ---- records ---- */

static struct sp_access_record **find_place(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_access_record **at =
		&p->access->buckets[sp_conns_hash(p->conns, front) % BUCKETS];

	while (*at && memcmp(&(*at)->front, front, sizeof(*front)))
		at = &(*at)->next;
	return at;
}

struct sp_access_record *sp_access_find(struct sp_proxy *p, const struct sp_tuple *front)
{
	return p->access->count ? *find_place(p, front) : NULL;
}

struct sp_access_record *sp_access_add(struct sp_proxy *p, const struct sp_tuple *front,
				       struct sp_config *config,
				       const struct sp_service_conf *service)
{
	struct sp_access_record **at, *r;

	if (!p->access->buckets)
		p->access->buckets = calloc(BUCKETS, sizeof(*p->access->buckets));
	if (!p->access->buckets)
		return NULL;
	at = find_place(p, front);
	if (*at)
		return *at;
	r = p->access->count < RECORDS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		sp_access_sink_drop(p->node.access);
		return NULL;
	}
	r->front = *front;
	r->client = (struct sp_endpoint){ front->saddr, front->sport };
	r->config = sp_config_get(config);
	r->service = service;
	r->target = sp_access_sink_target(p->node.access, service->access.to);
	*at = r;
	p->access->count++;
	return r;
}

void sp_access_del(struct sp_proxy *p, struct sp_access_record *r)
{
	struct sp_access_record **at = find_place(p, &r->front);

	*at = r->next;
	p->access->count--;
	sp_access_text_put(r->text);
	sp_config_put(r->config);
	free(r);
}

/* ---- lines ---- */

static const char *mode_name(enum sp_mode mode)
{
	static const char *const names[] = {
#define X(up, low) [SP_MODE_##up] = #low,
		SP_MODES(X)
#undef X
	};

	return (unsigned int)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : NULL;
}

static __u64 since_us(const struct sp_access_record *r, __u64 ns)
{
	return r->asked_ns && ns >= r->asked_ns ? (ns - r->asked_ns) / 1000 : SP_ACCESS_UNKNOWN;
}

__u64 sp_access_begun_ms(__u64 asked_ns)
{
	__u64 now_ns = sp_exact_ns();

	return sp_real_ms() - (asked_ns && now_ns > asked_ns ? (now_ns - asked_ns) / 1000000 : 0);
}

void sp_access_write(struct sp_proxy *p, int target, const struct sp_access_line *line)
{
	static char buf[SP_ACCESS_LINE_MAX];

	sp_access_sink_write(p->node.access, target, buf, sp_access_line_format(line, buf));
}

static void write_record(struct sp_proxy *p, struct sp_access_record *r, const char *event,
			 __u64 last_ns, const char *end)
{
	const struct sp_access_line line = {
		.format = r->service->access.format, .event = event,
		.service = r->service->name, .text = r->text, .begun_ms = sp_access_begun_ms(r->asked_ns),
		.client = r->client, .backend = { r->back.daddr, r->back.dport },
		.pool = r->pool ? r->pool->name : NULL, .mode = mode_name(r->mode), .end = end,
		.status = r->status, .bytes_in = r->bytes_in, .bytes_out = r->bytes_out,
		.connect_us = since_us(r, r->connected_ns), .first_us = since_us(r, r->first_ns),
		.last_us = since_us(r, last_ns), .exchange = r->exchanges,
	};

	sp_access_write(p, r->target, &line);
}

int sp_access_reads_requests(const struct sp_access_record *r)
{
	return r->service->route_unit == SP_ROUTE_REQUEST;
}

void sp_access_end_exchange(struct sp_proxy *p, struct sp_access_record *r, __u64 last_ns,
			    const char *end)
{
	if (r->state == SP_ACCESS_IDLE || !sp_access_reads_requests(r))
		return;
	write_record(p, r, "exchange", last_ns, end);
	r->state = SP_ACCESS_IDLE;
	r->leg_bytes += r->bytes_out;
	sp_access_text_put(r->text);
	r->text = NULL;
}

void sp_access_begin_exchange(struct sp_access_record *r, struct sp_access_text *text,
			      __u64 asked_ns)
{
	sp_access_text_put(r->text);
	r->text = text;
	r->state = SP_ACCESS_ASKED;
	r->asked_ns = asked_ns;
	r->connected_ns = 0;
	r->first_ns = 0;
	r->status = 0;
	r->bytes_in = 0;
	r->bytes_out = 0;
	r->exchanges++;
}

/* ---- the end of a connection ---- */

static void take_ends(struct sp_access_record *r, const struct sp_entry *up,
		      const struct sp_entry *down)
{
	__u32 at;

	if (!sp_access_reads_requests(r)) {
		r->bytes_in = up ? up->state.bytes : r->bytes_in;
		r->bytes_out = down ? down->state.bytes : 0;
	} else if (down && r->state != SP_ACCESS_IDLE && down->state.next_seq) {
		at = down->state.next_seq + down->half.seq_delta -
		     !!(down->state.flags & SP_STATE_FIN);
		r->bytes_out = (__s32)(at - r->begin_at) > 0 ? at - r->begin_at : 0;
	}
}

void sp_access_finish(struct sp_proxy *p, struct sp_access_record *r, const struct sp_entry *up,
		      const struct sp_entry *down, __u64 last_ns)
{
	const char *end = r->end ?: "expired";

	take_ends(r, up, down);
	if (sp_access_reads_requests(r))
		sp_access_end_exchange(p, r, last_ns, end);
	else
		write_record(p, r, "connection", last_ns, end);
	sp_access_del(p, r);
}

void sp_access_finish_now(struct sp_proxy *p, struct sp_access_record *r, __u64 last_ns)
{
	struct sp_tuple key = sp_tuple_reverse(&r->back);
	struct sp_entry up, down;
	int has_up = !sp_datapath_get(p->node.dp, &r->front, &up),
		has_down = !sp_datapath_get(p->node.dp, &key, &down);

	sp_access_finish(p, r, has_up ? &up : NULL, has_down ? &down : NULL, last_ns);
}

void sp_access_records_free(struct sp_access *a)
{
	for (unsigned int i = 0; a->buckets && i < BUCKETS; i++)
		for (struct sp_access_record *r = a->buckets[i], *next; r; r = next) {
			next = r->next;
			sp_access_text_put(r->text);
			sp_config_put(r->config);
			free(r);
		}
	free(a->buckets);
}
