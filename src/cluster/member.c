// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * member.c - the table of members
 *
 * Records in the store say which members exist. HELLOs between members say which live. So a lost
 * store changes nothing, and an outdated record revives no member.
 */
#include "cluster/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Fixed: proxies of all versions must choose the same home. */
static const __u64 home_key[2] = { 0x73706c6963656420, 0x686f6d6520202031 };

__u64 sp_member_id(const char *name)
{
	return sp_siphash_bytes(home_key, name, strlen(name));
}

const char *sp_member_state_name(enum sp_member_state state)
{
	static const char *const names[SP_MEMBER_STATE_COUNT] = {
#define X(up, low) [SP_MEMBER_##up] = #low,
		SP_MEMBER_STATES(X)
#undef X
	};

	return names[state];
}

void sp_members_init(struct sp_members *ms, const struct sp_member *self)
{
	memset(ms, 0, sizeof(*ms));
	ms->self = *self;
	ms->self.id = sp_member_id(self->name);
	ms->self.is_alive = 1;
}

struct sp_member *sp_members_by_id(struct sp_members *ms, __u64 id)
{
	for (unsigned int i = 0; i < ms->count; i++)
		if (ms->others[i].id == id)
			return &ms->others[i];
	return NULL;
}

struct sp_member *sp_members_by_addr(struct sp_members *ms, const struct sp_addr *addr)
{
	for (unsigned int i = 0; i < ms->count; i++)
		for (unsigned int j = 0; j < ms->others[i].owned_count; j++)
			if (ms->others[i].state != SP_MEMBER_AGENT &&
			    sp_addr_equal(&ms->others[i].owned[j].addr, addr))
				return &ms->others[i];
	return NULL;
}

int sp_member_serves(const struct sp_member *m, const struct sp_endpoint *at)
{
	for (unsigned int i = 0; m->state == SP_MEMBER_AGENT && i < m->owned_count; i++)
		if (!sp_endpoint_compare(&m->owned[i], at))
			return 1;
	return 0;
}

struct sp_member *sp_members_agent_at(struct sp_members *ms, const struct sp_endpoint *at)
{
	for (unsigned int i = 0; i < ms->count; i++) {
		struct sp_member *m = &ms->others[i];

		if (m->is_alive && sp_member_serves(m, at))
			return m;
	}
	return NULL;
}

/* A free entry, or the entry of the member with the longest silence. */
static struct sp_member *find_room(struct sp_members *ms)
{
	struct sp_member *oldest = NULL;

	if (ms->count < SP_MEMBERS_MAX)
		return &ms->others[ms->count++];
	for (unsigned int i = 0; i < ms->count; i++) {
		struct sp_member *m = &ms->others[i];

		if (!m->is_alive && (!oldest || m->heard_ns < oldest->heard_ns))
			oldest = m;
	}
	return oldest;
}

static unsigned int count_agents(const struct sp_members *ms)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ms->count; i++)
		n += ms->others[i].state == SP_MEMBER_AGENT;
	return n;
}

static enum sp_member_verdict add_member(struct sp_members *ms, const struct sp_member *said,
					 __u64 now_ns)
{
	int is_crowd = said->state == SP_MEMBER_AGENT && count_agents(ms) >= SP_AGENTS_MAX;
	struct sp_member *m = is_crowd ? NULL : find_room(ms);

	if (!m)
		return SP_MEMBER_FULL;
	*m = *said;
	m->id = sp_member_id(said->name);
	m->heard_ns = now_ns;	/* silence begins now */
	m->is_alive = 0;
	m->seq = 0;
	return SP_MEMBER_SAME;
}

static int is_owned_same(const struct sp_member *a, const struct sp_member *b)
{
	if (a->owned_count != b->owned_count)
		return 0;
	for (unsigned int i = 0; i < a->owned_count; i++)
		if (sp_endpoint_compare(&a->owned[i], &b->owned[i]))
			return 0;
	return 1;
}

enum sp_member_verdict sp_members_record(struct sp_members *ms, const struct sp_member *said,
					 __u64 now_ns)
{
	struct sp_member *m = sp_members_by_id(ms, sp_member_id(said->name));
	int is_moved, is_heard, is_news;
	__u64 old_ns;

	if (!strcmp(said->name, ms->self.name))
		return sp_endpoint_compare(&said->relay, &ms->self.relay) ? SP_MEMBER_NAME_TAKEN
									  : SP_MEMBER_SAME;
	if (!m)
		return add_member(ms, said, now_ns);
	is_moved = !!sp_endpoint_compare(&said->relay, &m->relay);
	if (is_moved && m->is_alive)
		return SP_MEMBER_NAME_TAKEN;
	if (said->started_ns < m->started_ns)
		return SP_MEMBER_REPLAYED;
	old_ns = m->started_ns;
	if (said->started_ns > old_ns)
		m->seq = 0;
	/* HELLOs are newer than any record */
	is_heard = m->is_alive && said->started_ns == old_ns;
	is_news = m->is_alive && ((!is_heard && m->can != said->can) || !is_owned_same(m, said));
	m->started_ns = said->started_ns;
	m->relay = said->relay;
	m->can = is_heard ? m->can : said->can;
	if (said->started_ns > old_ns || !is_owned_same(m, said))
		m->adopts = 0;	/* until a HELLO has the bits of the new endpoints */
	m->owned_count = said->owned_count;
	memcpy(m->owned, said->owned, sizeof(m->owned));
	return is_news ? SP_MEMBER_NEWS : SP_MEMBER_SAME;
}

/* Sequence numbers order messages of a known daemon. A new daemon is recognised by the clock. */
static int is_fresh(const struct sp_member *m, const struct sp_member *said)
{
	return (m->seq && said->started_ns == m->started_ns) ||
	       llabs(said->ahead_ms) <= SP_HELLO_FRESH_MS;
}

enum sp_member_verdict sp_members_hello(struct sp_members *ms, const struct sp_member *said,
					__u64 now_ns)
{
	struct sp_member *m = sp_members_by_id(ms, said->id);
	int is_news;

	if (!m)
		return said->id == ms->self.id ? SP_MEMBER_NAME_TAKEN : SP_MEMBER_UNKNOWN;
	if (sp_endpoint_compare(&said->relay, &m->relay))
		return m->is_alive ? SP_MEMBER_NAME_TAKEN : SP_MEMBER_UNKNOWN;
	if (said->started_ns < m->started_ns ||
	    (said->started_ns == m->started_ns && said->seq <= m->seq))
		return SP_MEMBER_REPLAYED;
	m->ahead_ms = said->ahead_ms;
	if (!is_fresh(m, said))
		return SP_MEMBER_SKEWED;
	is_news = !m->is_alive || m->state != said->state || m->can != said->can ||
		  m->adopts != said->adopts;
	m->started_ns = said->started_ns;
	m->seq = said->seq;
	m->state = said->state;
	m->can = said->can;
	m->mtu = said->mtu;
	m->adopts = said->adopts;
	m->splices = said->splices;
	m->live = said->live;
	m->survivable = said->survivable;
	m->heard_ns = now_ns;
	m->is_alive = 1;
	return is_news ? SP_MEMBER_NEWS : SP_MEMBER_SAME;
}

struct sp_member *sp_members_tick(struct sp_members *ms, __u64 now_ns, int is_late)
{
	for (unsigned int i = 0; i < ms->count; i++) {
		struct sp_member *m = &ms->others[i];

		if (m->is_alive && is_late)
			m->heard_ns = now_ns;
		if (!m->is_alive || now_ns - m->heard_ns < SP_HELLO_SILENT_NS)
			continue;
		m->is_alive = 0;
		return m;
	}
	return NULL;
}

static int is_any_ready(const struct sp_members *ms)
{
	for (unsigned int i = 0; i < ms->count; i++)
		if (ms->others[i].is_alive && ms->others[i].state == SP_MEMBER_READY)
			return 1;
	return ms->self.state == SP_MEMBER_READY;
}

static int may_be_home(const struct sp_member *m, int must_be_ready)
{
	return m->is_alive && m->state != SP_MEMBER_AGENT &&
	       (!must_be_ready || m->state == SP_MEMBER_READY);
}

static __u64 compute_score(__u64 hash, const struct sp_member *m)
{
	__u64 words[2] = { hash, m->id };

	return sp_siphash_words(home_key, words, 2);
}

struct sp_member *sp_members_choose(struct sp_members *ms, const void *key, size_t len)
{
	int must_be_ready = is_any_ready(ms), is_self = may_be_home(&ms->self, must_be_ready);
	__u64 hash = sp_siphash_bytes(home_key, key, len),
	      best = is_self ? compute_score(hash, &ms->self) : 0;
	struct sp_member *chosen = NULL;

	for (unsigned int i = 0; i < ms->count; i++) {
		struct sp_member *m = &ms->others[i];
		__u64 s = compute_score(hash, m);

		if (!may_be_home(m, must_be_ready) || (s <= best && (is_self || chosen)))
			continue;
		best = s;
		chosen = m;
	}
	return chosen;
}
