// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* schedule.c - see schedule.h */
#include "check/schedule.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int sp_schedule_init(struct sp_schedule *s, size_t room)
{
	*s = (struct sp_schedule){ .room = room };
	s->heap = calloc(room + 1, sizeof(*s->heap));
	return s->heap ? 0 : -ENOMEM;
}

void sp_schedule_fini(struct sp_schedule *s)
{
	free(s->heap);
	*s = (struct sp_schedule){};
}

static void swap_entries(struct sp_schedule *s, size_t i, size_t k)
{
	struct sp_due entry = s->heap[i];

	s->heap[i] = s->heap[k];
	s->heap[k] = entry;
}

static int is_before(const struct sp_schedule *s, size_t i, size_t k)
{
	return s->heap[i].at_ms < s->heap[k].at_ms;
}

void sp_schedule_add(struct sp_schedule *s, unsigned int id, uint64_t at_ms)
{
	size_t i = s->count++;

	assert(s->count <= s->room);
	s->heap[i] = (struct sp_due){ at_ms, id };
	for (; i && is_before(s, i, (i - 1) / 2); i = (i - 1) / 2)
		swap_entries(s, i, (i - 1) / 2);
}

const struct sp_due *sp_schedule_next(const struct sp_schedule *s)
{
	return s->count ? &s->heap[0] : NULL;
}

void sp_schedule_pop(struct sp_schedule *s)
{
	size_t i = 0, child;

	assert(s->count);
	s->heap[0] = s->heap[--s->count];
	while ((child = 2 * i + 1) < s->count) {
		if (child + 1 < s->count && is_before(s, child + 1, child))
			child++;
		if (!is_before(s, child, i))
			break;
		swap_entries(s, i, child);
		i = child;
	}
}
