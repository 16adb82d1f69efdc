// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "abi/siphash.h"

#define BUCKETS		32768
#define NONE		0xffffffffu
#define KEEP_BYTES	4096	/* of a buffer, for its next user */

struct sp_conns {
	__u64		secret[2];
	__u32		by_front[BUCKETS], by_back[BUCKETS];
	__u32		free_head, live_head, walk_next, count, slots;
	__u32		look_next;
	__u32		begun;	/* from here on none was ever in use, nor its memory touched */
	char		*bufs;
	struct sp_conn	*all;
};

__u64 sp_conns_hash(const struct sp_conns *cs, const struct sp_tuple *t)
{
	__u64 w[5];

	w[4] = 0;
	memcpy(w, t, sizeof(*t));
	return sp_siphash_words(cs->secret, w, 5);
}

static __u32 *bucket(struct sp_conns *cs, __u32 *table, const struct sp_tuple *t)
{
	return &table[sp_conns_hash(cs, t) % BUCKETS];
}

char *sp_conn_buf(struct sp_conns *cs, const struct sp_conn *c)
{
	return cs->bufs + (size_t)(c - cs->all) * SP_CONN_BUF;
}

struct sp_conn *sp_conn_by_front(struct sp_conns *cs, const struct sp_tuple *front)
{
	for (__u32 i = *bucket(cs, cs->by_front, front); i != NONE; i = cs->all[i].next_front)
		if (!memcmp(&cs->all[i].front, front, sizeof(*front)))
			return &cs->all[i];
	return NULL;
}

struct sp_conn *sp_conn_by_back(struct sp_conns *cs, const struct sp_tuple *back)
{
	for (__u32 i = *bucket(cs, cs->by_back, back); i != NONE; i = cs->all[i].next_back)
		if (!memcmp(&cs->all[i].back, back, sizeof(*back)))
			return &cs->all[i];
	return NULL;
}

__u64 sp_conn_ref(const struct sp_conns *cs, const struct sp_conn *c)
{
	return (__u64)c->generation << 32 | (__u32)(c - cs->all);
}

struct sp_conn *sp_conn_by_ref(struct sp_conns *cs, __u64 ref)
{
	struct sp_conn *c = (__u32)ref < cs->slots ? &cs->all[(__u32)ref] : NULL;

	return c && c->state != SP_CONN_FREE && c->generation == ref >> 32 ? c : NULL;
}

void sp_conn_link_back(struct sp_conns *cs, struct sp_conn *c)
{
	__u32 *at = bucket(cs, cs->by_back, &c->back);

	c->next_back = *at;
	*at = c - cs->all;
}

void sp_conn_unlink_back(struct sp_conns *cs, struct sp_conn *c)
{
	__u32 me = c - cs->all, *at = bucket(cs, cs->by_back, &c->back);

	while (*at != NONE && *at != me)
		at = &cs->all[*at].next_back;
	if (*at == me)
		*at = c->next_back;
}

static void link_front(struct sp_conns *cs, struct sp_conn *c)
{
	__u32 *at = bucket(cs, cs->by_front, &c->front), me = c - cs->all;

	c->next_front = *at;
	*at = me;
	c->prev_live = NONE;
	c->next_live = cs->live_head;
	if (cs->live_head != NONE)
		cs->all[cs->live_head].prev_live = me;
	cs->live_head = me;
	cs->count++;
}

static void unlink_front(struct sp_conns *cs, struct sp_conn *c)
{
	__u32 me = c - cs->all, *at = bucket(cs, cs->by_front, &c->front);

	while (*at != NONE && *at != me)
		at = &cs->all[*at].next_front;
	if (*at == me)
		*at = c->next_front;
	if (c->prev_live != NONE)
		cs->all[c->prev_live].next_live = c->next_live;
	else
		cs->live_head = c->next_live;
	if (c->next_live != NONE)
		cs->all[c->next_live].prev_live = c->prev_live;
	if (cs->walk_next == me)
		cs->walk_next = c->next_live;
	cs->count--;
}

static __u32 take(struct sp_conns *cs)
{
	__u32 i = cs->free_head;

	if (i != NONE)
		cs->free_head = cs->all[i].next_live;
	else if (cs->begun < cs->slots)
		i = cs->begun++;
	return i;
}

struct sp_conn *sp_conn_add(struct sp_conns *cs, const struct sp_tuple *front)
{
	__u32 i = take(cs);
	struct sp_conn *c;

	if (i == NONE)
		return NULL;
	c = &cs->all[i];
	*c = (struct sp_conn){
		.state = SP_CONN_HEAD, .front = *front, .fin_at = SP_CONN_NO_FIN, .generation = c->generation + 1,
	};
	link_front(cs, c);
	return c;
}

void sp_conn_del(struct sp_conns *cs, struct sp_conn *c)
{
	unlink_front(cs, c);
	sp_conn_unlink_back(cs, c);
	if (c->held.top > KEEP_BYTES)
		madvise(sp_conn_buf(cs, c), SP_CONN_BUF, MADV_DONTNEED);
	c->state = SP_CONN_FREE;
	c->next_live = cs->free_head;
	cs->free_head = c - cs->all;
}

void sp_conns_each(struct sp_conns *cs, sp_conn_fn fn, void *ctx)
{
	for (__u32 i = cs->live_head; i != NONE; i = cs->walk_next) {
		cs->walk_next = cs->all[i].next_live;
		fn(ctx, &cs->all[i]);
	}
}

struct sp_conn *sp_conns_most(struct sp_conns *cs, sp_conn_weigh_fn weigh, __u64 now_ns)
{
	struct sp_conn *most = NULL;
	__u32 weight, most_weight = 0;

	for (__u32 i = 0; i < SP_CONNS_LOOK && i < cs->begun; i++) {
		struct sp_conn *c = &cs->all[cs->look_next];

		cs->look_next = cs->look_next + 1 < cs->begun ? cs->look_next + 1 : 0;
		weight = c->state == SP_CONN_FREE ? 0 : weigh(c, now_ns);
		if (weight > most_weight) {
			most = c;
			most_weight = weight;
		}
	}
	return most;
}

unsigned int sp_conns_count(const struct sp_conns *cs)
{
	return cs->count;
}

int sp_conns_new(unsigned int slots, struct sp_conns **ret_conns)
{
	struct sp_conns *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return -ENOMEM;
	cs->slots = slots;
	cs->all = calloc(slots, sizeof(*cs->all));
	cs->bufs = mmap(NULL, (size_t)slots * SP_CONN_BUF, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!cs->all || cs->bufs == MAP_FAILED || getrandom(cs->secret, sizeof(cs->secret), 0) != sizeof(cs->secret)) {
		sp_conns_free(cs);
		return -ENOMEM;
	}
	memset(cs->by_front, 0xff, sizeof(cs->by_front));
	memset(cs->by_back, 0xff, sizeof(cs->by_back));
	cs->live_head = NONE;
	cs->walk_next = NONE;
	cs->free_head = NONE;
	*ret_conns = cs;
	return 0;
}

void sp_conns_free(struct sp_conns *cs)
{
	if (!cs)
		return;
	if (cs->bufs && cs->bufs != MAP_FAILED)
		munmap(cs->bufs, (size_t)cs->slots * SP_CONN_BUF);
	free(cs->all);
	free(cs);
}
