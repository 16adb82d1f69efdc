// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* server.c - a server is up, or down, and its state */
#include "store/redis/server.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/warnings.h"

#define BACKOFF_MAX_NS	2000000000ULL
#define NONSENSE_NS	10000000000ULL	/* from nonsense to the next attempt */
#define STEADY_NS	1000000000ULL	/* uptime that resets the backoff */

const char *sp_redis_name(const struct sp_redis *r)
{
	return r->conf.server->text;
}

void sp_redis_mark_down(struct sp_redis *r, const char *why)
{
	int was_up = r->stats.state == SP_REDIS_UP;
	__u64 now_ns = uv_hrtime();

	if (was_up && now_ns - r->up_ns >= STEADY_NS)
		r->backoff_ns = SP_REDIS_BACKOFF_NS;
	r->stats.state = SP_REDIS_DOWN;
	r->is_tried = 1;
	r->stats.is_refusing = 0;
	r->latency_ns = 0;
	r->is_probing = 0;
	r->again_ns = now_ns + r->backoff_ns;
	r->backoff_ns = r->backoff_ns * 2 < BACKOFF_MAX_NS ? r->backoff_ns * 2 : BACKOFF_MAX_NS;
	snprintf(r->stats.why, sizeof(r->stats.why), "%s", why ?: "");
	if (why)
		sp_warn(SP_WARNING_STORE_SERVER, now_ns, sp_redis_name(r),
			"store server %s is not in use: %s", sp_redis_name(r), why);
	if (was_up)
		r->conf.events->changed(r->conf.ctx, r->conf.idx, 0);
}

void sp_redis_give_up(struct sp_redis *r, const char *why)
{
	struct sp_redis_link *link = r->link;

	r->link = NULL;
	sp_redis_mark_down(r, why);
	if (link)
		sp_redis_link_close(link);
}

void sp_redis_give_up_nonsense(struct sp_redis *r, const char *why)
{
	r->stats.nonsense++;
	sp_redis_give_up(r, why);
	r->again_ns = uv_hrtime() + NONSENSE_NS;
}

int sp_redis_has_lost_scripts(const char *error)
{
	return !strncmp(error, "NOSCRIPT", 8);
}

void sp_redis_mark_up(struct sp_redis *r, __u64 now_ns)
{
	r->stats.state = SP_REDIS_UP;
	r->is_tried = 1;
	r->stats.reconnects++;
	r->up_ns = now_ns;
	log_info("store server %s: up%s", sp_redis_name(r),
		 r->is_emptied ? ", started anew or emptied: it may have forgotten" : "");
	r->conf.events->changed(r->conf.ctx, r->conf.idx, r->is_emptied);
	r->is_emptied = 0;
}

int sp_redis_is_up(const struct sp_redis *r)
{
	return r->stats.state == SP_REDIS_UP;
}

int sp_redis_takes_writes(const struct sp_redis *r)
{
	return r->stats.state == SP_REDIS_UP && !r->stats.is_refusing;
}

int sp_redis_is_untried(const struct sp_redis *r)
{
	return !r->is_tried;
}

int sp_redis_is_blank(const struct sp_redis *r, __u64 now_ns)
{
	return now_ns < r->blank_ns;
}

__u64 sp_redis_due_ms(const struct sp_redis *r, __u64 now_ns, __u64 in_ns)
{
	return ((__s64)(now_ns / 1000) + r->clock_us) / 1000 + in_ns / 1000000;
}

const char *sp_redis_sha(const struct sp_redis *r, enum sp_script script)
{
	return r->sha[script];
}

const struct sp_redis_stats *sp_redis_stats(const struct sp_redis *r)
{
	return &r->stats;
}
