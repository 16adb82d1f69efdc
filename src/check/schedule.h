/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* schedule.h - a heap of checks, the one due next on top. No I/O, no clock. */
#ifndef SP_CHECK_SCHEDULE_H
#define SP_CHECK_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct sp_due {
	uint64_t	at_ms;
	unsigned int	id;
};

/* @room: entries that fit */
struct sp_schedule {
	struct sp_due	*heap;
	size_t		count, room;
};

/* Return: 0 or -ENOMEM. */
int sp_schedule_init(struct sp_schedule *schedule, size_t room);
void sp_schedule_fini(struct sp_schedule *schedule);
/* The caller adds no more than fit. */
void sp_schedule_add(struct sp_schedule *schedule, unsigned int id, uint64_t at_ms);
/* Return: the entry that is due next, borrowed; NULL: empty. */
const struct sp_due *sp_schedule_next(const struct sp_schedule *schedule);
void sp_schedule_pop(struct sp_schedule *schedule);

#endif
