/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace.h - traces: events of chosen connections, for as long as an operator looks. Without a trace
 * an event costs one branch.
 */
#ifndef SP_NODE_TRACE_H
#define SP_NODE_TRACE_H

#include "control/request.h"

#define SP_TRACES_MAX		4
#define SP_TRACE_LINES		1024	/* of a trace, not yet read by the control socket */
#define SP_TRACE_TEXT_MAX	224

/* Only trace.c writes the number. */
extern unsigned int sp_trace_count;
static inline int sp_trace_is_on(void)
{
	return sp_trace_count > 0;
}

/*
 * Begin a trace. @wanted: borrowed until sp_trace_end(). Return: the number of the trace; -EBUSY: SP_TRACES_MAX
 * traces are on.
 */
int sp_trace_begin(const struct sp_control_request *wanted);
/* The oldest line, taken over by the caller; NULL: no line. */
json_t *sp_trace_next(int trace);
/* Return: how many lines found no room. */
__u64 sp_trace_end(int trace);

/* A line for each trace that wants @about. @what: a constant string. */
void sp_trace(const struct sp_connection_row *about, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
