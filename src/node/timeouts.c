// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* timeouts.c - see timeouts.h */
#include "node/timeouts.h"

#define WALKS	4	/* in the shortest period */

enum sp_splice_kind sp_splice_kind(const struct sp_half *up, const struct sp_boundary *boundary)
{
	return up->flags & SP_HALF_F_REQUESTS && boundary->bound == SP_BOUND_NONE ?
	       SP_SPLICE_TUNNEL : SP_SPLICE_REQUESTS;
}

static __u64 choose_idle(const struct sp_service_conf *service, enum sp_splice_kind kind,
			 __u64 usual_ns)
{
	__u64 idle_ns = service->timeouts.idle_ns ?: usual_ns;
	__u64 tunnel_ns = service->timeouts.tunnel_ns ?: idle_ns;

	if (service->protocol != SP_PROTOCOL_HTTP || kind == SP_SPLICE_TUNNEL)
		return tunnel_ns;
	return kind == SP_SPLICE_EITHER && tunnel_ns < idle_ns ? tunnel_ns : idle_ns;
}

const struct sp_limits_conf *sp_timeouts_of(const struct sp_config *config,
					    const struct sp_limits_conf *limits,
					    const struct sp_tuple *front, enum sp_splice_kind kind,
					    struct sp_limits_conf *own)
{
	const struct sp_service_conf *service;

	if (!config || !config->has_timeouts)
		return limits;
	service = sp_config_service_at(config, front);
	if (!service)
		return limits;
	*own = *limits;
	own->idle_ns = choose_idle(service, kind, limits->idle_ns);
	own->transitory_ns = service->timeouts.half_closed_ns ?: limits->transitory_ns;
	return own;
}

const struct sp_keepalive_conf *sp_keepalive_of(const struct sp_config *config,
						const struct sp_tuple *front)
{
	const struct sp_service_conf *service;

	if (!config || !config->has_keepalive)
		return NULL;
	service = sp_config_service_at(config, front);
	return service && (service->keepalive.client_ns || service->keepalive.backend_ns) ?
	       &service->keepalive : NULL;
}

static const struct sp_keepalive_conf *keepalive_at(const struct sp_config *config,
						    const struct sp_endpoint *at)
{
	static const struct sp_keepalive_conf none;
	const struct sp_tuple front = { .daddr = at->addr, .dport = at->port_be };

	return sp_keepalive_of(config, &front) ?: &none;
}

int sp_keepalive_differs(const struct sp_config *config, const struct sp_config *before)
{
	const struct sp_keepalive_conf *is, *was;

	for (size_t i = 0; config->has_keepalive && i < config->listen_count; i++) {
		is = keepalive_at(config, &config->listens[i].at);
		was = keepalive_at(before, &config->listens[i].at);
		if (is->client_ns != was->client_ns || is->backend_ns != was->backend_ns ||
		    is->count != was->count)
			return 1;
	}
	return 0;
}

static __u64 shorter_ns(__u64 a, __u64 b)
{
	return b && b < a ? b : a;
}

__u64 sp_keepalive_least_ns(const struct sp_config *config)
{
	__u64 least_ns = ~0ULL;

	for (size_t i = 0; i < config->service_count; i++) {
		least_ns = shorter_ns(least_ns, config->services[i].keepalive.client_ns);
		least_ns = shorter_ns(least_ns, config->services[i].keepalive.backend_ns);
	}
	return least_ns;
}

unsigned int sp_keepalive_pause_ms(const struct sp_config *config)
{
	__u64 usual_ns = config->store.kind == SP_STORE_LOCAL ? 5000000000ULL : 1000000000ULL;
	__u64 ns = sp_keepalive_least_ns(config) / WALKS;

	return ns < usual_ns ? ns / 1000000 : 0;
}

__u64 sp_timeouts_ttl_ns(const struct sp_config *config, __u64 usual_ns,
			 const struct sp_tuple *front, enum sp_splice_kind kind)
{
	struct sp_limits_conf own, usual = { .idle_ns = usual_ns };
	__u64 ttl_ns = sp_timeouts_of(config, &usual, front, kind, &own)->idle_ns, lost_ns;
	const struct sp_keepalive_conf *k = sp_keepalive_of(config, front);

	lost_ns = k && k->client_ns ? sp_keepalive_lost_ns(k->client_ns, k->count) : ttl_ns;
	return lost_ns < ttl_ns ? lost_ns : ttl_ns;
}
