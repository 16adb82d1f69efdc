/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* head.h - common part of the parsers of a head. Bytes in, verdict out; no I/O, no heap. */
#ifndef SP_L7_HEAD_H
#define SP_L7_HEAD_H

#include <stddef.h>

enum sp_parse_verdict {
	SP_PARSE_INCOMPLETE,	/* a longer input may be good: come again */
	SP_PARSE_OK,
	SP_PARSE_BAD,		/* no continuation can be good */
};

/* A stretch of the parsed input (borrowed from it), not NUL-terminated; @p is NULL when absent. */
struct sp_str {
	const char	*p;
	size_t		len;
};

#endif
