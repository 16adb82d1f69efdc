// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "machine.h"
#include "world.h"

#define SPLICES_MAX	64
#define HEADS_MAX	32
#define NAME_BYTES	64
#define RECORD_BYTES	2048
#define LEAST_NS	(50 * 1000ULL)

struct sim_store sim_store;

struct kept_splice {
	int			is_used;
	struct sp_splice	splice;
	__u64			until_ns;
};

struct kept_head {
	int			is_used, is_owned;
	struct sp_tuple		front;
	struct sp_stash_offer	offer;
	char			owner[NAME_BYTES];
	__u64			given_ns;
	__u32			len;
	char			bytes[SP_STASH_HEAD_MAX];
};

struct kept_member {
	char	name[NAME_BYTES];
	__u64	until_ns;
	size_t	len;
	__u8	record[RECORD_BYTES];
};

static struct kept_splice splices[SPLICES_MAX];
static struct kept_head *heads[HEADS_MAX];
static struct kept_member members[SIM_MACHINES_MAX];

/* The engine of a daemon. */
struct port {
	struct sp_store		store;
	struct sim_machine	*machine;
	unsigned int		life;
	char			owner[NAME_BYTES];
	__u64			timeout_ns;
	const struct sp_config	*config;
	struct sp_store		*local;
};

enum kind { COMMIT, FETCH, REFRESH, FORGET, STASH, UNSTASH, SCAN, ANNOUNCE, HEAD, HEADS, DISOWN };

/* A request in flight, and later the answer in flight. */
struct request {
	enum kind		kind;
	struct port		*port;
	struct sim_machine	*machine;
	unsigned int		life;
	int			err;
	__u64			ref, age_ns;
	struct sp_splice	splice;
	struct sp_tuple		key;
	struct sp_stash_offer	offer;
	int			has_owner;
	char			owner[NAME_BYTES];
	__u32			from, len;
	char			*bytes;
};

void sim_store_begin(void)
{
	sim_store_end();
	memset(splices, 0, sizeof(splices));
	memset(members, 0, sizeof(members));
}

void sim_store_end(void)
{
	for (unsigned int i = 0; i < HEADS_MAX; i++) {
		free(heads[i]);
		heads[i] = NULL;
	}
}

/* ---- contents ---- */

static int same(const struct sp_tuple *a, const struct sp_tuple *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static struct kept_splice *find(const struct sp_tuple *key, int by_back)
{
	for (unsigned int i = 0; i < SPLICES_MAX; i++) {
		struct kept_splice *k = &splices[i];

		if (k->is_used && k->until_ns > sim_now_ns &&
		    same(by_back ? &k->splice.up.out : &k->splice.front, key))
			return k;
	}
	return NULL;
}

static void keep(const struct sp_splice *splice, __u64 ttl_ns)
{
	struct kept_splice *k = find(&splice->front, 0);

	for (unsigned int i = 0; !k && i < SPLICES_MAX; i++)
		if (!splices[i].is_used || splices[i].until_ns <= sim_now_ns)
			k = &splices[i];
	if (!k) {
		sim_fail("sim: the store has no room");
		return;
	}
	*k = (struct kept_splice){ .is_used = 1, .splice = *splice, .until_ns = sim_now_ns + ttl_ns };
}

const struct sp_splice *sim_store_by_front(const struct sp_tuple *front)
{
	const struct kept_splice *k = find(front, 0);

	return k ? &k->splice : NULL;
}

const struct sp_splice *sim_store_by_back(const struct sp_tuple *back)
{
	const struct kept_splice *k = find(back, 1);

	return k ? &k->splice : NULL;
}

static struct kept_head *find_head(const struct sp_tuple *front)
{
	for (unsigned int i = 0; i < HEADS_MAX; i++)
		if (heads[i] && heads[i]->is_used && same(&heads[i]->front, front))
			return heads[i];
	return NULL;
}

__u32 sim_store_head_bytes(const struct sp_tuple *front, __u32 client_isn)
{
	const struct kept_head *h = find_head(front);

	__u32 before = h ? h->offer.client.isn_theirs - client_isn : 0;

	return h && (h->offer.is_next ? before < 1 << 20 : !before) ? before + h->len : 0;
}

static struct kept_head *new_head(const struct sp_tuple *front)
{
	for (unsigned int i = 0; i < HEADS_MAX; i++) {
		if (!heads[i])
			heads[i] = calloc(1, sizeof(*heads[i]));
		if (heads[i]->is_used)
			continue;
		heads[i]->is_used = 1;
		heads[i]->front = *front;
		heads[i]->len = 0;
		heads[i]->offer = (struct sp_stash_offer){ 0 };
		return heads[i];
	}
	return NULL;
}

/* ---- requests arrive ---- */

static int is_same(const struct sp_splice *a, const struct sp_splice *b)
{
	return a->version == b->version && same(&a->up.out, &b->up.out) &&
	       !memcmp(&a->boundary, &b->boundary, sizeof(a->boundary));
}

static void commit(struct request *r)
{
	struct kept_splice *k = find(&r->splice.front, 0);

	if (k && k->splice.client_isn == r->splice.client_isn &&
	    k->splice.version >= r->splice.version) {
		r->err = is_same(&k->splice, &r->splice) ? 0 : -EEXIST;
		r->splice = k->splice;
		return;
	}
	if (r->splice.follows && (!k || k->splice.client_isn != r->splice.client_isn)) {
		r->err = -ESTALE;
		return;
	}
	keep(&r->splice, r->port->store.ttl_ns);
}

static void fetch(struct request *r)
{
	struct kept_splice *k = find(&r->key, 0) ?: find(&r->key, 1);
	struct sp_tuple back = sp_tuple_reverse(&r->key);

	k = k ?: find(&back, 1);
	r->err = k ? 0 : -ENOENT;
	if (k)
		r->splice = k->splice;
}

static void refresh(struct request *r)
{
	struct kept_splice *k = find(&r->splice.front, 0);

	int is_tunnel = k && k->splice.up.flags & SP_HALF_F_REQUESTS && !k->splice.boundary.bound;

	r->err = k && (k->splice.client_isn != r->splice.client_isn ||
		       k->splice.version > r->splice.version) ? -ESTALE : 0;
	if (!r->err)
		keep(is_tunnel && k->splice.version == r->splice.version ? &k->splice :
		     &r->splice, r->port->store.ttl_ns);
}

static void forget(struct request *r)
{
	struct kept_splice *k = find(&r->splice.front, 0);

	if (k && k->splice.client_isn == r->splice.client_isn &&
	    k->splice.version <= r->splice.version)
		k->until_ns = sim_now_ns + r->age_ns;
}

static int is_newer(const struct kept_head *h, const struct sp_stash_offer *offer)
{
	return h->offer.client.isn_theirs != offer->client.isn_theirs &&
	       h->offer.begun_ms > offer->begun_ms;
}

static void stash(struct request *r)
{
	struct kept_head *h = find_head(&r->key) ?: new_head(&r->key);

	int is_same = h && h->offer.client.isn_theirs == r->offer.client.isn_theirs;

	if (!h || is_newer(h, &r->offer) || (is_same && r->from > h->len)) {
		r->err = -ESTALE;
		return;
	}
	if (!is_same || r->len > h->len) {
		h->offer = r->offer;
		h->len = r->len;
		memcpy(h->bytes, r->bytes, r->len);
	}
	memcpy(h->owner, r->port->owner, sizeof(h->owner));
	h->is_owned = 1;
	h->given_ns = sim_now_ns;
}

static void unstash(struct request *r)
{
	struct kept_head *h = find_head(&r->key);

	if (h && h->offer.client.isn_theirs == r->offer.client.isn_theirs && h->len <= r->len)
		h->is_used = 0;
}

static void read_head(struct request *r)
{
	struct kept_head *h = find_head(&r->key);

	r->err = h ? 0 : -ENOENT;
	if (!h)
		return;
	r->offer = h->offer;
	r->len = h->len;
	r->bytes = sim_alloc(h->len);
	memcpy(r->bytes, h->bytes, h->len);
}

static void disown(struct request *r)
{
	struct kept_head *h = find_head(&r->key);

	if (h && !strcmp(h->owner, r->has_owner ? r->owner : r->port->owner))
		h->is_owned = 0;
}

static void announce(struct request *r)
{
	struct kept_member *m = &members[r->machine->idx];

	memcpy(m->name, r->owner, sizeof(m->name));
	m->until_ns = sim_now_ns + SP_ANNOUNCED_MS * SIM_MS;
	m->len = r->len;
	memcpy(m->record, r->bytes, r->len);
}

/* ---- answers arrive ---- */

static void tell_members(struct sp_store *s)
{
	for (unsigned int i = 0; i < SIM_MACHINES_MAX; i++)
		if (members[i].until_ns > sim_now_ns)
			s->events->member(s->ctx, members[i].record, members[i].len);
}

static void tell_found(struct port *p)
{
	for (unsigned int i = 0; i < SPLICES_MAX; i++)
		if (splices[i].is_used && splices[i].until_ns > sim_now_ns &&
		    sp_addr_equal(&splices[i].splice.up.out.saddr, &p->config->snat_addrs[0]))
			p->store.events->found(p->store.ctx, &splices[i].splice);
	p->store.events->scanned(p->store.ctx, 0);
}

static void tell_heads(struct sp_store *s, const struct request *r)
{
	const char *owner = r->has_owner ? r->owner : r->port->owner;
	struct sp_tuple fronts[HEADS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < HEADS_MAX; i++)
		if (heads[i] && heads[i]->is_used && heads[i]->is_owned &&
		    !strcmp(heads[i]->owner, owner) &&
		    sim_now_ns - heads[i]->given_ns >= r->age_ns)
			fronts[n++] = heads[i]->front;
	s->events->heads(s->ctx, r->has_owner ? r->owner : NULL, r->err, fronts, n);
}

static void tell(void *arg)
{
	struct request *r = arg;
	struct sp_store *s = &r->port->store;

	switch (r->kind) {
	case COMMIT:
		s->events->committed(s->ctx, r->ref, r->err, r->err == -EEXIST ? &r->splice : NULL);
		break;
	case FETCH:
		s->events->fetched(s->ctx, &r->key, r->err, r->err ? NULL : &r->splice);
		break;
	case REFRESH:
		if (!r->err)
			s->events->kept(s->ctx, &r->splice.front, r->splice.client_isn,
					r->splice.version);
		else if (r->err == -ESTALE)
			s->events->outdated(s->ctx, &r->splice.front, r->splice.client_isn,
					    r->splice.version);
		break;
	case STASH:
		s->events->stashed(s->ctx, r->ref, r->err);
		break;
	case SCAN:
		if (r->err)
			s->events->scanned(s->ctx, r->err);
		else
			tell_found(r->port);
		break;
	case ANNOUNCE:
		if (!r->err)
			tell_members(s);
		break;
	case HEAD:
		s->events->head(s->ctx, &r->key, r->err, &r->offer, r->bytes, r->err ? 0 : r->len);
		break;
	case HEADS:
		tell_heads(s, r);
		break;
	case FORGET: case UNSTASH: case DISOWN:
		break;
	}
	sim_free(r->bytes);
	sim_free(r);
}

static void answer(void *request, __u64 unused)
{
	struct request *r = request;

	sim_machine_call(r->machine, r->life, tell, r);
}

static __u64 way_ns(void)
{
	return LEAST_NS + sim_below(sim_store.slow_ns);
}

/* The answer is lost: after the time-out the machine knows no outcome. */
static void unanswered(struct request *r)
{
	r->err = -EAGAIN;
	sim_in(r->port->timeout_ns, answer, r, 0);
}

static void trace(const struct request *r)
{
	static const char *const names[] = { "commit", "fetch", "refresh", "forget", "stash",
					     "unstash", "scan", "announce", "head",
					     "heads", "disown" };
	char at[SP_ENDPOINT_STRLEN];
	int has_splice = r->kind == COMMIT || r->kind == REFRESH || r->kind == FORGET;
	const struct sp_tuple *t = has_splice ? &r->splice.front : &r->key;

	if (sim_is_verbose && r->kind != ANNOUNCE && r->kind != SCAN)
		sim_trace("store   %s: %s %s%s: %d, %u bytes", r->machine->name, names[r->kind],
			  sp_endpoint_format(&t->saddr, t->sport, at), r->owner, r->err, r->len);
}

static void carry_out(struct request *r)
{
	switch (r->kind) {
	case COMMIT: commit(r); break;
	case FETCH: fetch(r); break;
	case REFRESH: refresh(r); break;
	case FORGET: forget(r); break;
	case STASH: stash(r); break;
	case UNSTASH: unstash(r); break;
	case ANNOUNCE: announce(r); break;
	case HEAD: read_head(r); break;
	case DISOWN: disown(r); break;
	case SCAN: case HEADS: break;
	}
}

/* Commits of a daemon that has died since still arrive. The rest of its requests is dropped. */
static void arrive(void *request, __u64 unused)
{
	struct request *r = request;

	if (r->life != r->machine->life && r->kind != COMMIT) {
		return;
	} else if (r->machine->is_cut) {
		unanswered(r);
		return;
	}
	carry_out(r);
	trace(r);
	if (sim_chance(sim_store.lost))
		unanswered(r);
	else
		sim_in(way_ns(), answer, r, 0);
}

static struct request *request(struct sp_store *store, enum kind kind)
{
	struct port *p = (struct port *)store;
	struct request *r = sim_alloc(sizeof(*r));

	r->kind = kind;
	r->port = p;
	r->machine = p->machine;
	r->life = p->life;
	return r;
}

static void go(struct request *r)
{
	sim_in(way_ns(), arrive, r, 0);
}

/* ---- the engine ---- */

static int port_commit(struct sp_store *s, const struct sp_splice *splice, __u64 ref)
{
	struct request *r = request(s, COMMIT);

	r->splice = *splice;
	r->ref = ref;
	go(r);
	return -EINPROGRESS;
}

static int port_fetch(struct sp_store *s, const struct sp_tuple *key)
{
	struct request *r = request(s, FETCH);

	r->key = *key;
	go(r);
	return -EINPROGRESS;
}

static int port_refresh(struct sp_store *s, const struct sp_splice *splice)
{
	struct request *r = request(s, REFRESH);

	r->splice = *splice;
	go(r);
	return 0;
}

static void port_forget(struct sp_store *s, const struct sp_splice *splice, __u64 after_ns)
{
	struct request *r = request(s, FORGET);

	r->age_ns = after_ns;

	r->splice = *splice;
	go(r);
}

static int port_stash(struct sp_store *s, const struct sp_tuple *front,
		      const struct sp_stash_offer *offer,
		       const char *bytes, __u32 from, __u32 to, __u64 ref)
{
	struct request *r = request(s, STASH);
	struct sp_store *local = ((struct port *)s)->local;

	local->engine->stash(local, front, offer, bytes, from, to, ref);

	r->key = *front;
	r->offer = *offer;
	r->from = from;
	r->len = to;
	r->ref = ref;
	r->bytes = sim_alloc(to);
	memcpy(r->bytes, bytes, to);
	go(r);
	return -EINPROGRESS;
}

static void port_unstash(struct sp_store *s, const struct sp_tuple *front,
			 const struct sp_stash_offer *offer,
			 __u32 len)
{
	struct request *r = request(s, UNSTASH);
	struct sp_store *local = ((struct port *)s)->local;

	sp_store_unstash(local, front, offer, len);

	r->key = *front;
	r->offer = *offer;
	r->len = len;
	go(r);
}

static void port_each_local_head(struct sp_store *s, sp_stash_fn fn, void *ctx)
{
	struct port *p = (struct port *)s;

	sp_store_each_local_head(p->local, fn, ctx);
}

static int port_scan(struct sp_store *s, int is_paced)
{
	go(request(s, SCAN));
	return -EINPROGRESS;
}

static void port_announce(struct sp_store *s, const char *name, const void *record, size_t len)
{
	struct request *r = request(s, ANNOUNCE);

	strncpy(r->owner, name, sizeof(r->owner) - 1);
	r->len = len;
	r->bytes = sim_alloc(len);
	memcpy(r->bytes, record, len);
	go(r);
}

static int port_read_head(struct sp_store *s, const struct sp_tuple *front,
			  struct sp_store_head *ret_head)
{
	struct request *r = request(s, HEAD);

	r->key = *front;
	go(r);
	return -EINPROGRESS;
}

static void name_owner(struct request *r, const char *owner)
{
	r->has_owner = !!owner;
	if (owner)
		strncpy(r->owner, owner, sizeof(r->owner) - 1);
}

static int port_list_heads(struct sp_store *s, const char *owner, __u64 age_ms)
{
	struct request *r = request(s, HEADS);

	name_owner(r, owner);
	r->age_ns = age_ms * SIM_MS;
	go(r);
	return -EINPROGRESS;
}

static void port_disown_head(struct sp_store *s, const char *owner, const struct sp_tuple *front)
{
	struct request *r = request(s, DISOWN);

	name_owner(r, owner);
	r->key = *front;
	go(r);
}

/* Port: freed at the end of the run, since requests in flight refer to it. */
static void port_close(struct sp_store *s)
{
	struct port *p = (struct port *)s;

	sp_store_close(p->local);
}

static const struct sp_store_engine engine = {
	.name = "sim", .is_shared = 1,
	.commit = port_commit, .fetch = port_fetch, .refresh = port_refresh, .forget = port_forget,
	.stash = port_stash, .unstash = port_unstash, .each_local_head = port_each_local_head,
	.scan = port_scan,
	.announce = port_announce, .read_head = port_read_head, .list_heads = port_list_heads,
	.disown_head = port_disown_head, .close = port_close,
};

struct sp_store *sim_store_open(struct sim_machine *m, const char *owner,
				const struct sp_config *config,
				struct sp_store *local)
{
	struct port *p = sim_alloc(sizeof(*p));

	p->store.engine = &engine;
	p->store.ttl_ns = config->limits.idle_ns;
	p->machine = m;
	p->life = m->life;
	p->timeout_ns = config->store.timeout_ns;
	p->config = config;
	p->local = local;
	strncpy(p->owner, owner, sizeof(p->owner) - 1);
	return &p->store;
}
