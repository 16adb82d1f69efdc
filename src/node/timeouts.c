// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* timeouts.c - see timeouts.h */
#include "node/timeouts.h"

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
