// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/known.h"

#include <string.h>

/* The entry of the half up, if of the same connection. */
static int get_up(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn,
		  struct sp_entry *ret_up)
{
	return !sp_datapath_get(p->node.dp, front, ret_up) &&
	       !(ret_up->half.flags & SP_HALF_F_TO_DAEMON) &&
	       ret_up->meta.client_isn == client_isn;
}

int sp_known_has(struct sp_proxy *p, const struct sp_splice *splice)
{
	struct sp_entry e;

	if (!get_up(p, &splice->front, splice->client_isn, &e))
		return 0;
	if (splice->up.flags & SP_HALF_F_REQUESTS)
		return (__s32)(e.meta.version - splice->version) >= 0;
	return !memcmp(&e.half.out, &splice->up.out, sizeof(e.half.out));
}

/* The same leg: the boundary of the half down stays. */
static int set_boundary(struct sp_proxy *p, const struct sp_splice *splice,
			const struct sp_entry *up)
{
	struct sp_patch patch = {
		.front = splice->front, .client_isn = splice->client_isn, .sets = SP_PATCH_UP,
		.version = up->meta.version, .becomes = splice->version, .up = splice->boundary,
	};

	return sp_datapath_patch(p->node.dp, &patch);
}

static void drop_down(struct sp_proxy *p, const struct sp_entry *up)
{
	struct sp_tuple down_key = sp_tuple_reverse(&up->half.out);

	sp_datapath_del(p->node.dp, &down_key);
}

int sp_known_replace(struct sp_proxy *p, const struct sp_splice *splice)
{
	const struct sp_streams at = { 0 };
	struct sp_entry up;

	if (sp_known_has(p, splice))
		return 0;
	if (get_up(p, &splice->front, splice->client_isn, &up)) {
		if (!memcmp(&up.half.out, &splice->up.out, sizeof(up.half.out)))
			return set_boundary(p, splice, &up);
		drop_down(p, &up);
	}
	return sp_splice_install(p->node.dp, splice, &at, splice->up.spliced_s);
}

static void drop_both(struct sp_proxy *p, const struct sp_tuple *front, const struct sp_entry *up)
{
	drop_down(p, up);
	sp_datapath_del(p->node.dp, front);
}

void sp_known_over(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn)
{
	struct sp_entry up;

	if (get_up(p, front, client_isn, &up) && up.half.flags & SP_HALF_F_REQUESTS)
		drop_both(p, front, &up);
}

void sp_known_moved(struct sp_proxy *p, const struct sp_tuple *front, __u32 client_isn,
		    __u8 version)
{
	struct sp_entry up;

	if (!get_up(p, front, client_isn, &up) || !(up.half.flags & SP_HALF_F_REQUESTS) ||
	    (__s8)(version - up.meta.version) <= 0)
		return;
	drop_both(p, front, &up);
}
