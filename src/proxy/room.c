// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * room.c - the incomplete head that gives way when limit `pending` or `held` is reached
 *
 * Without this, clients with slow or endless large heads would shut out the rest for `head_time`.
 * If bytes run short, the largest examined head gives way to a smaller head. If slots run short,
 * the oldest reply gives way whose client has not closed for ROOM_REPLY_MS, else the oldest head,
 * unless it is younger than ROOM_MIN_MS. If a reply was lost, its client's retransmission begins
 * anew. A search examines SP_CONNS_LOOK slots, in turns, so the cost does not grow with the table.
 * Connections with a backend go on.
 */
#include "proxy/room.h"

#include "proxy/reply.h"

#define GIVE_WAY_MAX	32	/* at once: more than a segment ever needs */
/* time for a client on a bad line to retransmit the rest of its head */
#define ROOM_MIN_MS	1000
#define ROOM_REPLY_MS	300
#define REPLY_FIRST	(1U << 30)

static __u32 pages_of(const struct sp_conn *c, __u64 now_ns)
{
	return c->state == SP_CONN_HEAD ? sp_conn_pages(c) : 0;
}

static __u32 age_ms_of(const struct sp_conn *c, __u64 now_ns)
{
	__u64 begun_ns = c->deadline_ns - c->config->limits.head_ns;

	return c->state == SP_CONN_HEAD && now_ns > begun_ns ? (now_ns - begun_ns) / 1000000 : 0;
}

/* Replies are heavier than all heads. */
static __u32 slot_weight(const struct sp_conn *c, __u64 now_ns)
{
	__u32 age_ms = sp_reply_age_ms(c, now_ns);

	return age_ms >= ROOM_REPLY_MS ? REPLY_FIRST + age_ms : age_ms_of(c, now_ns);
}

static void let_go(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.head_gave_way++;
	if (c->is_next) {
		sp_conn_end(p, c, "gives way");
		return;
	}
	sp_reply_last(p, c, 408);
}

int sp_room_for_bytes(struct sp_proxy *p, const struct sp_conn *c, __u32 bytes)
{
	for (int i = 0; i < GIVE_WAY_MAX; i++) {
		struct sp_conn *most;

		if (p->held_bytes + bytes <= c->config->limits.held_bytes)
			return 1;
		most = sp_conns_most(p->conns, pages_of, 0);
		if (!most || sp_conn_pages(most) <= sp_conn_pages(c))
			return 0;
		let_go(p, most);
	}
	return 0;
}

int sp_room_for_one(struct sp_proxy *p)
{
	__u64 now_ns = sp_now_ns();
	struct sp_conn *oldest = sp_conns_most(p->conns, slot_weight, now_ns);

	if (!oldest || slot_weight(oldest, now_ns) < ROOM_MIN_MS)
		return 0;
	if (oldest->state == SP_CONN_REPLIED) {
		p->node.counters.reply_gave_way++;
		sp_conn_end(p, oldest, "gives way");
	} else {
		let_go(p, oldest);
	}
	return 1;
}
