// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keep.c - refreshes under way
 *
 * A refresh goes to all servers of a splice at once. It counts when as many as
 * a commit needs have said that they have it (again). A server that has
 * something else under the tuple may be the one that is wrong: only a majority
 * makes a splice outdated. Each command that was sent is answered once, be it by
 * the loss of its connection, so each entry of the table comes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/engine.h"

#define KEEPS_MAX	8192
#define SLOT_BITS	14
#define NO_SLOT		((1 << SLOT_BITS) - 1)
_Static_assert(KEEPS_MAX <= NO_SLOT, "a slot has its bits");

struct keep {
	struct keep	*next;		/* free ones */
	struct sp_tuple	front;
	__u32		client_isn;
	__u32		gen;
	__u8		is_used;
	__u8		pending, for_it, against_it;	/* answers */
};

struct sp_store_keeps {
	struct keep	at[KEEPS_MAX];
	struct keep	*free;
};

int sp_store_keeps_new(struct sp_store_keeps **ret_keeps)
{
	struct sp_store_keeps *keeps = calloc(1, sizeof(*keeps));

	if (!keeps)
		return -ENOMEM;
	for (int i = KEEPS_MAX - 1; i >= 0; i--) {
		keeps->at[i].next = keeps->free;
		keeps->free = &keeps->at[i];
	}
	*ret_keeps = keeps;
	return 0;
}

void sp_store_keeps_free(struct sp_store_keeps *keeps)
{
	free(keeps);
}

static __u64 ref_of(const struct sp_store_keeps *keeps, const struct keep *k)
{
	return ((__u64)k->gen << SLOT_BITS | (k - keeps->at)) << SP_REF_KIND_BITS | SP_REF_KEEP;
}

static struct keep *begin(struct sp_store_redis *l, const struct sp_splice *splice)
{
	struct keep *k = l->keeps->free;

	if (!k) {
		l->store.counters.table_full++;
		return NULL;
	}
	l->keeps->free = k->next;
	*k = (struct keep){ .front = splice->front, .client_isn = splice->client_isn, .gen = k->gen + 1, .is_used = 1 };
	return k;
}

static void end(struct sp_store_redis *l, struct keep *k)
{
	k->is_used = 0;
	k->next = l->keeps->free;
	l->keeps->free = k;
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

int sp_store_keeps_refresh(struct sp_store_redis *l, const struct sp_splice *splice)
{
	struct keep *k = servers_up(l, &splice->front) >= l->quorum ? begin(l, splice) : NULL;

	if (!k)
		return -EAGAIN;
	k->pending = sp_store_redis_send_all(l, splice, SP_SCRIPT_KEEP, "0", ref_of(l->keeps, k));
	if (k->pending)
		return 0;
	end(l, k);
	return -EAGAIN;
}

void sp_store_redis_keep_chosen(struct sp_store_redis *l, const struct sp_splice *splice)
{
	sp_store_redis_send_all(l, splice, SP_SCRIPT_KEEP, "1", NO_SLOT << SP_REF_KIND_BITS | SP_REF_KEEP);
}

static void count(struct sp_store_counters *c, const redisReply *reply)
{
	if (!reply || reply->type != REDIS_REPLY_INTEGER)
		return;
	switch (reply->integer) {
	case SP_KEPT_THERE: c->refreshed++; break;
	case SP_KEPT_PUT: c->put_back++; break;
	case SP_KEPT_CONFLICT: c->refresh_conflicts++; break;
	case SP_KEPT_NEWER: c->refresh_outdated++; break;
	}
}

static void answered(struct keep *k, const redisReply *reply)
{
	k->pending--;
	if (!reply || reply->type != REDIS_REPLY_INTEGER)
		return;
	k->for_it += reply->integer == SP_KEPT_THERE || reply->integer == SP_KEPT_PUT;
	k->against_it += reply->integer == SP_KEPT_CONFLICT || reply->integer == SP_KEPT_NEWER;
}

static void settle(struct sp_store_redis *l, struct keep *k)
{
	const struct sp_store_events *events = l->store.events;
	int is_kept = k->for_it >= l->quorum, is_outdated = k->against_it >= l->copies / 2 + 1;
	struct keep copy = *k;

	if (!is_kept && !is_outdated && k->pending)
		return;
	end(l, k);
	if (is_kept && events->kept)
		events->kept(l->store.ctx, &copy.front, copy.client_isn);
	else if (is_outdated && events->outdated)
		events->outdated(l->store.ctx, &copy.front, copy.client_isn);
}

int sp_store_keeps_reply(struct sp_store_redis *l, __u64 ref, const redisReply *reply)
{
	__u64 slot = ref >> SP_REF_KIND_BITS & NO_SLOT;
	__u64 gen = ref >> (SP_REF_KIND_BITS + SLOT_BITS);
	int err = reply && reply->type != REDIS_REPLY_INTEGER ? -EBADMSG : 0;
	struct keep *k;

	count(&l->store.counters, reply);
	if (!l->keeps || slot >= KEEPS_MAX)
		return err;
	k = &l->keeps->at[slot];
	if (!k->is_used || k->gen != gen)
		return err;
	answered(k, reply);
	settle(l, k);
	return err;
}
