// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/known.h"

#include <string.h>

#include "proxy/access.h"

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

static int is_known(const struct sp_boundary *b)
{
	return b->bound != SP_BOUND_NONE && b->bound != SP_BOUND_UNKNOWN &&
	       b->bound != SP_BOUND_GONE;
}

int sp_known_is_further(const struct sp_boundary *a, const struct sp_boundary *b)
{
	__s64 bytes = (__s32)(a->until - b->until) +
		      ((__s64)sp_boundary_laps(*a) - sp_boundary_laps(*b)) * SP_BOUNDARY_LAP;

	return is_known(a) && (b->bound == SP_BOUND_UNKNOWN || (is_known(b) && bytes > 0));
}

/* A response that was read further here is the same, while more of its request was committed. */
static struct sp_boundary response_of(struct sp_proxy *p, const struct sp_splice *splice,
				      const struct sp_entry *up)
{
	struct sp_tuple down_key = sp_tuple_reverse(&up->half.out);
	struct sp_boundary b = sp_splice_response(splice);
	struct sp_entry down;

	if (b.bound != SP_BOUND_UNKNOWN && !sp_datapath_get(p->node.dp, &down_key, &down) &&
	    sp_known_is_further(&down.meta.boundary, &b))
		return down.meta.boundary;
	return b;
}

/* The same leg. */
static int set_boundaries(struct sp_proxy *p, const struct sp_splice *splice,
			  const struct sp_entry *up)
{
	struct sp_patch patch = {
		.front = splice->front, .client_isn = splice->client_isn,
		.sets = SP_PATCH_UP | SP_PATCH_DOWN | SP_PATCH_FETCHED,
		.version = up->meta.version, .becomes = splice->version, .up = splice->boundary,
		.down = response_of(p, splice, up),
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
	const struct sp_streams at = { .is_logged = sp_access_wants(p, &splice->front) };
	struct sp_entry up;

	if (sp_known_has(p, splice))
		return 0;
	if (get_up(p, &splice->front, splice->client_isn, &up)) {
		if (!memcmp(&up.half.out, &splice->up.out, sizeof(up.half.out)))
			return set_boundaries(p, splice, &up);
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
