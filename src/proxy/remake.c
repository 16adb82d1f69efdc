// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * remake.c - the same rules make the same bytes of a head
 *
 * They go to the same numbers as before, and the backend's TCP drops duplicates.
 */
#include "proxy/remake.h"

#include "proxy/change.h"
#include "proxy/leg.h"

/* The half carries what is held up to its boundary. */
static struct sp_request request_of(const struct sp_conn *c, const struct sp_entry *up)
{
	const struct sp_boundary *b = &up->meta.boundary;
	__u32 bytes = b->until - (c->client.isn_theirs + 1);

	if (b->bound == SP_BOUND_NONE || b->laps || bytes > SP_CONN_BUF)
		bytes = SP_CONN_BUF;
	return (struct sp_request){ .bytes = bytes, .bound = b->bound };
}

/* A reload has changed the rules, and the backend may have a part of the old bytes. */
static struct sp_next give_up(struct sp_proxy *p, struct sp_conn *c)
{
	p->node.counters.changes_refused++;
	sp_leg_break(p, c);
	return sp_next(SP_NEXT_END, "its head would change in another way now");
}

struct sp_next sp_remake_parsed(struct sp_proxy *p, struct sp_conn *c, int pool_idx)
{
	struct sp_entry up;

	if (sp_datapath_get(p->node.dp, &c->front, &up) || !up.meta.change.bytes ||
	    up.meta.client_isn != c->client_isn ||
	    sp_change_start(&up.meta.change) != c->client.isn_theirs + 1)
		return sp_next(SP_NEXT_END, "its splice is gone");
	c->up = up.half;
	c->leg = up.half;
	c->version = up.meta.version;
	c->pool = pool_idx < 0 ? NULL : &c->config->pools[pool_idx];
	if (sp_change_again(c, &up.meta.change))
		return give_up(p, c);
	c->request = request_of(c, &up);
	sp_conn_take_half(c);
	return sp_next(SP_NEXT_DELIVER, "sent again");
}

int sp_remake_resume(struct sp_conn *c, const struct sp_entry *up)
{
	if (!(up->half.flags & SP_HALF_F_REQUESTS) || !up->meta.change.bytes ||
	    sp_change_start(&up->meta.change) != c->client.isn_theirs + 1)
		return 0;
	c->up = up->half;
	c->leg = up->half;
	c->is_again = 1;
	c->is_turn = 1;
	return 1;
}
