// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/parked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS	4096	/* a power of two */
#define NONE	0	/* slots count from 1: a new table is all zeros, and touches no memory */
#define ACK_NS	20000000ULL	/* a request that comes before acknowledges, too */
#define TAKEN	1024
#define TAKEN_NS 3000000000ULL

/* A request to a parked leg, or a stay: @start, as the client counts; @at, as the backend does. */
struct taken {
	struct sp_tuple	back;
	__u32		start, at;
	__u64		since_ns;
};

/*
 * @newest, @oldest: ends of the list by @since_ns; slots that became free are chained by @older
 * @used:	slots above have never been used
 * @taken:	by the hash of @back; a later one takes the place
 */
struct sp_parkeds {
	struct taken		taken[TAKEN];
	__u32			by_front[BUCKETS], by_back[BUCKETS];
	__u32			newest, oldest, free_head, used;
	struct sp_parked	all[SP_PARKED_MAX + 1];
};

int sp_parkeds_new(struct sp_parkeds **ret_parkeds)
{
	*ret_parkeds = calloc(1, sizeof(**ret_parkeds));
	return *ret_parkeds ? 0 : -ENOMEM;
}

/* ---- the table ---- */

static __u32 *bucket_of(struct sp_proxy *p, __u32 *table, const struct sp_tuple *key)
{
	return &table[sp_conns_hash(p->conns, key) % BUCKETS];
}

static void link_age(struct sp_parkeds *t, __u32 i)
{
	t->all[i].older = t->newest;
	t->all[i].newer = NONE;
	if (t->newest != NONE)
		t->all[t->newest].newer = i;
	else
		t->oldest = i;
	t->newest = i;
}

static void unlink_age(struct sp_parkeds *t, __u32 i)
{
	const struct sp_parked *k = &t->all[i];

	*(k->newer != NONE ? &t->all[k->newer].older : &t->newest) = k->older;
	*(k->older != NONE ? &t->all[k->older].newer : &t->oldest) = k->newer;
}

static void unlink_chains(struct sp_proxy *p, __u32 i)
{
	struct sp_parkeds *t = p->parkeds;
	struct sp_parked *k = &t->all[i];
	__u32 *at = bucket_of(p, t->by_front, &k->front);

	while (*at != i)
		at = &t->all[*at].next_front;
	*at = k->next_front;
	at = bucket_of(p, t->by_back, &k->back);
	while (*at != i)
		at = &t->all[*at].next_back;
	*at = k->next_back;
}

static void remove_slot(struct sp_proxy *p, __u32 i)
{
	struct sp_parkeds *t = p->parkeds;

	unlink_chains(p, i);
	unlink_age(t, i);
	t->all[i].older = t->free_head;
	t->free_head = i;
}

static struct sp_parked *find_back(struct sp_proxy *p, const struct sp_tuple *back)
{
	struct sp_parkeds *t = p->parkeds;

	for (__u32 i = *bucket_of(p, t->by_back, back); i != NONE; i = t->all[i].next_back)
		if (!memcmp(&t->all[i].back, back, sizeof(*back)))
			return &t->all[i];
	return NULL;
}

/* ---- the end of a parked leg ---- */

static void send_to_backend(struct sp_proxy *p, const struct sp_parked *k, __u8 flags)
{
	struct sp_segment seg = {
		.tuple = k->back, .flags = flags, .wscale = -1, .window = k->window,
		.seq = k->side.isn_ours + 1, .ack = k->side.isn_theirs + 1,
		.has_ts = k->side.has_ts, .tsval = k->side.tsval_ours,
		.tsecr = k->side.tsval_theirs,
	};

	sp_wire_send(p->node.wire, &seg);
}

static void end_leg(struct sp_proxy *p, struct sp_parked *k, int is_reset)
{
	if (is_reset)
		send_to_backend(p, k, SP_TCP_RST | SP_TCP_ACK);
	sp_port_free_back(p->node.ports, &k->back);
	remove_slot(p, k - p->parkeds->all);
}

void sp_parkeds_free(struct sp_parkeds *parkeds)
{
	free(parkeds);
}

/* ---- a leg is left ---- */

/* A backend with `max_connections` would have a connection that is not counted. */
static int is_wanted(const struct sp_proxy *p, const struct sp_half *up)
{
	const struct sp_pool_conf *pool = sp_config_pool_of(p->node.config, up->pool_id);
	int idx = pool ? sp_pool_find(pool, &up->out) : -ENOENT;

	return idx >= 0 && pool->source == SP_SOURCE_SNAT && !pool->backends[idx].max_connections;
}

static int is_complete(const struct sp_conn *c, const struct sp_entry *up,
		       const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;
	__u8 other = (up->half.flags | down->half.flags) & (SP_HALF_F_TO_DAEMON | SP_HALF_F_SPLIT);

	return !other && up->meta.client_isn == c->client_isn &&
	       down->meta.client_isn == c->client_isn && b->bound == SP_BOUND_STOP && !b->laps &&
	       !(b->reading & (SP_READING_ENDED | SP_READING_CLOSES)) &&
	       down->state.next_seq == b->until && !(down->state.flags & SP_STATE_ENDS) &&
	       down->state.last_ack == c->client.isn_theirs + 1 && down->state.window;
}

/* The scales of a handshake, from the shifts that were made of them. */
static void find_scales(const struct sp_conn *c, const struct sp_entry *up,
			const struct sp_entry *down, struct sp_side *side)
{
	__s8 reads = c->client.wscale_theirs < 0 || c->client.wscale_ours < 0 ? 0 :
		     c->client.wscale_ours;

	side->wscale_ours = c->client.wscale_theirs;
	side->wscale_theirs = side->wscale_ours < 0 || up->half.window_shift ? -1 :
			      down->half.window_shift + reads;
}

static struct sp_parked parked_of(const struct sp_conn *c, const struct sp_entry *up,
				  const struct sp_entry *down)
{
	struct sp_parked k = {
		.front = c->front, .back = up->half.out, .client_isn = c->client_isn,
		.pool_id = up->half.pool_id, .mss = up->half.mss,
		.window = sp_half_window(&up->half, c->window, up->state.is_wide),
		.tsval_delta = up->half.tsval_delta,
		.is_ecn = !(up->half.flags & SP_HALF_F_NOT_ECT),
		.side = {
			.isn_ours = c->client.isn_theirs + up->half.seq_delta,
			.isn_theirs = down->meta.boundary.until - 1,
			.has_ts = up->half.tsval_delta || up->half.tsecr_delta,
			.tsval_ours = c->heard_tsval + up->half.tsval_delta,
			.tsval_theirs = down->meta.tsval - down->half.tsval_delta,
		},
		.since_ns = sp_now_ns(),
	};

	find_scales(c, up, down, &k.side);
	k.window_bytes = (__u32)down->state.window <<
		(k.side.wscale_theirs > 0 ? k.side.wscale_theirs : 0);
	return k;
}

/* The client's oldest leg gives way, or the oldest of all. */
static void make_room(struct sp_proxy *p, const struct sp_parked *parked)
{
	struct sp_parkeds *t = p->parkeds;
	__u32 i = *bucket_of(p, t->by_front, &parked->front), oldest = t->oldest, held = 0;

	for (; i != NONE; i = t->all[i].next_front)
		if (!memcmp(&t->all[i].front, &parked->front, sizeof(parked->front))) {
			oldest = i;	/* chains begin with the newest */
			held++;
		}
	if (held >= SP_PARKED_OF_CLIENT || (t->free_head == NONE && t->used == SP_PARKED_MAX))
		end_leg(p, &t->all[oldest], 1);
}

static __u32 take_slot(struct sp_parkeds *t)
{
	__u32 i = t->free_head;

	if (i == NONE)
		return ++t->used;
	t->free_head = t->all[i].older;
	return i;
}

static void add_leg(struct sp_proxy *p, const struct sp_parked *parked)
{
	struct sp_parkeds *t = p->parkeds;
	__u32 i, *at;

	make_room(p, parked);
	i = take_slot(t);
	t->all[i] = *parked;
	at = bucket_of(p, t->by_front, &parked->front);
	t->all[i].next_front = *at;
	*at = i;
	at = bucket_of(p, t->by_back, &parked->back);
	t->all[i].next_back = *at;
	*at = i;
	link_age(t, i);
	p->node.counters.legs_parked++;
}

int sp_parked_add(struct sp_proxy *p, const struct sp_conn *c, const struct sp_entry *up)
{
	struct sp_tuple key = sp_tuple_reverse(&c->leg.out);
	struct sp_parked parked;
	struct sp_entry down;

	if (sp_node_is_shared(&p->node) || !is_wanted(p, &up->half) ||
	    sp_datapath_take(p->node.dp, &key, &down) || !is_complete(c, up, &down))
		return 0;
	parked = parked_of(c, up, &down);
	if (parked.side.has_ts && !down.meta.tsval)
		return 0;
	add_leg(p, &parked);
	return 1;
}

/* ---- the leg is taken back ---- */

/* Return: index in @c->pool; -ENOENT: the backend gets no request of @c. */
static int usable_backend(struct sp_proxy *p, const struct sp_conn *c, const struct sp_parked *k)
{
	int idx = sp_pool_find(c->pool, &k->back);
	const struct sp_backend *b;

	if (idx < 0)
		return idx;
	b = sp_backends_at(p->backends, c->pool, idx);
	if (!b || sp_backend_is_out(b) || b->is_down || !c->pool->backends[idx].weight)
		return -ENOENT;
	if (c->has_key && sp_pool_hashes_requests(c->pool) &&
	    sp_backends_holder(p->backends, c->pool, sp_addr_is_v4(&c->front.daddr), c->key,
			       sp_now_ns()) != idx)
		return -ENOENT;
	return idx;
}

static struct taken *taken_of(struct sp_proxy *p, const struct sp_tuple *back)
{
	return &p->parkeds->taken[sp_conns_hash(p->conns, back) % TAKEN];
}

/* Changed bytes are not taken back: the numbers of the leg count them already. */
static void note_taken(struct sp_proxy *p, const struct sp_conn *c)
{
	if (!c->plan.bytes)
		*taken_of(p, &c->back) = (struct taken){
			.back = c->back, .start = c->client.isn_theirs + 1,
			.at = c->backend.isn_ours + 1, .since_ns = sp_now_ns(),
		};
}

void sp_parked_note_stay(struct sp_proxy *p, const struct sp_conn *c)
{
	__u32 start = c->client.isn_theirs + 1;

	if (c->begins == SP_BOUND_STOP && c->request.is_bare && c->pieces == 1 && !c->is_guess &&
	    !c->plan.bytes && !c->change.bytes)
		*taken_of(p, &c->leg.out) = (struct taken){
			.back = c->leg.out, .start = start, .at = start + c->leg.seq_delta,
			.since_ns = sp_now_ns(),
		};
}

int sp_parked_closed_before(struct sp_proxy *p, const struct sp_segment *seg, __u32 *ret_start)
{
	struct sp_tuple back = sp_tuple_reverse(&seg->tuple);
	const struct taken *t = taken_of(p, &back);

	*ret_start = t->start;
	return seg->flags & SP_TCP_ACK && seg->ack == t->at &&
	       !memcmp(&t->back, &back, sizeof(back)) && sp_now_ns() - t->since_ns < TAKEN_NS;
}

static void use_leg(struct sp_proxy *p, struct sp_conn *c, const struct sp_parked *k, int idx)
{
	c->backend_idx = idx;
	c->back = k->back;
	c->backend = k->side;
	c->backend.tsval_ours = c->client.tsval_theirs + k->tsval_delta;
	c->backend_mss = k->mss ?: 0xffff;
	c->is_ecn_back = c->is_ecn && k->is_ecn;
	c->window_bytes = k->window_bytes;
	c->mode = SP_MODE_WHOLE;
	c->is_unparked = 1;
	note_taken(p, c);
	sp_conn_link_back(p->conns, c);
	sp_conn_open_to(p, c);
}

int sp_parked_take(struct sp_proxy *p, struct sp_conn *c)
{
	struct sp_parkeds *t = p->parkeds;
	__u32 i = *bucket_of(p, t->by_front, &c->front);

	if (!c->is_next || c->acked)
		return 0;
	for (; i != NONE; i = t->all[i].next_front) {
		const struct sp_parked *k = &t->all[i];
		int idx;

		if (memcmp(&k->front, &c->front, sizeof(c->front)) ||
		    k->client_isn != c->client_isn || k->pool_id != (__u16)c->pool->id)
			continue;
		idx = usable_backend(p, c, k);
		if (idx < 0)
			continue;
		use_leg(p, c, k, idx);
		remove_slot(p, i);
		p->node.counters.legs_unparked++;
		return 1;
	}
	return 0;
}

/* ---- while it is parked ---- */

int sp_parked_segment(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct sp_tuple back = sp_tuple_reverse(&seg->tuple);
	struct sp_parked *k = find_back(p, &back);
	__s32 beyond;

	if (!k)
		return 0;
	beyond = seg->seq + seg->payload_len - (k->side.isn_theirs + 1);
	if (seg->flags & SP_TCP_RST) {
		if (!beyond)
			end_leg(p, k, 0);
	} else if (beyond > 0 || seg->flags & SP_TCP_FIN) {
		end_leg(p, k, 1);
	} else if (seg->payload_len || beyond < 0) {
		send_to_backend(p, k, SP_TCP_ACK);
	}
	return 1;
}

int sp_parked_give_way(struct sp_proxy *p, const struct sp_tuple *back)
{
	struct sp_parked *k = find_back(p, back);

	if (k)
		end_leg(p, k, 1);
	return !!k;
}

void sp_parked_tick(struct sp_proxy *p, __u64 now_ns)
{
	struct sp_parkeds *t = p->parkeds;

	while (t->oldest != NONE && now_ns - t->all[t->oldest].since_ns >= SP_PARKED_NS)
		end_leg(p, &t->all[t->oldest], 1);
	for (__u32 i = t->newest; i != NONE && !t->all[i].is_acknowledged; i = t->all[i].older) {
		if (now_ns - t->all[i].since_ns < ACK_NS)
			continue;
		send_to_backend(p, &t->all[i], SP_TCP_ACK);
		t->all[i].is_acknowledged = 1;
	}
}
