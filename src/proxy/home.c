// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/home.h"

#define ASK_NS		1000000000ULL
#define ASK_NEXT_NS	200000000ULL

void sp_home_keep(struct sp_proxy *p, const struct sp_segment *seg, __u8 flags)
{
	p->node.counters.stray_kept++;
	sp_stray_add(p->node.strays, sp_conns_hash(p->conns, &seg->tuple), seg, flags, sp_now_ns());
	sp_store_fetch(p->node.store, &seg->tuple);
}

void sp_home_send(struct sp_proxy *p, enum sp_event_kind kind, const struct sp_segment *seg)
{
	__u8 flags = SP_STRAY_F_MINE | (kind == SP_EVENT_FRONT ? SP_STRAY_F_FIRST : 0);

	p->node.counters.sent_home++;
	sp_stray_add(p->sent_home, sp_conns_hash(p->conns, &seg->tuple), seg, flags, sp_now_ns());
	sp_cluster_tell_home(p->node.cluster, kind, seg);
}

void sp_home_send_opener(struct sp_proxy *p, const struct sp_segment *seg)
{
	if (sp_cluster_tell_owner(p->node.cluster, SP_EVENT_BACK, seg))
		sp_cluster_tell_all(p->node.cluster, SP_EVENT_BACK, seg);
}

int sp_home_owns(const struct sp_proxy *p, const struct sp_addr *addr)
{
	for (size_t i = 0; i < p->node.config->snat_count; i++)
		if (sp_addr_equal(&p->node.config->snat_addrs[i], addr))
			return 1;
	return 0;
}

/*
 * The boundary has moved on if this proxy was away: the store has a later version. The sign: data
 * without the end of a head. Bytes before a hole were acknowledged elsewhere: the store has these.
 */
void sp_home_ask_next(struct sp_proxy *p, struct sp_conn *c)
{
	__u64 now_ns = sp_now_ns();

	if (!sp_node_is_shared(&p->node) || !c->is_news || now_ns < c->ask_ns)
		return;
	c->is_news = 0;
	c->ask_ns = now_ns + ASK_NEXT_NS;
	sp_store_fetch(p->node.store, &c->front);
	if (c->reasm.span_count && !c->reasm.len)
		sp_store_read_head(p->node.store, &c->front);
}

/*
 * Another proxy may have the whole head and a splice: from a retransmission in a single segment, or
 * from parts of a dead owner's head (takeover.c). Data behind a hole, or retransmitted data, is the
 * sign. Bytes in a hole may have been acknowledged by a proxy that resumed the head: the client
 * never retransmits those. Acknowledged bytes may never produce a sign, so the store is queried
 * each ASK_NS.
 */
void sp_home_ask(struct sp_proxy *p, struct sp_conn *c)
{
	__u64 now_ns = sp_now_ns();
	int is_due = c->acked && now_ns >= c->ask_ns;

	if (!sp_node_is_shared(&p->node) || (!c->is_news && !is_due))
		return;
	c->is_news = 0;
	c->ask_ns = now_ns + ASK_NS;
	sp_store_fetch(p->node.store, &c->front);
	if (c->acked && c->reasm.span_count && sp_node_is_shared(&p->node))
		sp_store_read_head(p->node.store, &c->front);
}
