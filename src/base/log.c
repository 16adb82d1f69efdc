/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* log.c - messages for operators, one line and one write(2) each. */
#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/recent.h"

#define LINE_MAX_BYTES	1024
#define LIMIT_WINDOW_NS	5000000000ULL

static struct {
	const char		*ident;
	bool			is_journal;
} log_to = { .ident = "" };

enum sp_log_level sp_log_level = SP_LOG_INFO;

/*
 * Every child of a unit inherits the variable: stderr is the journal only if the variable names it.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == inode;
}

void sp_log_init(const char *ident, enum sp_log_level level)
{
	log_to.ident = ident;
	sp_log_level = level;
	log_to.is_journal = stderr_is_journal();
}

static const char *level_prefix(enum sp_log_level level)
{
	switch (level) {
	case SP_LOG_ERR: return log_to.is_journal ? "<3>" : "error: ";
	case SP_LOG_WARN: return log_to.is_journal ? "<4>" : "warning: ";
	case SP_LOG_INFO: return log_to.is_journal ? "<6>" : "";
	case SP_LOG_DEBUG: return log_to.is_journal ? "<7>" : "debug: ";
	}
	return "";
}

/* Bytes that snprintf() put into @room, not the length it wished for. */
static size_t bytes_written(int n, size_t room)
{
	if (n < 0)
		return 0;
	return (size_t)n < room ? (size_t)n : room - 1;
}

/* Texts may hold bytes of a peer, which must not begin a line or steer a terminal. */
static void mask_controls(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	}
}

static void write_line(enum sp_log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	bool is_named = !log_to.is_journal && log_to.ident[0];
	size_t len, begin, room = sizeof(line) - 1; /* the last byte is the newline's */

	len = bytes_written(snprintf(line, room, "%s%s%s", is_named ? log_to.ident : "",
			       is_named ? ": " : "", level_prefix(level)), room);
	begin = len;
	len += bytes_written(vsnprintf(line + len, room - len, fmt, ap), room - len);
	mask_controls(line, len);
	sp_recent_add(level, line + begin, len - begin);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody left to tell */
}

void sp_vlog(enum sp_log_level level, const char *fmt, va_list ap)
{
	int saved = errno;

	if (sp_log_is_on(level))
		write_line(level, fmt, ap);
	errno = saved;
}

void sp_log(enum sp_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sp_vlog(level, fmt, ap);
	va_end(ap);
}

void sp_log_errno(enum sp_log_level level, int err, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int saved = errno;
	va_list ap;

	if (!sp_log_is_on(level))
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = 0;
	va_end(ap);
	sp_log(level, "%.900s: %s", text, strerror(abs(err)));
	errno = saved;
}

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int sp_log_limit_pass(struct sp_log_limit *limit, unsigned int *ret_suppressed)
{
	unsigned long long now = now_ns();

	if (now - limit->window_start_ns >= LIMIT_WINDOW_NS) {
		limit->window_start_ns = now;
		limit->in_window = 0;
	}
	if (limit->in_window >= (limit->burst ? limit->burst : SP_LOG_BURST)) {
		limit->suppressed++;
		return 0;
	}
	limit->in_window++;
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	return 1;
}
