// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_check.c - see report_check.h */
#include "node/report_check.h"

#define NS_PER_MS 1000000

static json_t *make_age(__u64 at_ns, __u64 now_ns)
{
	if (!at_ns)
		return json_null();
	return json_integer(now_ns > at_ns ? (now_ns - at_ns) / NS_PER_MS : 0);
}

static const char *health_state(const struct sp_health *h)
{
	if (!h->is_known)
		return "unknown";
	return h->is_down ? "down" : "up";
}

json_t *sp_report_check(const struct sp_pool_conf *pool, const struct sp_backend *backend,
			__u64 now_ns)
{
	const struct sp_health *h = backend ? &backend->health : NULL;

	if (!h || pool->check.type == SP_CHECK_NONE)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:I, s:I, s:I}", "type",
			 sp_check_type_name(pool->check.type), "state", health_state(h), "reason",
			 h->reason, "took_ms", (int)h->took_ms, "checked_ms",
			 make_age(h->checked_ns, now_ns), "changed_ms",
			 make_age(h->changed_ns, now_ns), "passed", (json_int_t)h->passed,
			 "failed", (json_int_t)h->failed, "changes", (json_int_t)h->changes);
}

json_t *sp_report_checker(const struct sp_checker *checker)
{
	const struct sp_checker_status *s = sp_checker_status(checker);

	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I}", "state",
			 sp_checker_state_name(s->state), "why", s->why, "pid", s->pid, "checks",
			 (int)s->checks, "starts", (int)s->starts, "results",
			 (json_int_t)s->results, "refused", (json_int_t)s->refused);
}
