/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* recent.h - the last lines of the log, for operators. Like the log, one table for a process. */
#ifndef SP_BASE_RECENT_H
#define SP_BASE_RECENT_H

#include <stddef.h>

#include "abi/ktypes.h"
#include "base/log.h"

#define SP_RECENT_MAX		256
#define SP_RECENT_TEXT_MAX	400	/* a longer line is cut */

/**
 * struct sp_recent - a line
 * @seq:	rising from 1
 * @at_ms:	CLOCK_REALTIME
 * @level:	never SP_LOG_DEBUG
 * @text:	printable ASCII
 */
struct sp_recent {
	__u64			seq;
	__u64			at_ms;
	enum sp_log_level	level;
	char			text[SP_RECENT_TEXT_MAX];
};

/* Keep a line. Lines of debug are not kept. Only for log.c. */
void sp_recent_add(enum sp_log_level level, const char *text, size_t len);

/* The first line that is kept behind @seq; borrowed until the next line. NULL: no more. */
const struct sp_recent *sp_recent_next(__u64 seq);

/* The number of the last line; 0: none. */
__u64 sp_recent_last(void);

#endif
