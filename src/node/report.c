// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* report.c - JSON of the daemon's state; the format is in control/control.h */
#include "node/report.h"

#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "abi/drop.h"
#include "abi/service.h"
#include "abi/stats.h"
#include "base/clock.h"
#include "base/addr.h"
#include "base/log.h"
#include "control/output.h"
#include "node/explain.h"
#include "node/orders.h"
#include "node/report_check.h"
#include "node/report_config.h"
#include "node/report_events.h"
#include "node/trace.h"
#include "node/report_fate.h"
#include "node/report_mode.h"
#include "node/report_names.h"
#include "node/report_pools.h"
#include "node/report_traffic.h"
#include "node/report_warnings.h"

#define NAMES_WAIT_NS	5000000000ULL	/* for the first answers of resolvers, from the start */
#define ROWS_AT_ONCE 1024
#define OVERVIEW_EVENTS 50

static json_t *list_counters(const struct sp_report *r)
{
	const struct sp_cluster_counters *relay = sp_cluster_counters(r->node->cluster);
	const struct sp_node_counters *c = &r->node->counters;
	struct sp_wire_stats wire = sp_wire_stats(r->node->wire);
	json_t *o = json_object();

#define X(name) json_object_set_new(o, #name, json_integer(c->name));
	SP_NODE_COUNTERS(X)
#undef X
#define X(name) json_object_set_new(o, #name, json_integer(relay->name));
	SP_CLUSTER_COUNTERS(X)
#undef X
#define X(up, low, what) json_object_set_new(o, #low, json_integer(sp_datapath_stat(r->node->dp, SP_STAT_##up)));
	SP_STATS(X)
#undef X
	json_object_set_new(o, "sent_pkts", json_integer(wire.sent_pkts));
	json_object_set_new(o, "send_failed_pkts", json_integer(wire.failed_pkts));
	return o;
}

static json_t *list_durations(const struct sp_node_durations *durations)
{
	json_t *o = json_object();

#define X(name, what) json_object_set_new(o, #name, sp_report_histogram(&durations->name));
	SP_NODE_DURATIONS(X)
#undef X
	return o;
}

static json_t *make_server(const struct sp_store_server *s)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "name", s->name,
			 "state", s->state,
			 "why", s->why,
			 "latency_us", (int)s->latency_us, "in_flight", (int)s->in_flight,
			 "commands", (json_int_t)s->commands, "writes", (json_int_t)s->writes,
			 "errors", (json_int_t)s->errors, "nonsense", (json_int_t)s->nonsense,
			 "reconnects", (json_int_t)s->reconnects);
}

static json_t *make_store(struct sp_store *store)
{
	const struct sp_store_counters *c = &store->counters;
	json_t *servers = json_array(), *o = json_object();
	struct sp_store_server server;

	for (unsigned int i = 0; !sp_store_server(store, i, &server); i++)
		json_array_append_new(servers, make_server(&server));
#define X(name) json_object_set_new(o, #name, json_integer(c->name));
	SP_STORE_COUNTERS(X)
#undef X
	return json_pack("{s:s, s:o, s:o}", "engine", sp_store_engine_name(store), "servers",
			 servers, "counters", o);
}

static json_t *make_member(const struct sp_report *r, const struct sp_member *m, int is_self)
{
	__u64 heard_ns = is_self || !m->heard_ns ? 0 : uv_hrtime() - m->heard_ns;
	unsigned int splices = is_self ? sp_datapath_count(r->node->dp)->splices : m->splices,
		     live = is_self ? r->node->ager.live : m->live,
		     survivable = is_self ? r->node->ager.survivable : m->survivable;
	char relay[SP_ENDPOINT_STRLEN];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	sp_endpoint_format(&m->relay.addr, m->relay.port_be, relay);
	return json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:i}", "name", m->name,
			 "relay", relay, "is_self", is_self,
			 "state", is_self || m->is_alive ? sp_member_state_name(m->state) : "dead",
			 "up_s", (json_int_t)(now.tv_sec - m->started_ns / 1000000000),
			 "heard_ms", (json_int_t)(heard_ns / 1000000), "splices",
			 (json_int_t)splices, "live", (json_int_t)live, "survivable",
			 (json_int_t)survivable,
			 "clock_ahead_ms", (json_int_t)m->ahead_ms, "adopts_ecn",
			 !!(m->can & SP_CAN_ECN),
			 "mtu", m->mtu);
}

static json_t *report_cluster(void *ctx)
{
	const struct sp_report *r = ctx;
	const struct sp_cluster *c = r->node->cluster;
	json_t *members = json_array();
	struct sp_member m;

	for (unsigned int i = 0; !sp_cluster_member(c, i, &m); i++)
		json_array_append_new(members, make_member(r, &m, !i));
	return json_pack("{s:o}", "members", members);
}

void sp_report_send_state(const struct sp_report *r)
{
	enum sp_member_state state = r->node->role->is_in_sync(r->node) ? SP_MEMBER_READY
									: SP_MEMBER_SYNCING;

	if (r->is_draining)
		state = SP_MEMBER_DRAINING;
	sp_cluster_set_state(r->node->cluster, r->node->config->is_agent ? SP_MEMBER_AGENT : state);
}

/* Return: a reason why this proxy should get no new connections; NULL: none. */
static const char *unready_reason(const struct sp_report *r)
{
	if (r->is_draining)
		return "draining: splicectl drain-self --undo ends that";
	if (sp_datapath_heartbeat_age_ns(r->node->dp) > SP_HEARTBEAT_STALE_NS)
		return "the daemon's heartbeat is stale: it was stopped, or is overloaded";
	if (r->detached)
		return "an interface is gone, or the datapath is not attached there: see the warnings of status";
	if (!r->node->role->is_in_sync(r->node))
		return "not in sync: the store was not read yet";
	if (sp_now_ns() - r->start_ns < NAMES_WAIT_NS && sp_report_names_wanted(r->node))
		return "a pool has no backend: no name of it was found yet; not waited for longer than 5 s from the start";
	return NULL;
}

static json_t *report_ready(void *ctx)
{
	const char *reason = unready_reason(ctx);

	return json_pack("{s:b, s:s}", "ready", !reason, "reason", reason ?: "");
}

static json_t *set_draining(void *ctx, int is_undo)
{
	struct sp_report *r = ctx;

	if (r->is_draining == is_undo)
		log_info("splicectl drain-self: %s", is_undo ? "undone" :
			 "from now on this proxy is not ready");
	r->is_draining = !is_undo;
	sp_report_send_state(r);
	return json_pack("{s:b}", "draining", r->is_draining);
}

/* Name, readiness and store of this node. Takes over @o. */
static json_t *add_standing(const struct sp_report *r, json_t *o)
{
	const char *reason = unready_reason(r), *name = r->node->config->cluster.name;
	struct sp_member self;
	json_t *more;

	if (!sp_cluster_member(r->node->cluster, 0, &self))
		name = self.name;
	more = json_pack("{s:s?, s:b, s:s, s:b, s:b, s:i, s:i, s:o}", "proxy", name, "ready", !reason,
			 "reason", reason ?:
			 "", "draining", r->is_draining, "in_sync",
			 r->node->role->is_in_sync(r->node),
			 "connections_live", (int)r->node->ager.live, "connections_survivable",
			 (int)r->node->ager.survivable, "store",
			 make_store(r->node->store));
	json_object_update(o, more);
	json_decref(more);
	return o;
}

/* Without the pools. */
static json_t *make_status(const struct sp_report *r)
{
	const struct sp_node *c = r->node;
	json_t *warnings = sp_report_warnings(r->node);

	return add_standing(r, json_pack("{s:s, s:i, s:I, s:s, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, "
			 "s:o}", "version", SP_VERSION,
			 "pid", (int)getpid(), "uptime_s",
			 (json_int_t)((sp_now_ns() - r->start_ns) / 1000000000),
			 "config", r->config_path, "splices",
			 (int)sp_datapath_count(c->dp)->splices,
			 "splices_max", (int)c->config->limits.splices, "pending",
			 (int)r->node->role->pending(r->node),
			 "warnings", sp_report_warning_texts(warnings), "warning_details", warnings,
			 "checker", sp_report_checker(r->checker),
			 "services", sp_report_services(c),
			 "counters", list_counters(r), "durations",
			 list_durations(&c->durations)));
}

static json_t *order_backend(void *ctx, const char *name, const char *order, int is_here)
{
	struct sp_report *r = ctx;

	return *name ? sp_orders_give(r->node, name, order, is_here) :
	       sp_orders_reset(r->node, is_here);
}

static json_t *report_drops(void *ctx)
{
	const struct sp_report *r = ctx;
	char fate[SP_REPORT_FATE_STRLEN];
	json_t *list = json_array();

#define X(up, low, proxy, out, in, why) json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "name", #low, \
		"what", sp_report_fate(SP_DROP_##up, r->node->config->is_agent, fate), "why", why, \
		"pkts", (json_int_t)sp_datapath_drop_count(r->node->dp, SP_DROP_##up)));
	SP_DROP_REASONS(X)
#undef X
	return json_pack("{s:o}", "reasons", list);
}

static const char *pool_name(const struct sp_config *config, __u16 id)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if ((__u16)config->pools[i].id == id)
			return config->pools[i].name;
	return NULL;
}

static const char *service_name(const struct sp_config *config, const struct sp_tuple *front)
{
	const struct sp_service_conf *s = sp_config_service_at(config, front);

	return s ? s->name : NULL;
}

static const char *backend_name(const struct sp_config *config, const struct sp_tuple *back)
{
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			const struct sp_backend_conf *b = &config->pools[i].backends[j];

			if (b->at.port_be == back->dport &&
			    sp_addr_equal(&b->at.addr, &back->daddr))
				return b->name;
		}
	return NULL;
}

static const char *state_name(const struct sp_half_state *u)
{
	if (sp_state_is_closed(u))
		return "closed";
	return u->flags & (SP_STATE_FIN | SP_STATE_PEER_FIN) ? "closing" : "open";
}

static void fill_row(const struct sp_report *r, const struct sp_tuple *key,
		     const struct sp_entry *e, struct sp_connection_row *row)
{
	const struct sp_config *config = r->node->config;
	struct sp_tuple peer_key = sp_tuple_reverse(&e->half.out);
	struct sp_entry peer = {};
	__u64 now_ns = sp_now_ns(), seen_ns = e->state.seen_ns, now_s = time(NULL), idle_ns, age_ns;

	sp_datapath_get(r->node->dp, &peer_key, &peer);
	if (peer.state.seen_ns > seen_ns)
		seen_ns = peer.state.seen_ns;
	idle_ns = now_ns > seen_ns ? now_ns - seen_ns : 0;
	/* the time of a half is its commit's, in seconds */
	age_ns = now_s > e->half.spliced_s ? (now_s - e->half.spliced_s) * 1000000000ULL : 0;
	*row = (struct sp_connection_row){
		.front = *key, .back = e->half.out, .service = service_name(config, key),
		.pool = pool_name(config, e->half.pool_id),
		.backend = backend_name(config, &e->half.out),
		.age_ns = age_ns > idle_ns ? age_ns : idle_ns, .idle_ns = idle_ns,
		.bytes_up = e->state.bytes, .bytes_down = peer.state.bytes,
		.pkts_up = e->state.pkts, .pkts_down = peer.state.pkts,
		.state = state_name(&e->state),
		.exchanges = r->node->role->exchanges ?
			r->node->role->exchanges(r->node, key) : 0,
	};
}

/* @cursor: the map's cursor; bit 32 is set once the walk has begun. */
static int report_connections(void *ctx, __u64 *cursor, struct sp_connection_row *rows, int max,
			      int *is_end)
{
	static struct sp_tuple keys[ROWS_AT_ONCE];
	static struct sp_entry entries[ROWS_AT_ONCE];
	const struct sp_report *r = ctx;
	__u32 at = *cursor;
	int filled = 0, n;

	n = sp_datapath_walk(r->node->dp, &at, !(*cursor >> 32), keys, entries,
			     max < ROWS_AT_ONCE ? max : ROWS_AT_ONCE, is_end);
	if (n < 0)
		return n;
	*cursor = 1ULL << 32 | at;
	for (int i = 0; i < n; i++)
		if (!(entries[i].half.flags & (SP_HALF_F_FROM_BACKEND | SP_HALF_F_TO_DAEMON)))
			fill_row(r, &keys[i], &entries[i], &rows[filled++]);
	return filled;
}

/*
 * The answers to four commands, of one moment: a page with all parts is a single request. The pools
 * come last, in parts, because thousands of backends take longer than packets should wait.
 */
static int begin_status(struct sp_report *r, int is_overview, struct sp_control_output *out)
{
	json_t *others;
	int err = 0;

	if (is_overview) {
		others = json_pack("{s:o, s:o, s:o}", "cluster", report_cluster(r), "drops",
				   report_drops(r), "events",
				   sp_report_events(r, 0, OVERVIEW_EVENTS));
		err = sp_control_output_open(out, others) ?:
			sp_control_output_text(out, ",\"status\":");
	}
	err = err ?: sp_control_output_open(out, make_status(r));
	return err ?: sp_control_output_text(out, ",\"pools\":[");
}

static int report_status(void *ctx, int is_overview, struct sp_control_place *place,
			 struct sp_control_output *out)
{
	struct sp_report *r = ctx;
	int more;

	if (!place->held) {
		place->held = sp_config_get(r->node->config);
		return begin_status(r, is_overview, out) ?: 1;
	}
	more = sp_report_pools(r->node, place, out);
	if (more)
		return more;
	return sp_control_output_text(out, is_overview ? "]}}\n" : "]}\n");
}

static void end_status(void *ctx, struct sp_control_place *place)
{
	sp_config_put(place->held);
}

static json_t *explain_request(void *ctx, const struct sp_control_wish *wish)
{
	const struct sp_report *r = ctx;

	return sp_explain(r->node, wish);
}

/* The datapath follows at once, not at the next heartbeat. */
static int begin_trace(void *ctx, const struct sp_control_request *wanted)
{
	const struct sp_report *r = ctx;
	int trace = r->node->config->is_agent ? -EOPNOTSUPP : sp_trace_begin(wanted);

	sp_datapath_trace(r->node->dp, sp_trace_is_on());
	return trace;
}

static json_t *next_of_trace(void *ctx, int trace)
{
	return sp_trace_next(trace);
}

static __u64 end_trace(void *ctx, int trace)
{
	const struct sp_report *r = ctx;
	__u64 lost = sp_trace_end(trace);

	sp_datapath_trace(r->node->dp, sp_trace_is_on());
	return lost;
}

const struct sp_control_ops sp_report_ops = {
	.status = report_status, .status_ends = end_status, .drops = report_drops, .cluster = report_cluster,
	.ready = report_ready,
	.drain = set_draining, .backend = order_backend, .connections = report_connections,
	.reload = sp_report_reload, .config = sp_report_config,
	.events = sp_report_events,
	.explain = explain_request,
	.trace_begin = begin_trace, .trace_next = next_of_trace, .trace_end = end_trace,
};
