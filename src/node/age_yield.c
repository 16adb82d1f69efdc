// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* age_yield.c - clients that hold many splices give way, while ports or room run short */
#include "node/age_internal.h"

#define SHARE		4	/* divisor: largest part of the table for a client */
#define HOLDS_MORE	16

__u32 sp_ager_held_by(const struct sp_ager *a, const struct sp_addr *client)
{
	return sp_holders_count(&a->holders[a->holders_idx], a->holders_key, client);
}

void sp_ager_made(struct sp_ager *a, const struct sp_addr *client)
{
	for (int i = 0; i < 2; i++)
		sp_holders_add(&a->holders[i], a->holders_key, client);
}

void sp_ager_count_holder(struct sp_ager *a, const struct sp_addr *client)
{
	sp_holders_add(&a->holders[!a->holders_idx], a->holders_key, client);
}

int sp_ager_is_greedy(struct sp_ager *a, const struct sp_addr *client)
{
	return a->is_share_known && sp_ager_is_nearly_full(a) &&
	       sp_ager_held_by(a, client) >= sp_datapath_count(a->dp)->max / SHARE;
}

static int holds_much_more(const struct sp_ager *a, const struct sp_addr *holder,
			   const struct sp_addr *client)
{
	return sp_ager_held_by(a, holder) >= 2 * sp_ager_held_by(a, client) + HOLDS_MORE;
}

static void end_view(struct sp_ager *a, struct sp_view *v)
{
	sp_view_find_up(a, v);
	sp_ager_expire(a, v);
}

int sp_ager_break(struct sp_ager *a, const struct sp_tuple *down_key)
{
	struct sp_view v;
	struct sp_entry e;

	if (!a->expired || sp_view_open(a, down_key, &e, &v) || !sp_entry_is_live(&e) ||
	    sp_view_is_left(a, &v))
		return 0;
	end_view(a, &v);
	return 1;
}

int sp_ager_give_way(struct sp_ager *a, const struct sp_tuple *back, const struct sp_addr *client)
{
	struct sp_tuple key = sp_tuple_reverse(back);
	struct sp_view v;
	struct sp_entry e;

	if (!a->expired || sp_view_open(a, &key, &e, &v) || !sp_entry_is_live(&e) ||
	    !holds_much_more(a, &e.half.out.daddr, client))
		return 0;
	if (sp_view_is_left(a, &v))
		return 0;
	end_view(a, &v);
	return 1;
}
