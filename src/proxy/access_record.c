// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access_record.c - see access_record.h
 */
#include "proxy/access_record.h"

#include <errno.h>
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

int sp_access_use(struct sp_proxy *p, struct sp_access_record *r,
		  const struct sp_service_conf *service)
{
	struct sp_served *served = r->served;

	if (!served || strcmp(served->name, service->name)) {
		served = sp_traffic_get(&p->node.traffic, service->name);
		if (!served)
			return -ENOMEM;
		if (r->served)
			sp_traffic_put(r->served);
	}
	r->served = served;
	r->format = service->access.format;
	r->reads_requests = service->route_unit == SP_ROUTE_REQUEST;
	r->target = sp_access_sink_target(p->node.access, service->access.to);
	return 0;
}

/* The copy outlives the configuration. Without memory lines lack the pool. */
void sp_access_use_pool(struct sp_access_record *r, const struct sp_pool_conf *pool)
{
	if (r->pool && pool && !strcmp(r->pool, pool->name))
		return;
	free(r->pool);
	r->pool = pool ? strdup(pool->name) : NULL;
}

static void free_record(struct sp_access_record *r)
{
	sp_access_text_put(r->text);
	if (r->served)
		sp_traffic_put(r->served);
	free(r->pool);
	free(r);
}

struct sp_access_record *sp_access_add(struct sp_proxy *p, const struct sp_tuple *front,
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
	if (!r || sp_access_use(p, r, service)) {
		sp_access_sink_drop(p->node.access);
		free(r);
		return NULL;
	}
	r->front = *front;
	r->client = (struct sp_endpoint){ front->saddr, front->sport };
	*at = r;
	p->access->count++;
	return r;
}

void sp_access_del(struct sp_proxy *p, struct sp_access_record *r)
{
	struct sp_access_record **at = find_place(p, &r->front);

	*at = r->next;
	p->access->count--;
	free_record(r);
}

/* ---- numbers ---- */

static void add_bytes(struct sp_served *s, const struct sp_access_record *r)
{
	s->bytes_in += r->bytes_in;
	if (r->bytes_out != SP_ACCESS_UNKNOWN)
		s->bytes_out += r->bytes_out;
}

static void count_connection(const struct sp_access_record *r)
{
	r->served->connections++;
	add_bytes(r->served, r);
}

/* Durations are those of requests with a response. */
static void count_exchange(const struct sp_access_record *r, __u64 last_ns)
{
	struct sp_served *s = r->served;

	sp_served_add_request(s, r->status);
	add_bytes(s, r);
	if (!r->asked_ns || r->first_ns < r->asked_ns || last_ns < r->first_ns)
		return;
	sp_histogram_add(&s->first_byte, r->first_ns - r->asked_ns);
	sp_histogram_add(&s->duration, last_ns - r->asked_ns);
}

void sp_access_count_reply(struct sp_proxy *p, const struct sp_service_conf *service, int status,
			   __u64 bytes_in)
{
	struct sp_served *s = sp_traffic_get(&p->node.traffic, service->name);

	if (!s)
		return;
	if (service->route_unit == SP_ROUTE_REQUEST)
		sp_served_add_request(s, status);
	else
		s->connections++;
	s->bytes_in += bytes_in;
	sp_traffic_put(s);
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

__u64 sp_access_begun_ms(const struct sp_access *a, __u64 asked_ns)
{
	return asked_ns ? asked_ns / 1000000 + a->real_offset_ms : sp_real_ms();
}

void sp_access_write(struct sp_proxy *p, int target, const struct sp_access_line *line)
{
	static char buf[SP_ACCESS_LINE_MAX];

	if (target != SP_ACCESS_TARGET_NONE)
		sp_access_sink_write(p->node.access, target, buf, sp_access_line_format(line, buf));
}

static void write_record(struct sp_proxy *p, struct sp_access_record *r, const char *event,
			 __u64 last_ns, const char *end)
{
	const struct sp_access_line line = {
		.format = r->format, .event = event, .service = r->served->name, .text = r->text,
		.begun_ms = sp_access_begun_ms(p->access, r->asked_ns),
		.client = r->client, .backend = { r->back.daddr, r->back.dport },
		.pool = r->pool, .mode = mode_name(r->mode), .end = end,
		.status = r->status, .bytes_in = r->bytes_in, .bytes_out = r->bytes_out,
		.connect_us = since_us(r, r->connected_ns), .first_us = since_us(r, r->first_ns),
		.last_us = since_us(r, last_ns), .exchange = r->exchanges,
	};

	sp_access_write(p, r->target, &line);
}

void sp_access_end_exchange(struct sp_proxy *p, struct sp_access_record *r, __u64 last_ns,
			    const char *end)
{
	if (r->state == SP_ACCESS_IDLE || !r->reads_requests)
		return;
	count_exchange(r, last_ns);
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

/* In the modes split and adopt, answers go past the proxy. */
static void take_ends(struct sp_access_record *r, const struct sp_entry *up,
		      const struct sp_entry *down)
{
	__u32 at;

	if (!r->reads_requests) {
		r->bytes_in = up ? up->state.bytes : r->bytes_in;
		r->bytes_out = r->mode == SP_MODE_SPLIT || r->mode == SP_MODE_ADOPT ?
			SP_ACCESS_UNKNOWN : down ? down->state.bytes : 0;
	} else if (down && r->state != SP_ACCESS_IDLE && down->state.next_seq) {
		at = down->state.next_seq + down->half.seq_delta -
		     !!(down->state.flags & SP_STATE_FIN);
		r->bytes_out = (__s32)(at - r->begin_at) > 0 ? at - r->begin_at : 0;
	}
}

/* If FIN and RST passed another proxy, their order is not known. */
static const char *name_end(const struct sp_access_record *r, const struct sp_entry *down)
{
	__u8 flags = down ? down->state.flags : 0;

	if (r->end)
		return r->end;
	if (flags & (SP_STATE_RST | SP_STATE_PEER_RST))
		return flags & SP_STATE_RST ? "backend_rst" : "client_rst";
	if (flags & SP_STATE_FIN)
		return flags & SP_STATE_PEER_FIN ? "closed" : "backend_fin";
	return flags & SP_STATE_PEER_FIN ? "client_fin" : "expired";
}

void sp_access_finish(struct sp_proxy *p, struct sp_access_record *r, const struct sp_entry *up,
		      const struct sp_entry *down, __u64 last_ns)
{
	const char *end = name_end(r, down);

	take_ends(r, up, down);
	if (r->reads_requests) {
		sp_access_end_exchange(p, r, last_ns, end);
	} else {
		count_connection(r);
		write_record(p, r, "connection", last_ns, end);
	}
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
			free_record(r);
		}
	free(a->buckets);
}
