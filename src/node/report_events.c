// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_events.c - see report_events.h */
#include "node/report_events.h"

#include "base/recent.h"

static const char *level_name(enum sp_log_level level)
{
	switch (level) {
	case SP_LOG_ERR: return "error";
	case SP_LOG_WARN: return "warning";
	case SP_LOG_INFO: return "info";
	case SP_LOG_DEBUG: return "debug";
	}
	return "";
}

json_t *sp_report_events(void *ctx, __u64 since, __u64 max)
{
	__u64 last = sp_recent_last();
	const struct sp_recent *line;
	json_t *list = json_array();

	if (max && last > max && since < last - max)
		since = last - max;
	while ((line = sp_recent_next(since))) {
		since = line->seq;
		json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:s}", "seq",
						      (json_int_t)line->seq, "at_ms",
						      (json_int_t)line->at_ms, "level",
						      level_name(line->level), "text",
						      line->text));
	}
	return json_pack("{s:o, s:I}", "events", list, "last", (json_int_t)last);
}
