// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS_PER_TICK	64
#define SLOTS_PER_TICK	2048	/* all within 0.2 s, if few are used */

/* @bytes: of all buffers; @count: slots in use; @at: of the next tick */
struct sp_kepts {
	struct sp_kept	slots[SP_KEPT_MAX];
	__u64		bytes;
	__u32		count, at;
};

int sp_kepts_new(struct sp_kepts **ret_kepts)
{
	*ret_kepts = calloc(1, sizeof(**ret_kepts));
	return *ret_kepts ? 0 : -ENOMEM;
}

static void forget_slot(struct sp_kepts *t, struct sp_kept *k)
{
	if (k->buf)
		t->bytes -= k->len;
	t->count -= k->is_used;
	free(k->buf);
	*k = (struct sp_kept){ 0 };
}

void sp_kepts_free(struct sp_kepts *kepts)
{
	for (__u32 i = 0; kepts && kepts->count; i++)
		forget_slot(kepts, &kepts->slots[i]);
	free(kepts);
}

static struct sp_kept *slot_of(struct sp_proxy *p, const struct sp_tuple *front, int way)
{
	return &p->kepts->slots[(sp_conns_hash(p->conns, front) + way) % SP_KEPT_MAX];
}

static struct sp_kept *find_front(struct sp_proxy *p, const struct sp_tuple *front)
{
	for (int way = 0; way < SP_KEPT_WAYS; way++) {
		struct sp_kept *k = slot_of(p, front, way);

		if (k->is_used && !memcmp(&k->front, front, sizeof(*front)))
			return k;
	}
	return NULL;
}

struct sp_kept *sp_kept_find(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_kept *k = find_front(p, front);

	return k && k->client_isn == client_isn ? k : NULL;
}

/* A free slot, or the oldest. */
static struct sp_kept *take_slot(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct sp_kept *oldest = slot_of(p, front, 0);

	for (int way = 0; way < SP_KEPT_WAYS && oldest->is_used; way++) {
		struct sp_kept *k = slot_of(p, front, way);

		if (!k->is_used || k->since_ns < oldest->since_ns)
			oldest = k;
	}
	p->node.counters.requests_unkept += oldest->is_used;
	forget_slot(p->kepts, oldest);
	return oldest;
}

const struct sp_pool_conf *sp_kept_pool(const struct sp_proxy *p, __u32 pool_id)
{
	const struct sp_pool_conf *pool = sp_config_pool_of(p->node.config, pool_id);

	return pool && pool->on_death == SP_DEATH_CONTINUE && !sp_node_is_shared(&p->node) ?
	       pool : NULL;
}

/* The response to the request begins at the boundary. */
static __u32 begins_at(struct sp_proxy *p, const struct sp_conn *c)
{
	struct sp_tuple key = sp_tuple_reverse(&c->up.out);
	struct sp_entry down;

	return sp_datapath_get(p->node.dp, &key, &down) ? 0 :
	       down.meta.boundary.until + down.half.seq_delta;
}

static enum sp_kept_reason reason_of(const struct sp_conn *c, const struct sp_pool_conf *pool)
{
	const struct sp_request *r = &c->request;

	if (!r->is_repeatable)
		return SP_KEPT_METHOD;
	return r->bound != SP_BOUND_STOP || r->bytes > pool->keep_bytes ||
	       sp_conn_own_bytes(c) < r->bytes || c->skip ? SP_KEPT_BODY : SP_KEPT_WHOLE;
}

/* Return: whether there was memory. */
static int copy_bytes(struct sp_proxy *p, const struct sp_conn *c, struct sp_kept *k)
{
	struct sp_kepts *t = p->kepts;

	if (t->bytes + c->request.bytes <= SP_KEPT_BYTES_MAX)
		k->buf = malloc(c->request.bytes);
	if (!k->buf)
		return 0;
	k->len = c->request.bytes;
	t->bytes += k->len;
	memcpy(k->buf, sp_conn_buf(p->conns, c), k->len);
	return 1;
}

static void fill_slot(struct sp_proxy *p, const struct sp_conn *c, struct sp_kept *k,
		      enum sp_kept_reason why)
{
	*k = (struct sp_kept){
		.front = c->front, .client_isn = c->client_isn,
		.start = c->client.isn_theirs + 1, .tsval = c->heard_tsval,
		.tsecr = c->client.tsval_ours, .window = c->window, .why = why,
		.begun_at = begins_at(p, c), .since_ns = sp_now_ns(),
	};
	k->is_used = why != SP_KEPT_WHOLE || copy_bytes(p, c, k);
	p->kepts->count += k->is_used;
	p->node.counters.requests_unkept += !k->is_used;
}

/* More of a chunked body: the beginning of the request has left a reason. */
static int is_part(const struct sp_conn *c)
{
	return c->begins == SP_BOUND_CHUNK || c->begins == SP_BOUND_CHUNK_END;
}

void sp_kept_note(struct sp_proxy *p, const struct sp_conn *c)
{
	const struct sp_pool_conf *pool = sp_kept_pool(p, c->up.pool_id);
	struct sp_kept *k;

	if (!pool || is_part(c))
		return;
	k = find_front(p, &c->front);
	if (k && k->client_isn == c->client_isn && k->start == c->client.isn_theirs + 1)
		return;		/* sent again */
	if (k)
		forget_slot(p->kepts, k);
	else
		k = take_slot(p, &c->front);
	fill_slot(p, c, k, reason_of(c, pool));
}

static int is_get(const struct sp_kept *k)
{
	static const char get[] = "GET ";

	return k->buf && k->len >= sizeof(get) && !memcmp(k->buf, get, sizeof(get) - 1);
}

void sp_kept_response(struct sp_proxy *p, const struct sp_entry *down,
		      const struct sp_segment *seg)
{
	struct sp_tuple front = sp_tuple_reverse(&down->half.out);
	struct sp_kept *k = sp_kept_find(p, &front, down->meta.client_isn);
	__u32 off;

	if (!k || k->begun.status || !is_get(k))
		return;
	off = k->begun_at - down->half.seq_delta - seg->seq;
	if (off >= seg->payload_len)
		return;
	sp_begun_read((const char *)seg->payload + off, seg->payload_len - off, &k->begun);
	if (!k->begun.status)
		k->begun_at += k->begun.head_len;
}

/* Return: whether the splice is here, and the response is not complete. */
static int is_open(struct sp_proxy *p, const struct sp_kept *k, struct sp_entry *ret_up,
		   struct sp_entry *ret_down)
{
	const struct sp_boundary *b = &ret_down->meta.boundary;
	struct sp_tuple key;

	if (sp_datapath_get(p->node.dp, &k->front, ret_up) ||
	    ret_up->meta.client_isn != k->client_isn)
		return 0;
	key = sp_tuple_reverse(&ret_up->half.out);
	if (sp_datapath_get(p->node.dp, &key, ret_down) ||
	    ret_down->meta.client_isn != k->client_isn)
		return 0;
	if (b->bound == SP_BOUND_STOP)
		return b->laps || (__s32)(ret_down->state.next_seq - b->until) < 0;
	return b->bound == SP_BOUND_HEAD || sp_boundary_is_line(*b);
}

static void look_at(struct sp_proxy *p, struct sp_kept *k, sp_kept_fn fn)
{
	struct sp_entry up, down;

	if (is_open(p, k, &up, &down))
		fn(p, k, &up, &down);
	else if (!sp_conn_by_front(p->conns, &k->front))	/* else perhaps on its way */
		forget_slot(p->kepts, k);
}

void sp_kept_tick(struct sp_proxy *p, sp_kept_fn fn)
{
	struct sp_kepts *t = p->kepts;
	int looks = LOOKS_PER_TICK;

	for (int i = 0; i < SLOTS_PER_TICK && looks && t->count; i++) {
		struct sp_kept *k = &t->slots[t->at++ % SP_KEPT_MAX];

		if (!k->is_used)
			continue;
		look_at(p, k, fn);
		looks--;
	}
}
