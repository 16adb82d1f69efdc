// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* continue_judge.c - whether a FIN or RST is a backend's death, and its request may be repeated */
#include "proxy/continue.h"

static int is_awaited(const struct sp_boundary *b)
{
	return b->bound == SP_BOUND_HEAD || sp_boundary_is_line(*b) ||
	       (b->bound == SP_BOUND_STOP && !(b->reading & SP_READING_ENDED));
}

/* A response is awaited or under way, both ends are open, and the end is right behind the data. */
static int is_death(const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;
	int is_complete = b->bound == SP_BOUND_STOP && !b->laps && down->state.next_seq == b->until;

	return seg->flags & (SP_TCP_RST | SP_TCP_FIN) && !seg->payload_len && is_awaited(b) &&
	       !is_complete && !(down->half.flags & SP_HALF_F_FETCHED) &&
	       !(down->state.flags & SP_STATE_ENDS) && seg->seq == down->state.next_seq;
}

/* The client has no byte of the response. */
static int is_untouched(const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return b->bound == SP_BOUND_HEAD && down->state.next_seq == b->until;
}

enum sp_continue_verdict sp_continue_judge(const struct sp_kept *kept, const struct sp_entry *up,
					   const struct sp_entry *down,
					   const struct sp_segment *seg, unsigned int tries)
{
	const struct sp_boundary *b = &up->meta.boundary;

	if (!is_death(down, seg))
		return SP_CONTINUE_OTHER;
	if (!is_untouched(down))
		return SP_CONTINUE_DELIVERED;
	if (!kept)
		return SP_CONTINUE_UNKEPT;
	if (kept->why == SP_KEPT_METHOD)
		return SP_CONTINUE_METHOD;
	if (kept->why == SP_KEPT_BODY)
		return SP_CONTINUE_BODY;
	if (b->bound != SP_BOUND_STOP || b->laps || b->until != kept->start + kept->len)
		return SP_CONTINUE_UNKEPT;
	return kept->deaths >= tries ? SP_CONTINUE_TRIES : SP_CONTINUE_YES;
}
