/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* trace.c - see trace.h */
#include "node/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/addr.h"

struct line {
	__u64		at_us;		/* CLOCK_REALTIME */
	struct sp_tuple	front;
	const char	*what;
	char		text[SP_TRACE_TEXT_MAX];
};

/**
 * struct trace - lines wait in a ring
 * @wanted:	NULL: the trace is off
 * @first, @count: of the lines that wait
 * @lost:	lines without room
 */
static struct trace {
	const struct sp_control_request	*wanted;
	unsigned int			first, count;
	__u64				lost;
	struct line			lines[SP_TRACE_LINES];
} traces[SP_TRACES_MAX];

unsigned int sp_trace_count;

int sp_trace_begin(const struct sp_control_request *wanted)
{
	for (int i = 0; i < SP_TRACES_MAX; i++) {
		struct trace *t = &traces[i];

		if (t->wanted)
			continue;
		t->wanted = wanted;
		t->first = t->count = 0;
		t->lost = 0;
		sp_trace_count++;
		return i;
	}
	return -EBUSY;
}

__u64 sp_trace_end(int trace)
{
	struct trace *t = &traces[trace];

	t->wanted = NULL;
	sp_trace_count--;
	return t->lost;
}

json_t *sp_trace_next(int trace)
{
	struct trace *t = &traces[trace];
	const struct line *line = &t->lines[t->first];
	char from[SP_ENDPOINT_STRLEN], to[SP_ENDPOINT_STRLEN];

	if (!t->count)
		return NULL;
	t->first = (t->first + 1) % SP_TRACE_LINES;
	t->count--;
	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "at_us", (json_int_t)line->at_us, "from",
			 sp_endpoint_format(&line->front.saddr, line->front.sport, from), "to",
			 sp_endpoint_format(&line->front.daddr, line->front.dport, to), "what",
			 line->what, "text", line->text);
}

static void add_line(struct trace *t, const struct line *line)
{
	if (t->count == SP_TRACE_LINES) {
		t->lost++;
		return;
	}
	t->lines[(t->first + t->count++) % SP_TRACE_LINES] = *line;
}

/* A byte that is no ASCII text would make the line no JSON. */
static void mask_text(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void sp_trace(const struct sp_connection_row *about, const char *what, const char *fmt, ...)
{
	struct line line = { .front = about->front, .what = what };
	struct timespec ts;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &ts);
	line.at_us = ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
	va_start(ap, fmt);
	vsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);
	mask_text(line.text);
	for (int i = 0; i < SP_TRACES_MAX; i++)
		if (traces[i].wanted && sp_control_request_match(traces[i].wanted, about))
			add_line(&traces[i], &line);
}
