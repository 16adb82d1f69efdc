// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/reader.h"

#include "proxy/home.h"

int sp_reader_is_here(const struct sp_proxy *p, const struct sp_tuple *front,
		      const struct sp_half *up)
{
	if (p->is_sent_here || !sp_node_is_shared(&p->node) || sp_home_owns(p, &up->out.saddr))
		return 1;
	return !sp_cluster_has_owner(p->node.cluster, &up->out.saddr) &&
	       sp_cluster_is_home(p->node.cluster, front);
}

void sp_reader_send(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_half *up,
		    enum sp_event_kind kind, const struct sp_segment *seg)
{
	p->node.counters.sent_to_reader++;
	if (sp_cluster_tell_owner_of(p->node.cluster, &up->out.saddr, kind, seg))
		sp_cluster_tell_home_of(p->node.cluster, front, kind, seg);
}
