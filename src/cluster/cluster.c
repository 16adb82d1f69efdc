// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cluster.c - what other proxies say, and when they were silent for too long
 *
 * member.c knows who is there, message.c what is said, datagram.c brings it;
 * cluster/tell.c is the other direction.
 */
#include "cluster/cluster.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/addr.h"
#include "base/log.h"
#include "cluster/internal.h"
#include "cluster/message.h"

#define TICK_MS		50
#define TICKS_PER_HELLO	(SP_HELLO_MS / TICK_MS)
#define TICKS_PER_RECORD 10
#define LATE_NS		200000000ULL	/* between two ticks: we were stopped */
#define OLD_NS		1000000000LL	/* a segment: since then others did what it asks for */

/* ---- receiving ---- */

static void log_member(const struct sp_member *m, const char *what)
{
	char at[SP_ENDPOINT_STRLEN];

	log_info("proxy %s at %s: %s", m->name, sp_endpoint_format(&m->relay.addr, m->relay.port_be, at), what);
}

static void homes_changed(struct sp_cluster *c)
{
	if (c->events)
		c->events->homes(c->ctx);
}

static void name_taken(struct sp_cluster *c, const struct sp_endpoint *at)
{
	char text[SP_ENDPOINT_STRLEN];

	c->counters.member_refused_name++;
	log_warn_limited("cluster: name: two proxies have the same one, and the one at %s is left out: names must differ",
			 sp_endpoint_format(&at->addr, at->port_be, text));
}

void sp_cluster_heard(struct sp_cluster *c, const void *record, size_t len)
{
	unsigned int count;
	struct sp_member m;

	if (!c)
		return;
	c->is_listed = 1;
	if (sp_member_record_read(&c->seal, record, len, &m) != SP_MESSAGE_OK) {
		c->counters.member_refused_record++;
		log_warn_limited("cluster: refused the record of a member: not of this cluster's key and version");
		return;
	}
	count = c->members.count;
	switch (sp_members_record(&c->members, &m, uv_hrtime())) {
	case SP_MEMBER_NAME_TAKEN: name_taken(c, &m.relay); break;
	case SP_MEMBER_FULL: c->counters.member_refused_full++; break;
	case SP_MEMBER_NEWS: homes_changed(c); break;
	case SP_MEMBER_REPLAYED:	/* a server that was away for a while still has the one before */
	case SP_MEMBER_SKEWED:
	case SP_MEMBER_UNKNOWN:
	case SP_MEMBER_SAME:
		break;
	}
	if (c->members.count > count) {
		log_member(&m, "is in the store");
		sp_cluster_say_hello(c);
	}
}

/* Two proxies without a store have nothing in common, whatever their configurations say; nor have two agents. */
static int is_of_use(struct sp_cluster *c, const char *name, enum sp_member_state state)
{
	int is_agent = state == SP_MEMBER_AGENT, are_we = c->members.self.state == SP_MEMBER_AGENT;

	if (!c->is_static || is_agent != are_we)
		return 1;
	c->counters.member_refused_role++;
	log_warn_limited("cluster: members: %s is %s as we are: left out", name, are_we ? "an agent" : "a proxy");
	return 0;
}

static void clocks_differ(struct sp_cluster *c, const struct sp_member *m)
{
	assert(m);	/* else it is not known, and of no time */
	c->counters.relay_refused_skewed++;
	log_warn_limited("cluster: what says that %s lives was said %lld ms %s by our clock, so it is not believed",
			 m->name, llabs(m->ahead_ms), m->ahead_ms < 0 ? "ago" : "ahead");
}

static void hear_hello(struct sp_cluster *c, const struct sp_message *m, const struct sp_endpoint *from, __s64 old_ns)
{
	struct sp_member said = {
		.id = m->from, .relay = *from, .started_ns = m->started_ns, .seq = m->seq, .state = m->state,
		.can = m->can, .mtu = m->mtu, .adopts = m->adopts, .splices = m->splices,
		.ahead_ms = (__s64)m->said_ms - (sp_cluster_real_ms() - old_ns / 1000000),
	}, *member = sp_members_by_id(&c->members, m->from);
	int was_alive = member && member->is_alive;
	enum sp_member_state was = member ? member->state : 0;

	c->counters.hellos_heard++;
	if (member && !is_of_use(c, member->name, m->state))
		return;
	switch (sp_members_hello(&c->members, &said, uv_hrtime())) {
	case SP_MEMBER_SAME:
	case SP_MEMBER_FULL:
		break;
	case SP_MEMBER_NEWS:
		assert(member);	/* else it is not known, and nothing new */
		if (!was_alive || member->state != was)
			log_member(member, was_alive ? sp_member_state_name(member->state) : "lives");
		homes_changed(c);
		break;
	case SP_MEMBER_UNKNOWN: c->counters.relay_refused_unknown++; break;
	case SP_MEMBER_REPLAYED: c->counters.relay_refused_replayed++; break;
	case SP_MEMBER_SKEWED: clocks_differ(c, member); break;
	case SP_MEMBER_NAME_TAKEN: name_taken(c, from); break;
	}
}

/* HELLOs must come from where the store says that their sender is; the others need a sender that is known. */
static void hear(struct sp_cluster *c, const struct sp_message *m, const struct sp_endpoint *from, __s64 old_ns)
{
	if (m->kind != SP_MESSAGE_HELLO && !sp_members_by_id(&c->members, m->from)) {
		c->counters.relay_refused_unknown++;
		return;
	}
	switch (m->kind) {
	case SP_MESSAGE_HELLO:
		hear_hello(c, m, from, old_ns);
		break;
	case SP_MESSAGE_SEGMENT:
		c->counters.segments_heard++;
		c->counters.relay_refused_old += old_ns >= OLD_NS;
		if (c->events && old_ns < OLD_NS)
			c->events->segment(c->ctx, m->event, &m->segment);
		break;
	case SP_MESSAGE_FIN:
		c->counters.fins_heard++;
		if (c->events && c->events->fin)
			c->events->fin(c->ctx, &m->ends.front, m->ends.client_isn, &m->fin);
		break;
	case SP_MESSAGE_ENDS:
		c->counters.ends_heard++;
		if (c->events && c->events->ends)
			c->events->ends(c->ctx, &m->ends.front, m->ends.client_isn, m->ends.state);
		break;
	case SP_MESSAGE_INTRODUCE:
		/* by an interface that isn't the datapath's: the store is asked, as ever */
		c->counters.introductions_astray++;
		break;
	case SP_MESSAGE_NONE:
	case SP_MESSAGE_KIND_COUNT:
		break;
	}
}

static void refused(struct sp_cluster *c, enum sp_message_refusal refusal)
{
	switch (refusal) {
	case SP_MESSAGE_OK: break;
	case SP_MESSAGE_REFUSED_LENGTH: c->counters.relay_refused_length++; break;
	case SP_MESSAGE_REFUSED_MAGIC: c->counters.relay_refused_magic++; break;
	case SP_MESSAGE_REFUSED_VERSION: c->counters.relay_refused_version++; break;
	case SP_MESSAGE_REFUSED_FOREIGN: c->counters.relay_refused_foreign++; break;
	case SP_MESSAGE_REFUSED_FORGED: c->counters.relay_refused_forged++; break;
	case SP_MESSAGE_REFUSED_MALFORMED: c->counters.relay_refused_malformed++; break;
	}
}

/* Where there is no store that would do so. Only whom the configuration names is believed, and only from there. */
static int hear_record(struct sp_cluster *c, const void *bytes, size_t len, const struct sp_endpoint *from)
{
	const struct sp_member *known;
	struct sp_member m;

	if (!c->is_static || sp_member_record_read(&c->seal, bytes, len, &m) != SP_MESSAGE_OK)
		return 0;
	known = sp_members_by_id(&c->members, sp_member_id(m.name));
	if (!known || sp_endpoint_compare(from, &known->relay) || sp_endpoint_compare(&m.relay, &known->relay))
		c->counters.relay_refused_unknown++;
	else if (is_of_use(c, m.name, m.state))
		sp_cluster_heard(c, bytes, len);
	return 1;
}

static void on_message(struct sp_cluster *c, const void *bytes, size_t len, const struct sp_endpoint *from,
		       __s64 age_ns)
{
	enum sp_message_refusal refusal;
	struct sp_message m;

	refusal = sp_message_read(&c->seal, bytes, len, &m);
	if (refusal == SP_MESSAGE_OK)
		hear(c, &m, from, age_ns);
	else
		refused(c, refusal);
}

static void on_datagram(void *ctx, const void *bytes, size_t len, const struct sp_endpoint *from, __s64 age_ns)
{
	size_t step = sp_message_step(bytes, len), i = 0;
	struct sp_cluster *c = ctx;

	if (hear_record(c, bytes, len, from))
		return;
	do
		on_message(c, (const __u8 *)bytes + i, step, from, age_ns);
	while ((i += step) < len);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct sp_cluster *c = poll->data;

	sp_datagrams_receive(c->datagrams, on_datagram, c);
}

/* ---- time ---- */

static void bury(struct sp_cluster *c, __u64 now_ns, int is_late)
{
	struct sp_member *m;

	while ((m = sp_members_tick(&c->members, now_ns, is_late))) {
		c->counters.members_died++;
		log_member(m, "silent, so it is dead");
		if (c->events && c->events->died)
			c->events->died(c->ctx, m->name);
		homes_changed(c);
	}
}

/* Until the store has answered, it is asked at each tick. */
static void on_tick(uv_timer_t *timer)
{
	struct sp_cluster *c = timer->data;
	__u64 now_ns = uv_hrtime();

	bury(c, now_ns, now_ns - c->ticked_ns >= LATE_NS);
	c->ticked_ns = now_ns;
	if (c->ticks % TICKS_PER_HELLO == 0)
		sp_cluster_say_hello(c);
	if (c->ticks % TICKS_PER_RECORD == 0 || !c->is_listed)
		sp_cluster_announce(c);
	c->ticks++;
}

void sp_cluster_set_state(struct sp_cluster *c, enum sp_member_state state)
{
	if (!c || c->members.self.state == state)
		return;
	c->members.self.state = state;
	sp_cluster_say_hello(c);
	homes_changed(c);
}

void sp_cluster_set_can(struct sp_cluster *c, __u8 can, __u64 adopts, __u16 mtu)
{
	struct sp_member *self = c ? &c->members.self : NULL;

	if (!c || (self->can == can && self->adopts == adopts && self->mtu == mtu))
		return;
	self->can = can;
	self->adopts = adopts;
	self->mtu = mtu;
	sp_cluster_say_hello(c);
}

/* ---- opening ---- */

static void describe_owned(const struct sp_config *config, struct sp_member *self)
{
	char at[SP_ENDPOINT_STRLEN];

	self->owned_count = 0;
	for (size_t i = 0; i < config->snat_count && self->owned_count < SP_MEMBER_OWNED_MAX; i++)
		self->owned[self->owned_count++].addr = config->snat_addrs[i];
	for (size_t i = 0; i < config->serve_count; i++)
		if (self->owned_count < SP_MEMBER_OWNED_MAX)
			self->owned[self->owned_count++] = config->serves[i];
		else
			log_warn("serves: %s is more than the %u that proxies are told of: what goes there goes whole",
				 sp_endpoint_format(&config->serves[i].addr, config->serves[i].port_be, at),
				 SP_MEMBER_OWNED_MAX);
}

static struct sp_member describe_self(const struct sp_config *config)
{
	struct sp_member self = { .relay = config->cluster.relay, .state = SP_MEMBER_SYNCING };
	struct timespec ts;

	sp_config_own_name(&config->cluster, self.name);
	if (config->is_agent)
		self.state = SP_MEMBER_AGENT;
	clock_gettime(CLOCK_REALTIME, &ts);
	self.started_ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	describe_owned(config, &self);
	return self;
}

void sp_cluster_configure(struct sp_cluster *c, const struct sp_config *config)
{
	if (!c)
		return;
	describe_owned(config, &c->members.self);
	if (c->ticks)
		sp_cluster_announce(c);
}

static int start_handles(struct sp_cluster *c, uv_loop_t *loop)
{
	int err = uv_poll_init(loop, &c->poll, sp_datagrams_fd(c->datagrams));

	if (err)
		return err;
	c->poll.data = c;
	c->open_handles++;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->open_handles++;
	c->ticked_ns = uv_hrtime();
	err = uv_poll_start(&c->poll, UV_READABLE, on_readable);
	return err ?: uv_timer_start(&c->timer, on_tick, 0, TICK_MS);
}

static void list_peers(struct sp_cluster *c, const struct sp_config *config)
{
	c->is_static = c->is_listed = !!config->cluster.peer_count;
	for (size_t i = 0; i < config->cluster.peer_count; i++) {
		const struct sp_peer_conf *peer = &config->cluster.peers[i];
		struct sp_member m = {
			.relay = peer->at, .state = config->is_agent ? SP_MEMBER_SYNCING : SP_MEMBER_AGENT,
		};

		memcpy(m.name, peer->name, strlen(peer->name));
		sp_members_record(&c->members, &m, uv_hrtime());
	}
}

static int open_parts(struct sp_cluster *c, uv_loop_t *loop, const struct sp_config *config)
{
	struct sp_member self = describe_self(config);
	struct sp_keys keys;
	int err = sp_keys_read(config->key_file, &keys);

	if (err)
		return err;
	sp_seal_init(&c->seal, keys.key, keys.count);
	sp_members_init(&c->members, &self);
	list_peers(c, config);
	err = sp_datagrams_open(&self.relay, &c->counters.relay_not_sent, &c->datagrams);
	return err ?: start_handles(c, loop);
}

int sp_cluster_open(uv_loop_t *loop, const struct sp_config *config, struct sp_store *store,
		    struct sp_cluster **ret_cluster)
{
	char at[SP_ENDPOINT_STRLEN];
	struct sp_cluster *c;
	int err;

	*ret_cluster = NULL;
	if (!sp_store_is_shared(store) && !config->cluster.peer_count)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->store = store;
	err = open_parts(c, loop, config);
	if (err) {
		log_err_errno(err, "cluster: relay: %s: can't listen there",
			      sp_endpoint_format(&config->cluster.relay.addr, config->cluster.relay.port_be, at));
		sp_cluster_close(c);
		return err;
	}
	*ret_cluster = c;
	return 0;
}

static void put(struct sp_cluster *c)
{
	if (c->open_handles)
		return;
	sp_datagrams_close(c->datagrams);
	free(c);
}

static void on_closed(uv_handle_t *handle)
{
	struct sp_cluster *c = handle->data;

	c->open_handles--;
	put(c);
}

void sp_cluster_close(struct sp_cluster *c)
{
	if (!c)
		return;
	c->events = NULL;
	if (!c->open_handles) {
		put(c);
		return;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->open_handles > 1)
		uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* What lies in the store, and what was said last, may be sealed with a key that goes. */
void sp_cluster_rekey(struct sp_cluster *c, const struct sp_keys *keys)
{
	if (!c)
		return;
	sp_seal_init(&c->seal, keys->key, keys->count);
	sp_cluster_announce(c);
	sp_cluster_say_hello(c);
}

void sp_cluster_subscribe(struct sp_cluster *c, const struct sp_cluster_events *events, void *ctx)
{
	if (!c)
		return;
	c->events = events;
	c->ctx = ctx;
}

enum sp_member_state sp_cluster_state(const struct sp_cluster *c)
{
	return c ? c->members.self.state : SP_MEMBER_READY;
}

int sp_cluster_member(const struct sp_cluster *c, unsigned int idx, struct sp_member *ret_member)
{
	if (!c || idx > c->members.count)
		return -ENOENT;
	*ret_member = idx ? c->members.others[idx - 1] : c->members.self;
	return 0;
}

const struct sp_member *sp_cluster_self(const struct sp_cluster *c)
{
	return c ? &c->members.self : NULL;
}

const struct sp_cluster_counters *sp_cluster_counters(const struct sp_cluster *c)
{
	static const struct sp_cluster_counters none;

	return c ? &c->counters : &none;
}

const struct sp_member *sp_cluster_agent_at(const struct sp_cluster *c, const struct sp_endpoint *at)
{
	return c ? sp_members_agent_at((struct sp_members *)&c->members, at) : NULL;
}
