// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define SECOND_NS 1000000000ULL

static const struct {
	const char	*name, *remedy;
	unsigned int	seconds;
} kinds[] = {
#define X(up, low, seconds_, remedy_) { .name = #low, .remedy = (remedy_), .seconds = (seconds_) },
	SP_WARNINGS(X)
#undef X
};

static struct {
	struct sp_warning	of[SP_WARNINGS_MAX];
	struct sp_log_limit	limit;
} table;

const char *sp_warning_kind_name(enum sp_warning_kind kind)
{
	return kinds[kind].name;
}

const char *sp_warning_kind_remedy(enum sp_warning_kind kind)
{
	return kinds[kind].remedy;
}

/* What comes and goes all the time must not fill the log. */
static int may_log(void)
{
	unsigned int suppressed;

	if (!sp_log_limit_pass(&table.limit, &suppressed))
		return 0;
	if (suppressed)
		log_warn("(%u more warnings came or went)", suppressed);
	return 1;
}

/* Objects are kept as far as they fit, and so compared. */
static struct sp_warning *find_warning(enum sp_warning_kind kind, const char *object)
{
	for (struct sp_warning *w = table.of; w < table.of + SP_WARNINGS_MAX; w++)
		if (w->is_set && w->kind == kind &&
		    !strncmp(w->object, object, sizeof(w->object) - 1))
			return w;
	return NULL;
}

static struct sp_warning *find_free(void)
{
	for (struct sp_warning *w = table.of; w < table.of + SP_WARNINGS_MAX; w++)
		if (!w->is_set)
			return w;
	return NULL;
}

static struct sp_warning *add_warning(enum sp_warning_kind kind, const char *object)
{
	struct sp_warning *w = find_free();

	if (!w)
		return NULL;
	*w = (struct sp_warning){ .kind = kind, .is_set = 1, .since_s = time(NULL) };
	snprintf(w->object, sizeof(w->object), "%s", object);
	return w;
}

static void warn_formatted(const char *remedy, enum sp_warning_kind kind, __u64 now_ns,
			   const char *object, const char *fmt,
		  va_list ap)
{
	struct sp_warning *w = find_warning(kind, object), scratch;
	int is_new = !w;

	w = w ?: add_warning(kind, object) ?: &scratch;
	w->until_ns = kinds[kind].seconds ? now_ns + kinds[kind].seconds * SECOND_NS : 0;
	snprintf(w->remedy, sizeof(w->remedy), "%s", remedy);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	if (is_new && may_log())
		log_warn("%s. Remedy: %s", w->text, w->remedy);
}

void sp_warn(enum sp_warning_kind kind, __u64 now_ns, const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	warn_formatted(kinds[kind].remedy, kind, now_ns, object, fmt, ap);
	va_end(ap);
}

void sp_warn_with(const char *remedy, enum sp_warning_kind kind, __u64 now_ns, const char *object,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	warn_formatted(remedy, kind, now_ns, object, fmt, ap);
	va_end(ap);
}

static void end_warning(struct sp_warning *w)
{
	w->is_set = 0;
	if (may_log())
		log_info("no longer: %s", w->text);
}

void sp_warn_over(enum sp_warning_kind kind, const char *object)
{
	struct sp_warning *w = find_warning(kind, object);

	if (w)
		end_warning(w);
}

void sp_warnings_tick(__u64 now_ns)
{
	for (struct sp_warning *w = table.of; w < table.of + SP_WARNINGS_MAX; w++)
		if (w->is_set && w->until_ns && now_ns >= w->until_ns)
			end_warning(w);
}

const struct sp_warning *sp_warnings_next(const struct sp_warning *at)
{
	for (at = at ? at + 1 : table.of; at < table.of + SP_WARNINGS_MAX; at++)
		if (at->is_set)
			return at;
	return NULL;
}
