// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_mode.c - see report_mode.h */
#include "node/report_mode.h"

#include "base/addr.h"
#include "node/mode.h"
#include "node/report_traffic.h"

static int uses_pool(const struct sp_service_conf *service, int pool_idx)
{
	if (service->default_pool_idx == pool_idx)
		return 1;
	for (size_t i = 0; i < service->route_count; i++)
		if (service->routes[i].pool_idx == pool_idx)
			return 1;
	return 0;
}

static json_t *list_listens(const struct sp_service_conf *service)
{
	char text[SP_ENDPOINT_STRLEN];
	json_t *list = json_array();

	for (size_t i = 0; i < service->listen_count; i++)
		json_array_append_new(list,
				      json_string(sp_endpoint_format(&service->listens[i].addr,
								     service->listens[i].port_be,
								     text)));
	return list;
}

static json_t *list_pools(const struct sp_config *config, const struct sp_service_conf *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->pool_count; i++)
		if (uses_pool(service, i))
			json_array_append_new(list, json_string(config->pools[i].name));
	return list;
}

static json_t *count_connections(const struct sp_service_conf *service, struct sp_datapath *dp)
{
	if (!sp_admission_is_limited(&service->admission))
		return json_null();
	return json_integer(sp_datapath_service_connections(dp, service->name));
}

static json_t *max_connections(const struct sp_service_conf *service)
{
	unsigned int max = service->admission.connections;

	return max ? json_integer(max) : json_null();
}

json_t *sp_report_services(const struct sp_node *node)
{
	static const char *const protocols[] = { "http", "tls", "tcp" };
	const struct sp_config *config = node->config;
	json_t *list = json_array();

	for (size_t i = 0; i < config->service_count; i++) {
		const struct sp_service_conf *s = &config->services[i];

		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "name", s->name,
						      "listen", list_listens(s), "protocol",
						      protocols[s->protocol], "mode",
						      sp_mode_name(s->mode), "pools",
						      list_pools(config, s), "connections",
						      count_connections(s, node->dp), "max_connections",
						      max_connections(s), "traffic",
						      sp_report_traffic(&node->traffic, s)));
	}
	return list;
}

unsigned int sp_report_wanted(const struct sp_config *config, size_t pool_idx)
{
	unsigned int wanted = 0;

	for (size_t i = 0; i < config->service_count; i++)
		if (uses_pool(&config->services[i], pool_idx))
			wanted |= 1u << config->services[i].mode;
	return wanted;
}

json_t *sp_report_modes(unsigned int wanted, const struct sp_pool_conf *pool,
			const struct sp_member *agent, const struct sp_endpoint *backend)
{
	json_t *modes = json_object();
	enum sp_mode_reason reason;
	enum sp_mode mode;

	for (int i = 0; i <= SP_MODE_AUTO; i++) {
		if (!(wanted & 1u << i))
			continue;
		mode = sp_mode_choose(i, pool, agent, sp_mode_obstacle_at(agent, backend), &reason);
		json_object_set_new(modes, sp_mode_name(i),
				    json_pack("{s:s, s:s?}", "mode", sp_mode_name(mode), "reason",
					      sp_mode_reason_name(reason)));
	}
	return modes;
}
