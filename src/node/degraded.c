// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* degraded.c - see degraded.h */
#include "node/degraded.h"

#include <stdio.h>

#include "base/log.h"

#define START_NS	2000000000ULL
#define INTERVAL_NS	1000000000ULL
#define SETTLE_NS	300000000ULL	/* three HELLOs */
#define POOLS_MAX	1024	/* of a configuration */

static void add_backend(struct sp_degradation *s, enum sp_mode wanted,
			const struct sp_cluster *cluster, const struct sp_pool_conf *pool,
			const struct sp_backend_conf *backend)
{
	enum sp_mode_reason reason;
	const struct sp_member *agent = sp_cluster_agent_at(cluster, &backend->at);
	enum sp_mode mode = sp_mode_choose(wanted, pool, agent,
					   sp_mode_obstacle_at(agent, &backend->at), &reason);

	s->backends++;
	if (reason == SP_MODE_AS_ASKED)
		return;
	if (!s->lacking++) {
		s->pool = pool;
		s->backend = backend;
		s->mode = mode;
		s->reason = reason;
	}
	s->lacking_hash += sp_name_id(backend->name) * (pool->id | 1) * (2 * reason + 1);
}

static void add_pool(struct sp_degradation *s, enum sp_mode wanted,
		     const struct sp_cluster *cluster, const struct sp_pool_conf *pool)
{
	for (const struct sp_backend_conf *b = pool->backends;
	     b < pool->backends + pool->backend_count; b++)
		if (b->weight)
			add_backend(s, wanted, cluster, pool, b);
}

static struct sp_degradation check_service(const struct sp_config *config,
					   const struct sp_service_conf *service,
					   const struct sp_cluster *cluster)
{
	__u8 is_seen[POOLS_MAX] = { 0 };
	struct sp_degradation s = { 0 };

	if (service->mode != SP_MODE_SPLIT && service->mode != SP_MODE_ADOPT)
		return s;
	if (service->default_pool_idx >= 0)
		is_seen[service->default_pool_idx] = 1;
	for (size_t i = 0; i < service->route_count; i++)
		is_seen[service->routes[i].pool_idx] = 1;
	for (size_t i = 0; i < config->pool_count; i++)
		if (is_seen[i])
			add_pool(&s, service->mode, cluster, &config->pools[i]);
	return s;
}

const char *sp_degradation_format(const struct sp_service_conf *service,
				  const struct sp_degradation *s, char *buf)
{
	if (!s->lacking)
		return NULL;
	snprintf(buf, SP_DEGRADED_STRLEN,
		 "service %s: mode %s can't be had at %u of %u backends; at %s of pool %s "
		 "connections go %s: %s (%s)",
		 service->name, sp_mode_name(service->mode), s->lacking, s->backends,
		 s->backend->name, s->pool->name, sp_mode_name(s->mode),
		 sp_mode_reason_name(s->reason), sp_mode_reason_text(s->reason));
	return buf;
}

static void log_change(const struct sp_service_conf *service, const struct sp_degradation *s)
{
	char text[SP_DEGRADED_STRLEN];

	if (sp_degradation_format(service, s, text))
		log_warn("%s", text);
	else
		log_info("service %s: mode %s at all %u backends", service->name,
			 sp_mode_name(service->mode), s->backends);
}

void sp_degraded_configure(struct sp_degraded *s, const struct sp_config *config, __u64 now_ns)
{
	if (!s->config)
		s->next_ns = now_ns + START_NS;
	*s = (struct sp_degraded){ .config = config, .next_ns = s->next_ns, .is_stale = 1 };
}

void sp_degraded_changed(struct sp_degraded *s, __u64 now_ns)
{
	if (!s->is_stale && s->next_ns < now_ns + SETTLE_NS)
		s->next_ns = now_ns + SETTLE_NS;
	s->is_stale = 1;
}

void sp_degraded_tick(struct sp_degraded *s, const struct sp_cluster *cluster, __u64 now_ns)
{
	if (!s->is_stale || now_ns < s->next_ns)
		return;
	s->is_stale = 0;
	s->next_ns = now_ns + INTERVAL_NS;
	for (size_t i = 0; i < s->config->service_count; i++) {
		const struct sp_service_conf *service = &s->config->services[i];
		struct sp_degradation now = check_service(s->config, service, cluster),
				      *before = &s->of[i];
		int is_news = now.lacking != before->lacking ||
			      now.lacking_hash != before->lacking_hash;

		*before = now;
		if (is_news)
			log_change(service, &now);
	}
}
