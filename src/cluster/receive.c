// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* receive.c - messages and records of other members: checked, counted, handed on as events */
#include <assert.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/clock.h"
#include "cluster/internal.h"
#include "cluster/message.h"

#define OLD_NS	1000000000LL	/* a segment that waited longer: other proxies have done the work */

static void log_member(const struct sp_member *m, const char *what)
{
	char at[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&m->relay.addr, m->relay.port_be, at);
	log_info("proxy %s at %s: %s", m->name, at, what);
}

static void refuse_name(struct sp_cluster *c, const struct sp_endpoint *at)
{
	char text[SP_ENDPOINT_STRLEN];

	c->counters.member_refused_name++;
	sp_endpoint_format(&at->addr, at->port_be, text);
	log_warn_limited("cluster: name: two proxies have the same name; the one at %s is ignored: names must differ",
			 text);
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
	case SP_MEMBER_NAME_TAKEN: refuse_name(c, &m.relay); break;
	case SP_MEMBER_FULL: c->counters.member_refused_full++; break;
	case SP_MEMBER_NEWS: sp_cluster_homes_changed(c); break;
	/* a server that was away still has the record before */
	case SP_MEMBER_REPLAYED:
	case SP_MEMBER_SKEWED:
	case SP_MEMBER_UNKNOWN:
	case SP_MEMBER_SAME:
		break;
	}
	if (c->members.count > count) {
		log_member(&m, "is in the store");
		sp_cluster_send_hello(c);
	}
}

/* Without a store, two proxies have no messages for each other, nor have two agents. */
static int is_counterpart(struct sp_cluster *c, const char *name, enum sp_member_state state)
{
	int is_agent = state == SP_MEMBER_AGENT,
	    is_self_agent = c->members.self.state == SP_MEMBER_AGENT;

	if (!c->is_static || is_agent != is_self_agent)
		return 1;
	c->counters.member_refused_role++;
	log_warn_limited("cluster: members: %s is %s like this node: ignored", name,
			 is_self_agent ? "an agent" : "a proxy");
	return 0;
}

static void refuse_skewed(struct sp_cluster *c, const struct sp_member *m)
{
	assert(m);	/* a HELLO of an unknown member is refused as such */
	c->counters.relay_refused_skewed++;
	log_warn_limited("cluster: refused a HELLO of %s: by our clock it is from %lld ms %s",
			 m->name,
			 llabs(m->ahead_ms), m->ahead_ms < 0 ? "ago" : "ahead");
}

static void receive_hello(struct sp_cluster *c, const struct sp_message *m,
			  const struct sp_endpoint *from, __s64 age_ns)
{
	struct sp_member said = {
		.id = m->from, .relay = *from, .started_ns = m->started_ns, .seq = m->seq,
		.state = m->state,
		.can = m->can, .mtu = m->mtu, .adopts = m->adopts, .splices = m->splices,
		.live = m->live, .survivable = m->survivable,
		.ahead_ms = (__s64)m->said_ms - ((__s64)sp_real_ms() - age_ns / 1000000),
	}, *member = sp_members_by_id(&c->members, m->from);
	int was_alive = member && member->is_alive;
	enum sp_member_state was = member ? member->state : 0;

	c->counters.hellos_heard++;
	if (member && !is_counterpart(c, member->name, m->state))
		return;
	switch (sp_members_hello(&c->members, &said, uv_hrtime())) {
	case SP_MEMBER_SAME:
	case SP_MEMBER_FULL:
		break;
	case SP_MEMBER_NEWS:
		assert(member);	/* an unknown member has no news */
		if (!was_alive || member->state != was)
			log_member(member, was_alive ? sp_member_state_name(member->state) :
				   "lives");
		sp_cluster_homes_changed(c);
		break;
	case SP_MEMBER_UNKNOWN: c->counters.relay_refused_unknown++; break;
	case SP_MEMBER_REPLAYED: c->counters.relay_refused_replayed++; break;
	case SP_MEMBER_SKEWED: refuse_skewed(c, member); break;
	case SP_MEMBER_NAME_TAKEN: refuse_name(c, from); break;
	}
}

/* A replayed message is older than the last HELLO. */
static void receive_orders(struct sp_cluster *c, const struct sp_message *m)
{
	const struct sp_member *from = sp_members_by_id(&c->members, m->from);
	struct sp_order_entry entries[SP_MESSAGE_ORDERS_MAX];

	if (!from->is_alive || from->state == SP_MEMBER_AGENT ||
	    m->started_ns != from->started_ns || m->seq <= from->seq) {
		c->counters.relay_refused_replayed++;
		return;
	}
	for (unsigned int i = 0; i < m->order_count; i++)
		entries[i] = sp_message_get_order(m->orders + (size_t)i * SP_MESSAGE_ORDER_BYTES);
	c->counters.orders_heard += m->order_count;
	if (c->on_orders)
		c->on_orders(c->orders_ctx, m->from, m->digest, entries, m->order_count);
}

/* A HELLO must come from the address in the sender's record; any message needs a known sender. */
static void receive_message(struct sp_cluster *c, const struct sp_message *m,
			    const struct sp_endpoint *from, __s64 age_ns)
{
	if (m->kind != SP_MESSAGE_HELLO && !sp_members_by_id(&c->members, m->from)) {
		c->counters.relay_refused_unknown++;
		return;
	}
	switch (m->kind) {
	case SP_MESSAGE_HELLO:
		receive_hello(c, m, from, age_ns);
		break;
	case SP_MESSAGE_SEGMENT:
		c->counters.segments_heard++;
		c->counters.relay_refused_old += age_ns >= OLD_NS;
		if (c->events && age_ns < OLD_NS)
			c->events->segment(c->ctx, m->event, &m->segment);
		break;
	case SP_MESSAGE_FIN:
		c->counters.fins_heard++;
		if (c->events && c->events->fin)
			c->events->fin(c->ctx, &m->ends.front, m->ends.client_isn, &m->fin);
		break;
	case SP_MESSAGE_PROGRESS:
		c->counters.progress_heard++;
		if (c->events && c->events->progress)
			c->events->progress(c->ctx, m->from, &m->progress);
		break;
	case SP_MESSAGE_ENDS:
		c->counters.ends_heard++;
		if (m->ends.state == SP_STATE_MOVED && c->events && c->events->moved)
			c->events->moved(c->ctx, &m->ends.front, m->ends.client_isn,
					 m->ends.version);
		else if (c->events && c->events->ends)
			c->events->ends(c->ctx, &m->ends.front, m->ends.client_isn, m->ends.state);
		break;
	case SP_MESSAGE_ORDERS:
		receive_orders(c, m);
		break;
	case SP_MESSAGE_INTRODUCE:
		/* by an interface without the datapath: the agent queries the store instead */
		c->counters.introductions_astray++;
		break;
	case SP_MESSAGE_NONE:
	case SP_MESSAGE_KIND_COUNT:
		break;
	}
}

static void count_refusal(struct sp_cluster *c, enum sp_message_refusal refusal)
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

/*
 * A record as a datagram: in a cluster without a store. The record must name a member of the
 * configuration, and come from the configured endpoint. Return: whether the datagram was a record.
 */
static int receive_record(struct sp_cluster *c, const void *bytes, size_t len,
			  const struct sp_endpoint *from)
{
	const struct sp_member *known;
	struct sp_member m;

	if (!c->is_static || sp_member_record_read(&c->seal, bytes, len, &m) != SP_MESSAGE_OK)
		return 0;
	known = sp_members_by_id(&c->members, sp_member_id(m.name));
	if (!known || sp_endpoint_compare(from, &known->relay) ||
	    sp_endpoint_compare(&m.relay, &known->relay))
		c->counters.relay_refused_unknown++;
	else if (is_counterpart(c, m.name, m.state))
		sp_cluster_heard(c, bytes, len);
	return 1;
}

static void on_message(struct sp_cluster *c, const void *bytes, size_t len,
		       const struct sp_endpoint *from, __s64 age_ns)
{
	enum sp_message_refusal refusal;
	struct sp_message m;

	refusal = sp_message_read(&c->seal, bytes, len, &m);
	if (refusal == SP_MESSAGE_OK)
		receive_message(c, &m, from, age_ns);
	else
		count_refusal(c, refusal);
}

static void on_datagram(void *ctx, const void *bytes, size_t len, const struct sp_endpoint *from,
			__s64 age_ns)
{
	size_t step = sp_message_step(bytes, len), i = 0;
	struct sp_cluster *c = ctx;

	if (receive_record(c, bytes, len, from))
		return;
	do
		on_message(c, (const __u8 *)bytes + i, step, from, age_ns);
	while ((i += step) < len);
}

void sp_cluster_receive(struct sp_cluster *c)
{
	sp_datagrams_receive(c->datagrams, on_datagram, c);
}

void sp_cluster_bury(struct sp_cluster *c, __u64 now_ns, int is_late)
{
	struct sp_member *m;

	while ((m = sp_members_tick(&c->members, now_ns, is_late))) {
		c->counters.members_died++;
		log_member(m, "silent, so it is dead");
		if (c->events && c->events->died)
			c->events->died(c->ctx, m->name);
		sp_cluster_homes_changed(c);
	}
}
