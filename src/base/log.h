/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* log.h - messages for operators. Knows nothing of the project. */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdarg.h>

enum sp_log_level { SP_LOG_ERR, SP_LOG_WARN, SP_LOG_INFO, SP_LOG_DEBUG };

/**
 * sp_log_init() - choose where messages go
 * @ident:	program name (borrowed for good)
 * @level:	the most talkative level that is still printed
 *
 * To stderr; with the syslog priority prefixes of sd-daemon(3) when JOURNAL_STREAM says that it
 * is the journal. Control characters in a message are printed as '?'.
 */
void sp_log_init(const char *ident, enum sp_log_level level);

void sp_log(enum sp_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sp_vlog(enum sp_log_level level, const char *fmt, va_list ap);

/* Whether a line of this level is printed, for text that costs something to make. Only log.c writes the level. */
extern enum sp_log_level sp_log_level;
static inline int sp_log_is_on(enum sp_log_level level)
{
	return level <= sp_log_level;
}

/* A call site that packets can trigger: at most @burst lines in 5 s, then how many were suppressed. */
struct sp_log_limit {
	unsigned int		burst;		/* 0: SP_LOG_BURST */
	unsigned int		in_window;
	unsigned int		suppressed;
	unsigned long long	window_start_ns;
};
#define SP_LOG_BURST		5
#define SP_LOG_BURST_DEBUG	10000	/* 2000 a second: a connection is replayed as long as there are no more */
int sp_log_limit_pass(struct sp_log_limit *limit, unsigned int *ret_suppressed);

#define log_err(...)	sp_log(SP_LOG_ERR, __VA_ARGS__)
#define log_warn(...)	sp_log(SP_LOG_WARN, __VA_ARGS__)
#define log_info(...)	sp_log(SP_LOG_INFO, __VA_ARGS__)
/* A debug line that is not printed costs one branch: no argument is evaluated. */
#define log_debug(...)	do { if (sp_log_is_on(SP_LOG_DEBUG)) sp_log(SP_LOG_DEBUG, __VA_ARGS__); } while (0)

/* As above with ": " and the text of @err (0 or a negative or positive errno) at the end. */
void sp_log_errno(enum sp_log_level level, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define log_err_errno(err, ...)		sp_log_errno(SP_LOG_ERR, err, __VA_ARGS__)
#define log_warn_errno(err, ...)	sp_log_errno(SP_LOG_WARN, err, __VA_ARGS__)
#define log_debug_errno(err, ...) \
	do { if (sp_log_is_on(SP_LOG_DEBUG)) sp_log_errno(SP_LOG_DEBUG, err, __VA_ARGS__); } while (0)

#define sp_log_limited(level, most, ...) do {						\
	static struct sp_log_limit limit_ = { .burst = (most) };			\
	unsigned int suppressed_;							\
	if (sp_log_limit_pass(&limit_, &suppressed_)) {					\
		if (suppressed_)							\
			sp_log(level, "(%u more like the next one)", suppressed_);	\
		sp_log(level, __VA_ARGS__);						\
	}										\
} while (0)

#define log_warn_limited(...)	sp_log_limited(SP_LOG_WARN, SP_LOG_BURST, __VA_ARGS__)
#define log_debug_limited(...) \
	do { if (sp_log_is_on(SP_LOG_DEBUG)) sp_log_limited(SP_LOG_DEBUG, SP_LOG_BURST_DEBUG, __VA_ARGS__); } while (0)

#endif
