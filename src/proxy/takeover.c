// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation
 *
 * No client retransmits an acknowledged head (stash.c). If the owner dies, the successor resumes
 * the head without waiting for a packet. The store knows the owner of each head. Heads of a dead
 * owner are queried until no head is left, then now and then, since the owner may only be
 * suspended. A former daemon of this machine is such an owner, too.
 *
 * For each head of the owner, and for each segment whose splice no proxy knows:
 *
 *	FETCHING	the splice is fetched; found, not found: READING; unknown: fetched again
 *	READING		the head is fetched; found: resumed here
 *
 * If there is a splice, the bytes are retransmitted to the backend, where they are duplicates at
 * worst. If not, the head begins again, and the claim decides which proxy makes the splice. The
 * head of an ended and forgotten splice must not run again. A head without a splice is never older
 * than limits allow, and a splice stays known for some time after its end: the shorter of both
 * times decides.
 */
#include "proxy/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/deliver.h"
#include "proxy/leg.h"
#include "proxy/stash.h"

#define OWNERS_MAX	16
#define NAME_MAX_BYTES	64
#define WANTS		1024
#define WANT_NS		3000000000ULL
#define AGAIN_NS	100000000ULL
#define SETTLED_NS	5000000000ULL	/* between two queries about an owner without heads */
#define FORGET_NS	960000000000ULL	/* an owner: no head lives longer */
#define SLACK_MS	2000		/* clocks */

enum want_state { FREE, FETCHING, READING };

/* @left_by: 1 + index of the owner; 0: a segment came */
struct want {
	struct sp_tuple	front;
	enum want_state	state;
	__u8		left_by;
	__u64		until_ns;
};

/* @name: "": no owner; the first slot is a former daemon of ours, without a name */
struct owner {
	char	name[NAME_MAX_BYTES];
	__u8	is_there;
	__u64	again_ns, until_ns;
};

struct sp_takeover {
	__u64		started_ns;
	unsigned int	heads;		/* of a daemon before us, so far */
	unsigned int	waiting;	/* undecided heads on this machine */
	struct owner	owners[OWNERS_MAX];
	struct want	wants[WANTS];
};

struct sp_takeover *sp_takeover_new(void)
{
	return calloc(1, sizeof(struct sp_takeover));
}

void sp_takeover_free(struct sp_takeover *takeover)
{
	free(takeover);
}

/* ---- wanted heads ---- */

static struct want *slot_of(struct sp_proxy *p, const struct sp_tuple *front)
{
	return &p->takeover->wants[sp_conns_hash(p->conns, front) % WANTS];
}

/* Return: NULL unless @front is wanted. */
static struct want *find_want(struct sp_proxy *p, const struct sp_tuple *front)
{
	struct want *w = slot_of(p, front);

	return w->state != FREE && !memcmp(&w->front, front, sizeof(*front)) ? w : NULL;
}

/* Return: NULL if the slot is taken, even by @front itself, whose head will be fetched again. */
static struct want *add_want(struct sp_proxy *p, const struct sp_tuple *front,
			     enum want_state state, __u8 left_by)
{
	struct want *w = slot_of(p, front);
	__u64 now_ns = sp_now_ns();

	if (w->state != FREE && now_ns < w->until_ns)
		return NULL;
	*w = (struct want){
		.front = *front, .state = state, .left_by = left_by, .until_ns = now_ns + WANT_NS,
	};
	return w;
}

static int has_splice(struct sp_proxy *p, const struct sp_tuple *front, struct sp_entry *ret_entry)
{
	return !sp_datapath_get(p->node.dp, front, ret_entry) &&
	       !(ret_entry->half.flags & SP_HALF_F_TO_DAEMON) &&
	       !(ret_entry->state.flags & SP_STATE_REUSED);
}

static void read_head(struct sp_proxy *p, struct want *w)
{
	w->state = READING;
	sp_store_read_head(p->node.store, &w->front);
}

static void take_orphan(struct sp_proxy *p, const struct sp_tuple *front, __u8 left_by)
{
	struct sp_conn *c = sp_conn_by_front(p->conns, front);
	struct sp_entry e;
	struct want *w;

	if (c && (c->acked || c->stash == SP_STASH_GIVING)) {
		c->left_by = left_by;
		sp_stash_again(c);
		return;
	}
	w = add_want(p, front, FETCHING, left_by);
	if (!w)
		return;
	if (has_splice(p, front, &e))
		read_head(p, w);
	else
		sp_store_fetch(p->node.store, front);
}

/* A client's segment, whose head is put together here. */
static int is_asked_for(struct sp_proxy *p, const struct sp_tuple *key)
{
	__u8 flags;

	return sp_config_service_at(p->node.config, key) && !sp_conn_by_front(p->conns, key) &&
	       !sp_stray_flags(p->node.strays, sp_conns_hash(p->conns, key), key, &flags) &&
	       flags & SP_STRAY_F_MINE && !(flags & SP_STRAY_F_BACK);
}

int sp_takeover_fetched(struct sp_proxy *p, const struct sp_tuple *key, int err)
{
	struct want *w = find_want(p, key);

	if (!sp_node_is_shared(&p->node))
		return 0;
	if (w && w->state == READING)
		return 1;
	if (w && err == -EAGAIN)
		w->state = FREE;
	if (err == -EAGAIN)
		return 0;
	if (!w && err == -ENOENT && is_asked_for(p, key))
		w = add_want(p, key, READING, 0);
	if (w)
		read_head(p, w);
	return !!w;
}

int sp_takeover_query(struct sp_proxy *p, const struct sp_segment *seg)
{
	struct want *w;

	if (!sp_node_is_shared(&p->node) || p->is_queried)
		return 0;
	sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, SP_STRAY_F_MINE,
		     sp_now_ns());
	w = add_want(p, &seg->tuple, READING, 0);
	if (w)
		read_head(p, w);
	return 1;
}

/* ---- a head was read ---- */

/* A head without a splice that might have run, see above. */
static int is_outdated(const struct sp_proxy *p, const struct sp_stash_offer *offer)
{
	const struct sp_limits_conf *l = &p->node.config->limits;
	__u64 now_ms = sp_real_ms(),
		max_ms = (l->head_ns + l->tries * l->connect_ns) / 1000000 + SLACK_MS;

	if (max_ms > l->closed_ns / 1000000)
		max_ms = l->closed_ns / 1000000;
	return now_ms > offer->begun_ms && now_ms - offer->begun_ms > max_ms;
}

void sp_takeover_taken(struct sp_proxy *p, const struct sp_tuple *front, __u8 left_by)
{
	if (left_by > 1 && p->takeover->owners[left_by - 1].is_there)
		sp_store_disown_head(p->node.store, p->takeover->owners[left_by - 1].name, front);
}

/* Return: whether the head is of no more use to any proxy. */
static int is_over(struct sp_proxy *p, const struct sp_tuple *front,
		   const struct sp_stash_offer *offer)
{
	struct sp_entry e;

	if (!sp_config_service_at(p->node.config, front))
		return 1;
	if (offer->is_next)
		return !has_splice(p, front, &e) || !(e.half.flags & SP_HALF_F_REQUESTS);
	if (has_splice(p, front, &e))
		return e.meta.client_isn != offer->client.isn_theirs;
	return is_outdated(p, offer);
}

/* Resume through a splice that is here already, or begin the head again. */
static struct sp_conn *resume_head(struct sp_proxy *p, const struct sp_tuple *front,
				   const struct sp_stash_offer *offer,
				   const char *bytes, __u32 len)
{
	struct sp_conn *c = sp_stash_resume(p, front, offer, bytes, len);

	if (c && c->is_next && sp_leg_resume(p, c)) {
		sp_conn_end(p, c, "its splice is gone");
		return NULL;
	}
	if (c && sp_deliver_through_known(p, c))
		sp_conn_trap(p, c);
	return c;
}

static void take_head(struct sp_proxy *p, const struct sp_tuple *front, __u8 left_by,
		      const struct sp_stash_offer *offer,
		      const char *bytes, __u32 len)
{
	struct sp_conn *c;

	if (is_over(p, front, offer)) {
		p->node.counters.heads_outdated++;
		sp_store_unstash(p->node.store, front, offer, len);
		sp_takeover_taken(p, front, left_by);
		return;
	}
	c = resume_head(p, front, offer, bytes, len);
	if (!c)
		return;
	c->left_by = left_by;
	p->takeover->heads += left_by == 1;
}

int sp_takeover_head(struct sp_proxy *p, const struct sp_tuple *front, int err,
		     const struct sp_stash_offer *offer,
		     const char *bytes, __u32 len)
{
	struct want *w = find_want(p, front);

	if (!w)
		return 0;
	w->state = FREE;
	if (sp_conn_by_front(p->conns, front))
		return 1;
	if (!err)
		take_head(p, front, w->left_by, offer, bytes, len);
	else if (err == -ENOENT && w->left_by == 1)
		sp_store_disown_head(p->node.store, NULL, front);
	else if (err == -ENOENT)
		sp_takeover_taken(p, front, w->left_by);
	return 1;
}

/* ---- owners ---- */

void sp_takeover_heads(void *ctx, const char *owner, int err, const struct sp_tuple *fronts,
		       unsigned int count)
{
	struct sp_proxy *p = ctx;
	struct owner *o = p->takeover->owners;
	int i = 0;

	if (owner)
		for (i = 1; i < OWNERS_MAX && (!o[i].is_there || strcmp(o[i].name, owner)); i++)
			;
	if (i == OWNERS_MAX)
		return;
	for (unsigned int j = 0; j < count; j++)
		take_orphan(p, &fronts[j], i + 1);
	if (err || count || (!i && p->takeover->waiting))
		return;
	o[i].again_ns = sp_now_ns() + SETTLED_NS;
	if (i)
		return;
	o[i].is_there = 0;
	if (p->takeover->heads)
		log_info("%u heads that an earlier daemon had acknowledged went on",
			 p->takeover->heads);
}

static void take_orphan_here(void *ctx, const struct sp_tuple *front,
			     const struct sp_stash_offer *offer, const char *bytes,
		      __u32 len)
{
	struct sp_proxy *p = ctx;

	if (!sp_node_is_shared(&p->node)) {
		if (!resume_head(p, front, offer, bytes, len))
			sp_store_unstash(p->node.store, front, offer, len);
	} else if (!sp_conn_by_front(p->conns, front)) {
		p->takeover->waiting++;
		take_orphan(p, front, 1);
	}
}

void sp_takeover_start(struct sp_proxy *p)
{
	p->takeover->started_ns = sp_now_ns();
	memset(p->takeover->wants, 0, sizeof(p->takeover->wants));
	if (sp_node_is_shared(&p->node)) {
		p->takeover->owners[0] = (struct owner){ .is_there = 1,
							 .until_ns = sp_now_ns() + FORGET_NS };
		return;
	}
	sp_store_each_local_head(p->node.store, take_orphan_here, p);
	if (sp_conns_count(p->conns))
		log_info("%u heads that an earlier daemon had acknowledged go on",
			 sp_conns_count(p->conns));
}

void sp_takeover_died(struct sp_proxy *p, const char *name)
{
	struct owner *o = p->takeover->owners, *free = NULL;

	if (!sp_node_is_shared(&p->node) || strlen(name) >= NAME_MAX_BYTES)
		return;
	for (int i = OWNERS_MAX - 1; i > 0; i--) {
		if (o[i].is_there && !strcmp(o[i].name, name)) {
			o[i].again_ns = 0;
			o[i].until_ns = sp_now_ns() + FORGET_NS;
			return;
		}
		if (!o[i].is_there)
			free = &o[i];
	}
	if (!free) {
		log_warn_limited("%s is dead, as are %d others: heads that it acknowledged wait for its return",
				 name, OWNERS_MAX - 1);
		return;
	}
	*free = (struct owner){ .is_there = 1, .until_ns = sp_now_ns() + FORGET_NS };
	strcpy(free->name, name);
}

/* A living owner keeps its heads, and another successor may be responsible for a dead one's. */
static int is_ours(const struct sp_proxy *p, const struct owner *o)
{
	struct sp_member m;

	if (!o->name[0])
		return 1;
	for (unsigned int i = 0; !sp_cluster_member(p->node.cluster, i, &m); i++)
		if (!strcmp(m.name, o->name) && m.is_alive)
			return 0;
	return sp_cluster_is_successor(p->node.cluster, o->name);
}

void sp_takeover_tick(struct sp_proxy *p, __u64 now_ns)
{
	for (int i = 0; i < OWNERS_MAX; i++) {
		struct owner *o = &p->takeover->owners[i];

		if (!o->is_there || now_ns < o->again_ns)
			continue;
		o->again_ns = now_ns + AGAIN_NS;
		o->is_there = now_ns < o->until_ns;
		if (!is_ours(p, o))
			continue;
		p->takeover->waiting = i ? p->takeover->waiting : 0;
		if (!i)
			sp_store_each_local_head(p->node.store, take_orphan_here, p);
		sp_store_list_heads(p->node.store, i ? o->name : NULL, i ? 0 :
				    (now_ns - p->takeover->started_ns) / 1000000);
	}
}
