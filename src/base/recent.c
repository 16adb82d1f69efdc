/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* recent.c - see recent.h */
#include "base/recent.h"

#include "base/clock.h"

static struct {
	__u64			last;
	struct sp_recent	lines[SP_RECENT_MAX];
} recent;

static struct sp_recent *line_of(__u64 seq)
{
	return &recent.lines[seq % SP_RECENT_MAX];
}

/* Names may have any bytes, and the lines go to terminals and into JSON. */
static void copy_printable(char *to, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < SP_RECENT_TEXT_MAX - 1; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[i] = 0;
}

void sp_recent_add(enum sp_log_level level, const char *text, size_t len)
{
	struct sp_recent *line;

	if (level == SP_LOG_DEBUG)
		return;
	line = line_of(++recent.last);
	line->seq = recent.last;
	line->at_ms = sp_real_ms();
	line->level = level;
	copy_printable(line->text, text, len);
}

const struct sp_recent *sp_recent_next(__u64 seq)
{
	__u64 first = recent.last > SP_RECENT_MAX ? recent.last - SP_RECENT_MAX + 1 : 1;
	__u64 next = seq + 1 > first ? seq + 1 : first;

	return seq < recent.last ? line_of(next) : NULL;
}

__u64 sp_recent_last(void)
{
	return recent.last;
}
