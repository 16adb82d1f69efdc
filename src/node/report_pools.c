// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report_pools.c - see report_pools.h */
#include "node/report_pools.h"

#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "control/output.h"
#include "node/backends.h"
#include "node/orders.h"
#include "node/report_check.h"
#include "node/report_mode.h"
#include "node/report_names.h"
#include "node/role.h"

#define PART_NS 1000000

static const char *backend_state(const struct sp_backend_conf *conf, const struct sp_backend *b)
{
	if (!sp_backend_weight(b, conf) || b->order == SP_BACKEND_ORDER_DRAIN)
		return "draining";
	return sp_backend_is_out(b) || b->is_down ? "down" : "up";
}

/* @b: NULL behind a reload that removed the backend */
static json_t *make_backend(const struct sp_pool_conf *pool, const struct sp_backend_conf *conf,
			    const struct sp_backend *b, const struct sp_member *agent,
			    json_t *ordered, json_t *modes)
{
	static const struct sp_backend unknown;
	__u64 now_ns = sp_now_ns(), retry_ns;
	char text[SP_ENDPOINT_STRLEN];

	b = b ?: &unknown;
	retry_ns = b->is_down && b->retry_at_ns > now_ns ? b->retry_at_ns - now_ns : 0;
	return json_pack("{s:s, s:s, s:i, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:i, s:o, s:s, s:o, "
			 "s:o, s:s?, s:s?, s:o}", "name", conf->name, "address", sp_endpoint_format(&conf->at.addr, conf->at.port_be, text),
			 "weight", (int)sp_backend_weight(b, conf), "state", backend_state(conf, b),
			 "retry_ms", (json_int_t)(retry_ns / 1000000), "failures", (int)b->failures,
			 "open", (json_int_t)b->load.connections,
			 "connections", (json_int_t)b->connections, "refused",
			 (json_int_t)b->refused,
			 "silent", (json_int_t)b->silent, "opening",
			 (int)b->opening, "check",
			 sp_report_check(pool, b, now_ns), "order", sp_order_name(b->order),
			 "ordered_weight", sp_order_weight(b->weight), "ordered", ordered, "agent",
			 agent ? agent->name : NULL, "from", conf->origin, "modes", modes);
}

static json_t *report_backend(struct sp_node *n, const struct sp_pool_conf *p, size_t idx,
			      unsigned int wanted)
{
	const struct sp_backends *b = n->role->backends ? n->role->backends(n) : NULL;
	const struct sp_endpoint *at = &p->backends[idx].at;
	const struct sp_member *agent = sp_cluster_agent_at(n->cluster, at);

	return make_backend(p, &p->backends[idx], sp_backends_at(b, p, idx), agent,
			    sp_orders_explain(n, p, idx), sp_report_modes(wanted, p, agent, at));
}

/* Names are looked up for the configuration in effect. */
static int open_pool(struct sp_node *n, const struct sp_config *config, size_t pool_idx,
		     struct sp_control_output *out)
{
	json_t *pool = json_pack("{s:s}", "name", config->pools[pool_idx].name);

	if (pool)
		sp_report_names(n, config == n->config ? pool_idx : SIZE_MAX, pool);
	if (pool_idx && sp_control_output_text(out, ","))
		return -ENOMEM;
	return sp_control_output_open(out, pool) ?:
		sp_control_output_text(out, ",\"backends\":[");
}

/* The rest of a pool, or as many backends as fit into the time. Return: 0 or -errno. */
static int add_backends(struct sp_node *n, struct sp_control_place *place, __u64 until_ns,
			struct sp_control_output *out)
{
	const struct sp_config *config = place->held;
	const struct sp_pool_conf *pool = &config->pools[place->pool];
	unsigned int wanted = sp_report_wanted(config, place->pool);
	int err = 0;

	while (!err && place->item < pool->backend_count && sp_now_ns() < until_ns) {
		if (place->item)
			err = sp_control_output_text(out, ",");
		err = err ?: sp_control_output_json(out, report_backend(n, pool, place->item,
									wanted));
		place->item++;
	}
	return err;
}

static int add_pool(struct sp_node *n, struct sp_control_place *place, __u64 until_ns,
		    struct sp_control_output *out)
{
	const struct sp_config *config = place->held;
	int err = place->is_open ? 0 : open_pool(n, config, place->pool, out);

	place->is_open = 1;
	err = err ?: add_backends(n, place, until_ns, out);
	if (err || place->item < config->pools[place->pool].backend_count)
		return err;
	place->pool++;
	place->item = 0;
	place->is_open = 0;
	return sp_control_output_text(out, "]}");
}

int sp_report_pools(struct sp_node *n, struct sp_control_place *place,
		    struct sp_control_output *out)
{
	const struct sp_config *config = place->held;
	__u64 until_ns = sp_now_ns() + PART_NS;
	int err = 0;

	while (!err && place->pool < config->pool_count && sp_now_ns() < until_ns)
		err = add_pool(n, place, until_ns, out);
	return err ?: place->pool < config->pool_count;
}
