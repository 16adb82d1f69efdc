// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* send.c - messages to other members, and this member's record to the store */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "abi/half.h"
#include "abi/introduce.h"
#include "base/addr.h"
#include "base/clock.h"
#include "cluster/internal.h"
#include "cluster/message.h"

static size_t write_message(struct sp_cluster *c, struct sp_message *m,
			    __u8 bytes[SP_MESSAGE_BYTES_MAX])
{
	m->from = c->members.self.id;
	m->started_ns = c->members.self.started_ns;
	m->seq = ++c->seq;
	return sp_message_write(&c->seal, m, bytes);
}

/*
 * An agent makes no splices and carries no splice of another agent, so it needs only ENDS. Ends are
 * sent once, so also to members that seem dead. Without them, a slow member would keep the splice
 * until `idle`.
 */
static int is_concerned(const struct sp_member *m, enum sp_message_kind kind)
{
	return kind == SP_MESSAGE_ENDS || (m->is_alive && m->state != SP_MEMBER_AGENT);
}

static void queue_bytes(struct sp_cluster *c, const struct sp_member *to, enum sp_message_kind kind,
			const __u8 *bytes, size_t len)
{
	if (sp_message_unit(kind))
		sp_datagrams_join(c->datagrams, &to->relay, bytes, len, SP_MESSAGES_BYTES_MAX);
	else
		sp_datagrams_add(c->datagrams, &to->relay, bytes, len);
}

/* @to: NULL: all concerned members. Return: number of members. */
static unsigned int send_message(struct sp_cluster *c, const struct sp_member *to,
				 struct sp_message *m)
{
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	size_t len = write_message(c, m, bytes);
	unsigned int n = 0;

	if (to) {
		queue_bytes(c, to, m->kind, bytes, len);
		return 1;
	}
	for (unsigned int i = 0; i < c->members.count; i++) {
		if (!is_concerned(&c->members.others[i], m->kind))
			continue;
		queue_bytes(c, &c->members.others[i], m->kind, bytes, len);
		n++;
	}
	return n;
}

/* A superpacket goes in chunks: only the first has the cookie, only the last has the FIN. */
static void send_segment(struct sp_cluster *c, const struct sp_member *to, enum sp_event_kind kind,
			 const struct sp_segment *seg)
{
	struct sp_message m = { .kind = SP_MESSAGE_SEGMENT, .event = kind, .segment = *seg };
	struct sp_segment *chunk = &m.segment;
	size_t left = seg->payload_len;
	const __u8 *payload = seg->payload;

	do {
		chunk->payload = payload;
		chunk->payload_len = left < SP_MESSAGE_CHUNK ? left : SP_MESSAGE_CHUNK;
		payload += chunk->payload_len;
		left -= chunk->payload_len;
		chunk->flags = left ? seg->flags & ~SP_TCP_FIN : seg->flags;
		c->counters.segments_sent += send_message(c, to, &m);
		chunk->seq += chunk->payload_len;
		if (m.event == SP_EVENT_FRONT)
			m.event = SP_EVENT_MISS;
	} while (left);
}

static struct sp_member *choose_home(const struct sp_cluster *c, const struct sp_tuple *front)
{
	return sp_members_choose((struct sp_members *)&c->members, front, sizeof(*front));
}

int sp_cluster_is_home(const struct sp_cluster *c, const struct sp_tuple *front)
{
	return !c || !choose_home(c, front);
}

int sp_cluster_is_successor(const struct sp_cluster *c, const char *name)
{
	return !c || !sp_members_choose((struct sp_members *)&c->members, name, strlen(name));
}

void sp_cluster_tell_home(struct sp_cluster *c, enum sp_event_kind kind,
			  const struct sp_segment *seg)
{
	sp_cluster_tell_home_of(c, &seg->tuple, kind, seg);
}

int sp_cluster_has_owner(const struct sp_cluster *c, const struct sp_addr *addr)
{
	const struct sp_member *owner =
		c ? sp_members_by_addr((struct sp_members *)&c->members, addr) : NULL;

	return owner && owner->is_alive;
}

void sp_cluster_tell_home_of(struct sp_cluster *c, const struct sp_tuple *front,
			     enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_member *to = c ? choose_home(c, front) : NULL;

	if (to)
		send_segment(c, to, kind, seg);
}

int sp_cluster_tell_owner(struct sp_cluster *c, enum sp_event_kind kind,
			  const struct sp_segment *seg)
{
	return sp_cluster_tell_owner_of(c, &seg->tuple.daddr, kind, seg);
}

int sp_cluster_tell_owner_of(struct sp_cluster *c, const struct sp_addr *addr,
			     enum sp_event_kind kind, const struct sp_segment *seg)
{
	struct sp_member *to = c ? sp_members_by_addr(&c->members, addr) : NULL;

	if (!to || !to->is_alive)
		return -ENOENT;
	send_segment(c, to, kind, seg);
	return 0;
}

void sp_cluster_tell_all(struct sp_cluster *c, enum sp_event_kind kind,
			 const struct sp_segment *seg)
{
	if (c)
		send_segment(c, NULL, kind, seg);
}

void sp_cluster_tell_ends(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn,
			  __u8 state)
{
	struct sp_message m = {
		.kind = SP_MESSAGE_ENDS, .ends = { *front, client_isn, state & SP_STATE_TOLD },
	};

	if (c)
		c->counters.ends_sent += send_message(c, NULL, &m);
}

void sp_cluster_tell_moved(struct sp_cluster *c, const struct sp_tuple *front, __u32 client_isn,
			   __u32 version)
{
	struct sp_message m = {
		.kind = SP_MESSAGE_ENDS, .ends = { *front, client_isn, SP_STATE_MOVED, version },
	};

	if (c)
		c->counters.ends_sent += send_message(c, NULL, &m);
}

void sp_cluster_tell_fin(struct sp_cluster *c, const struct sp_tuple *tuple, __u32 client_isn,
			 const struct sp_fin *fin)
{
	struct sp_message m = { .kind = SP_MESSAGE_FIN,
				.ends = { *tuple, client_isn },
				.fin = *fin };

	if (c)
		c->counters.fins_sent += send_message(c, NULL, &m);
}

void sp_cluster_tell_progress(struct sp_cluster *c, __u64 to, const struct sp_progress *said)
{
	struct sp_message m = { .kind = SP_MESSAGE_PROGRESS, .progress = *said };
	const struct sp_member *member = c && to ? sp_members_by_id(&c->members, to) : NULL;

	if (c && (member || !to))
		c->counters.progress_sent += send_message(c, member, &m);
}

/* Older introductions are refused by the agent, as possible replays. */
static int is_fresh(const struct sp_splice *splice)
{
	return (__s32)(time(NULL) - splice->up.spliced_s) <= SP_INTRODUCE_FRESH_S;
}

void sp_cluster_introduce(struct sp_cluster *c, const struct sp_splice *splice, __u32 refreshed_s)
{
	const struct sp_endpoint at = { splice->up.out.daddr, splice->up.out.dport };
	struct sp_message m = { .kind = SP_MESSAGE_INTRODUCE,
				.splice = *splice,
				.refreshed_s = refreshed_s };

	if (!c || !(splice->up.flags & SP_HALF_F_SPLIT) || !is_fresh(splice))
		return;
	for (unsigned int i = 0; i < c->members.count; i++)
		if (sp_member_serves(&c->members.others[i], &at))
			c->counters.introductions_sent +=
				send_message(c, &c->members.others[i], &m);
}

_Static_assert(SP_CLUSTER_ORDERS_MAX == SP_MESSAGE_ORDERS_MAX, "cluster.h: orders");

unsigned int sp_cluster_tell_orders(struct sp_cluster *c, __u64 to,
				    const struct sp_order_entry *entries, unsigned int count)
{
	__u8 orders[SP_MESSAGE_ORDERS_MAX * SP_MESSAGE_ORDER_BYTES];
	struct sp_message m = { .kind = SP_MESSAGE_ORDERS, .orders = orders, .order_count = count };
	const struct sp_member *member = c && to ? sp_members_by_id(&c->members, to) : NULL;
	unsigned int n;

	if (!c || (to && !member))
		return 0;
	assert(count <= SP_MESSAGE_ORDERS_MAX);
	m.digest = c->orders_digest;
	for (unsigned int i = 0; i < count; i++)
		sp_message_put_order(orders + (size_t)i * SP_MESSAGE_ORDER_BYTES, &entries[i]);
	n = send_message(c, member, &m);
	c->counters.orders_sent += (__u64)n * count;
	return n;
}

void sp_cluster_send_hello(struct sp_cluster *c)
{
	struct sp_message m = { .kind = SP_MESSAGE_HELLO,
				.state = c->members.self.state,
				.can = c->members.self.can,
				.mtu = c->members.self.mtu,
				.adopts = c->members.self.adopts,
				.said_ms = sp_real_ms() };
	__u8 bytes[SP_MESSAGE_BYTES_MAX];
	size_t len;

	if (c->events)
		m.splices = c->events->splices(c->ctx, &m.live, &m.survivable);
	c->members.self.splices = m.splices;
	len = write_message(c, &m, bytes);
	for (unsigned int i = 0; i < c->members.count; i++) {
		if (c->members.self.state == SP_MEMBER_AGENT &&
		    c->members.others[i].state == SP_MEMBER_AGENT)
			continue;
		sp_datagrams_add(c->datagrams, &c->members.others[i].relay, bytes, len);
		c->counters.hellos_sent++;
	}
}

/* The key includes the endpoint, so members of the same name see each other. */
void sp_cluster_announce(struct sp_cluster *c)
{
	const struct sp_member *self = &c->members.self;
	char name[SP_NAME_MAX + SP_ENDPOINT_STRLEN + 2], at[SP_ENDPOINT_STRLEN];
	__u8 record[SP_MEMBER_RECORD_MAX];
	size_t len = sp_member_record_write(&c->seal, self, record);

	for (unsigned int i = 0; c->is_static && i < c->members.count; i++)
		sp_datagrams_add(c->datagrams, &c->members.others[i].relay, record, len);
	if (c->is_static)
		return;
	snprintf(name, sizeof(name), "%s %s", self->name,
		 sp_endpoint_format(&self->relay.addr, self->relay.port_be, at));
	sp_store_announce(c->store, name, record, len);
}

void sp_cluster_flush(struct sp_cluster *c)
{
	if (c)
		sp_datagrams_flush(c->datagrams);
}
