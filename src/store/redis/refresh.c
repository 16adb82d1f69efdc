// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * refresh.c - refreshes under way
 *
 * A refresh goes to all servers of a splice at once. It has succeeded when a quorum has confirmed
 * the splice. A single server with another splice under the tuple may be out of date: only a
 * majority makes a splice outdated. Each command is answered once, if only by the loss of the
 * server's connection, so each entry of the table returns to the free list.
 */
#include "store/redis/refresh.h"

#include <errno.h>
#include <stdlib.h>

#define REFRESHES_MAX	8192
#define SLOT_BITS	14
#define NO_SLOT		((1 << SLOT_BITS) - 1)
_Static_assert(REFRESHES_MAX <= NO_SLOT, "a slot has its bits");

/* @next: in the free list. @pending, @confirmed, @denied: answers */
struct refresh {
	struct refresh	*next;
	struct sp_tuple	front;
	__u32		client_isn;
	__u32		version;
	__u32		gen;
	__u8		is_used;
	__u8		pending, confirmed, denied;
};

struct sp_refreshes {
	struct refresh	at[REFRESHES_MAX];
	struct refresh	*free;
};

int sp_refreshes_new(struct sp_refreshes **ret_refreshes)
{
	struct sp_refreshes *refreshes = calloc(1, sizeof(*refreshes));

	if (!refreshes)
		return -ENOMEM;
	for (int i = REFRESHES_MAX - 1; i >= 0; i--) {
		refreshes->at[i].next = refreshes->free;
		refreshes->free = &refreshes->at[i];
	}
	*ret_refreshes = refreshes;
	return 0;
}

void sp_refreshes_free(struct sp_refreshes *refreshes)
{
	free(refreshes);
}

static __u64 ref_of(const struct sp_refreshes *refreshes, const struct refresh *r)
{
	__u64 ref = (__u64)r->gen << SLOT_BITS | (r - refreshes->at);

	return ref << SP_REF_KIND_BITS | SP_REF_REFRESH;
}

static struct refresh *take_slot(struct sp_store_redis *l, const struct sp_splice *splice)
{
	struct refresh *r = l->refreshes->free;

	if (!r) {
		l->store.counters.table_full++;
		return NULL;
	}
	l->refreshes->free = r->next;
	*r = (struct refresh){
		.front = splice->front, .client_isn = splice->client_isn,
		.version = splice->version,
		.gen = r->gen + 1, .is_used = 1,
	};
	return r;
}

static void free_slot(struct sp_store_redis *l, struct refresh *r)
{
	r->is_used = 0;
	r->next = l->refreshes->free;
	l->refreshes->free = r;
}

static unsigned int servers_up(const struct sp_store_redis *l, const struct sp_tuple *front)
{
	__u8 servers[SP_COPIES_MAX];
	unsigned int up = 0;

	sp_store_redis_servers(l, front, servers);
	for (unsigned int i = 0; i < l->copies; i++)
		up += sp_redis_is_up(l->servers[servers[i]]);
	return up;
}

int sp_refreshes_begin(struct sp_store_redis *l, const struct sp_splice *splice)
{
	struct refresh *r = NULL;

	if (servers_up(l, &splice->front) >= l->quorum)
		r = take_slot(l, splice);
	if (!r)
		return -EAGAIN;
	r->pending = sp_store_redis_send_all(l, splice, SP_SCRIPT_REFRESH, "0", 0,
					     ref_of(l->refreshes, r));
	if (r->pending)
		return 0;
	free_slot(l, r);
	return -EAGAIN;
}

void sp_refreshes_chosen(struct sp_store_redis *l, const struct sp_splice *splice)
{
	sp_store_redis_send_all(l, splice, SP_SCRIPT_REFRESH, "1", 0,
				NO_SLOT << SP_REF_KIND_BITS | SP_REF_REFRESH);
}

static void count_reply(struct sp_store_counters *c, const redisReply *reply)
{
	if (!reply || reply->type != REDIS_REPLY_INTEGER)
		return;
	switch (reply->integer) {
	case SP_REFRESH_THERE: c->refreshed++; break;
	case SP_REFRESH_PUT: c->put_back++; break;
	case SP_REFRESH_CONFLICT: c->refresh_conflicts++; break;
	case SP_REFRESH_NEWER: c->refresh_outdated++; break;
	}
}

static void take_vote(struct refresh *r, const redisReply *reply)
{
	r->pending--;
	if (!reply || reply->type != REDIS_REPLY_INTEGER)
		return;
	r->confirmed += reply->integer == SP_REFRESH_THERE || reply->integer == SP_REFRESH_PUT;
	r->denied += reply->integer == SP_REFRESH_CONFLICT || reply->integer == SP_REFRESH_NEWER;
}

static void end_if_settled(struct sp_store_redis *l, struct refresh *r)
{
	const struct sp_store_events *events = l->store.events;
	int is_kept = r->confirmed >= l->quorum, is_outdated = r->denied >= l->copies / 2 + 1;
	struct refresh copy = *r;

	if (!is_kept && !is_outdated && r->pending)
		return;
	free_slot(l, r);
	if (is_kept && events->kept)
		events->kept(l->store.ctx, &copy.front, copy.client_isn, copy.version);
	else if (is_outdated && events->outdated)
		events->outdated(l->store.ctx, &copy.front, copy.client_isn, copy.version);
}

int sp_refreshes_reply(struct sp_store_redis *l, __u64 ref, const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & NO_SLOT;
	__u64 gen = ref >> (SP_REF_KIND_BITS + SLOT_BITS);
	int err = reply && reply->type != REDIS_REPLY_INTEGER ? -EBADMSG : 0;
	struct refresh *r;

	count_reply(&l->store.counters, reply);
	if (!l->refreshes || slot >= REFRESHES_MAX)
		return err;
	r = &l->refreshes->at[slot];
	if (!r->is_used || r->gen != gen)
		return err;
	take_vote(r, reply);
	end_if_settled(l, r);
	return err;
}
