// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "abi/siphash.h"

#define BUCKETS_MAX	32768
#define NONE		0xffffffffu
#define KEEP_BYTES	4096	/* of a buffer, for its next user */

struct sp_conns {
	__u64		secret[2];
	__u32		*by_front, *by_back, buckets;
	__u32		free_head, live_head, walk_next, count, slots;
	__u32		look_next;
	__u32		begun;	/* slots from here on, and their memory, were never used */
	char		*bufs;
	struct sp_conn	*all;
};

__u64 sp_conns_hash(const struct sp_conns *conns, const struct sp_tuple *t)
{
	__u64 w[5];

	w[4] = 0;
	memcpy(w, t, sizeof(*t));
	return sp_siphash_words(conns->secret, w, 5);
}

static __u32 *find_bucket(struct sp_conns *conns, __u32 *table, const struct sp_tuple *t)
{
	return &table[sp_conns_hash(conns, t) % conns->buckets];
}

char *sp_conn_buf(struct sp_conns *conns, const struct sp_conn *c)
{
	return conns->bufs + (size_t)(c - conns->all) * SP_CONN_BUF;
}

struct sp_conn *sp_conn_by_front(struct sp_conns *conns, const struct sp_tuple *front)
{
	for (__u32 i = *find_bucket(conns, conns->by_front, front); i != NONE;
	     i = conns->all[i].next_front)
		if (!memcmp(&conns->all[i].front, front, sizeof(*front)))
			return &conns->all[i];
	return NULL;
}

struct sp_conn *sp_conn_by_back(struct sp_conns *conns, const struct sp_tuple *back)
{
	for (__u32 i = *find_bucket(conns, conns->by_back, back); i != NONE;
	     i = conns->all[i].next_back)
		if (!memcmp(&conns->all[i].back, back, sizeof(*back)))
			return &conns->all[i];
	return NULL;
}

__u64 sp_conn_ref(const struct sp_conns *conns, const struct sp_conn *c)
{
	return (__u64)c->generation << 32 | (__u32)(c - conns->all);
}

struct sp_conn *sp_conn_by_ref(struct sp_conns *conns, __u64 ref)
{
	struct sp_conn *c = (__u32)ref < conns->slots ? &conns->all[(__u32)ref] : NULL;

	return c && c->state != SP_CONN_FREE && c->generation == ref >> 32 ? c : NULL;
}

void sp_conn_link_back(struct sp_conns *conns, struct sp_conn *c)
{
	__u32 *at = find_bucket(conns, conns->by_back, &c->back);

	c->next_back = *at;
	*at = c - conns->all;
}

void sp_conn_unlink_back(struct sp_conns *conns, struct sp_conn *c)
{
	__u32 me = c - conns->all, *at = find_bucket(conns, conns->by_back, &c->back);

	while (*at != NONE && *at != me)
		at = &conns->all[*at].next_back;
	if (*at == me)
		*at = c->next_back;
}

static void link_front(struct sp_conns *conns, struct sp_conn *c)
{
	__u32 *at = find_bucket(conns, conns->by_front, &c->front), me = c - conns->all;

	c->next_front = *at;
	*at = me;
	c->prev_live = NONE;
	c->next_live = conns->live_head;
	if (conns->live_head != NONE)
		conns->all[conns->live_head].prev_live = me;
	conns->live_head = me;
	conns->count++;
}

static void unlink_front(struct sp_conns *conns, struct sp_conn *c)
{
	__u32 me = c - conns->all, *at = find_bucket(conns, conns->by_front, &c->front);

	while (*at != NONE && *at != me)
		at = &conns->all[*at].next_front;
	if (*at == me)
		*at = c->next_front;
	if (c->prev_live != NONE)
		conns->all[c->prev_live].next_live = c->next_live;
	else
		conns->live_head = c->next_live;
	if (c->next_live != NONE)
		conns->all[c->next_live].prev_live = c->prev_live;
	if (conns->walk_next == me)
		conns->walk_next = c->next_live;
	conns->count--;
}

static __u32 take_slot(struct sp_conns *conns)
{
	__u32 i = conns->free_head;

	if (i != NONE)
		conns->free_head = conns->all[i].next_live;
	else if (conns->begun < conns->slots)
		i = conns->begun++;
	return i;
}

struct sp_conn *sp_conn_add(struct sp_conns *conns, const struct sp_tuple *front)
{
	__u32 i = take_slot(conns);
	struct sp_conn *c;

	if (i == NONE)
		return NULL;
	c = &conns->all[i];
	*c = (struct sp_conn){
		.front = *front, .fin_at = SP_CONN_NO_FIN, .generation = c->generation + 1,
	};
	link_front(conns, c);
	return c;
}

void sp_conn_del(struct sp_conns *conns, struct sp_conn *c)
{
	unlink_front(conns, c);
	sp_conn_unlink_back(conns, c);
	if (c->reasm.top > KEEP_BYTES)
		madvise(sp_conn_buf(conns, c), SP_CONN_BUF, MADV_DONTNEED);
	c->state = SP_CONN_FREE;
	c->next_live = conns->free_head;
	conns->free_head = c - conns->all;
}

void sp_conns_each(struct sp_conns *conns, sp_conn_fn fn, void *ctx)
{
	for (__u32 i = conns->live_head; i != NONE; i = conns->walk_next) {
		conns->walk_next = conns->all[i].next_live;
		fn(ctx, &conns->all[i]);
	}
}

struct sp_conn *sp_conns_most(struct sp_conns *conns, sp_conn_weigh_fn weigh, __u64 now_ns)
{
	struct sp_conn *most = NULL;
	__u32 weight, most_weight = 0;

	for (__u32 i = 0; i < SP_CONNS_LOOK && i < conns->begun; i++) {
		struct sp_conn *c = &conns->all[conns->look_next];

		conns->look_next = conns->look_next + 1 < conns->begun ? conns->look_next + 1 : 0;
		weight = c->state == SP_CONN_FREE ? 0 : weigh(c, now_ns);
		if (weight > most_weight) {
			most = c;
			most_weight = weight;
		}
	}
	return most;
}

unsigned int sp_conns_count(const struct sp_conns *conns)
{
	return conns->count;
}

/* A bucket for each slot. */
static int new_buckets(struct sp_conns *conns)
{
	conns->buckets = conns->slots < BUCKETS_MAX ? conns->slots : BUCKETS_MAX;
	conns->by_front = malloc(2 * conns->buckets * sizeof(*conns->by_front));
	if (!conns->by_front)
		return -ENOMEM;
	memset(conns->by_front, 0xff, 2 * conns->buckets * sizeof(*conns->by_front));
	conns->by_back = conns->by_front + conns->buckets;
	return 0;
}

int sp_conns_new(unsigned int slots, struct sp_conns **ret_conns)
{
	struct sp_conns *conns = calloc(1, sizeof(*conns));

	if (!conns)
		return -ENOMEM;
	conns->slots = slots;
	conns->all = calloc(slots, sizeof(*conns->all));
	conns->bufs = mmap(NULL, (size_t)slots * SP_CONN_BUF, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!conns->all || new_buckets(conns) || conns->bufs == MAP_FAILED ||
	    getrandom(conns->secret, sizeof(conns->secret), 0) != sizeof(conns->secret)) {
		sp_conns_free(conns);
		return -ENOMEM;
	}
	conns->live_head = NONE;
	conns->walk_next = NONE;
	conns->free_head = NONE;
	*ret_conns = conns;
	return 0;
}

void sp_conns_free(struct sp_conns *conns)
{
	if (!conns)
		return;
	if (conns->bufs && conns->bufs != MAP_FAILED)
		munmap(conns->bufs, (size_t)conns->slots * SP_CONN_BUF);
	free(conns->all);
	free(conns->by_front);
	free(conns);
}
