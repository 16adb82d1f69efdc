// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* health.c - see health.h */
#include "node/health.h"

#include <stdio.h>

/* Results in a row that change the state. */
static unsigned int needed_streak(const struct sp_health *h, unsigned int rise, unsigned int fall)
{
	if (h->is_down)
		return rise;
	return h->is_known ? fall : 1;
}

int sp_health_add(struct sp_health *h, const struct sp_health_result *result, unsigned int rise,
		  unsigned int fall, __u64 now_ns)
{
	unsigned int needed = needed_streak(h, rise, fall);

	h->is_known = 1;
	h->took_ms = result->took_ms;
	h->checked_ns = now_ns;
	h->passed += result->is_passed;
	h->failed += !result->is_passed;
	snprintf(h->reason, sizeof(h->reason), "%.*s", SP_HEALTH_REASON_MAX - 1, result->reason);
	h->streak = result->is_passed == h->is_down ? h->streak + 1 : 0;
	if (h->streak < needed)
		return 0;
	h->is_down = !h->is_down;
	h->streak = 0;
	h->changes++;
	h->changed_ns = now_ns;
	return 1;
}
