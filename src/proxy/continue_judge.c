// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* continue_judge.c - whether a FIN or RST is a backend's death, and its request may be repeated */
#include "proxy/continue.h"

static int is_awaited(const struct sp_boundary *b)
{
	return b->bound == SP_BOUND_HEAD || sp_boundary_is_line(*b) ||
	       (b->bound == SP_BOUND_STOP && !(b->reading & SP_READING_ENDED));
}

/* The end is right behind the data. No byte that is skipped is awaited. */
int sp_continue_is_end(const struct sp_entry *down, const struct sp_segment *seg)
{
	__u32 ahead = seg->seq + seg->payload_len - down->state.next_seq;

	return seg->flags & (SP_TCP_RST | SP_TCP_FIN) &&
	       ahead <= (down->state.is_skipping ? SP_FLIGHT_MAX : 0);
}

/* A response is awaited or under way, and both ends are open. */
static int is_death(const struct sp_entry *down, const struct sp_segment *seg)
{
	const struct sp_boundary *b = &down->meta.boundary;
	int is_complete = b->bound == SP_BOUND_STOP && !b->laps && down->state.next_seq == b->until;

	return !seg->payload_len && is_awaited(b) && !is_complete &&
	       !(down->half.flags & SP_HALF_F_FETCHED) &&
	       !(down->state.flags & SP_STATE_ENDS) && sp_continue_is_end(down, seg);
}

int sp_continue_is_part(const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;

	return b->bound != SP_BOUND_HEAD || down->state.next_seq != b->until ||
	       down->state.is_skipping;
}

/* Sequence numbers can't tell more than 2 GiB apart. */
#define SKIP_MAX	(3ULL << 29)

/* Body bytes that have gone to the client. */
static __u64 passed_bytes(const struct sp_kept *kept, const struct sp_entry *down)
{
	const struct sp_boundary *b = &down->meta.boundary;
	__u64 left = (__u64)b->laps * SP_BOUNDARY_LAP + (b->until - down->state.next_seq);

	return down->state.is_skipping || b->bound != SP_BOUND_STOP || left > kept->begun.length ?
	       0 : kept->begun.length - left;
}

/* A further response may go on with the part. */
static enum sp_continue_verdict judge_part(const struct sp_kept *kept, const struct sp_entry *down)
{
	if (!kept->begun.status)
		return SP_CONTINUE_DELIVERED;
	if (!kept->begun.same_len)
		return SP_CONTINUE_NO_VALIDATOR;
	return passed_bytes(kept, down) > SKIP_MAX ? SP_CONTINUE_FAR : SP_CONTINUE_YES;
}

enum sp_continue_verdict sp_continue_judge(const struct sp_kept *kept, const struct sp_entry *up,
					   const struct sp_entry *down,
					   const struct sp_segment *seg, unsigned int tries)
{
	const struct sp_boundary *b = &up->meta.boundary;

	if (!is_death(down, seg))
		return SP_CONTINUE_OTHER;
	if (!kept)
		return SP_CONTINUE_UNKEPT;
	if (kept->why == SP_KEPT_METHOD)
		return SP_CONTINUE_METHOD;
	if (kept->why == SP_KEPT_BODY)
		return SP_CONTINUE_BODY;
	if (b->bound != SP_BOUND_STOP || b->laps || b->until != kept->start + kept->len)
		return SP_CONTINUE_UNKEPT;
	if (kept->deaths >= tries)
		return SP_CONTINUE_TRIES;
	return sp_continue_is_part(down) ? judge_part(kept, down) : SP_CONTINUE_YES;
}
