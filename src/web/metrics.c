// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * metrics.c - see metrics.h. Names follow Prometheus: base units, counters end in _total. Families
 * without samples are left out.
 */
#include "web/metrics.h"

#include <string.h>
#include <time.h>

#include "web/counters.h"
#include "web/sample.h"
#include "web/traffic.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define MS_PER_S	1e3
#define US_PER_S	1e6

/* A number of each row of a list. */
struct column {
	const char	*name, *type, *key;
	double		divisor;
	const char	*help;
};

/* ---- the daemon ---- */

static const struct column daemon_columns[] = {
	{ "spliced_uptime_seconds", "gauge", "uptime_s", 1, "Time since the daemon's start." },
	{ "spliced_ready", "gauge", "ready", 1, "Whether this proxy should be announced." },
	{ "spliced_draining", "gauge", "draining", 1,
	  "Whether an operator has asked this proxy to leave." },
	{ "spliced_in_sync", "gauge", "in_sync", 1, "Whether the splices of the store are known." },
	{ "spliced_connections", "gauge", "splices", 1,
	  "Spliced connections on this machine, with those that were closed lately." },
	{ "spliced_connections_max", "gauge", "splices_max", 1, "Room for spliced connections." },
	{ "spliced_connections_live", "gauge", "connections_live", 1,
	  "Spliced connections that are not closed." },
	{ "spliced_connections_survivable", "gauge", "connections_survivable", 1,
	  "Connections that other proxies could go on with if this machine were gone now." },
	{ "spliced_connections_pending", "gauge", "pending", 1,
	  "Connections without a splice so far." },
};

static void print_daemon(const json_t *status, FILE *out)
{
	sp_family_print(out, "spliced_build_info", "gauge",
			"The version, and the name of this proxy.");
	sp_sample_print(out, "spliced_build_info",
			SP_LABELS("version", sp_text_of(status, "version"), "proxy",
				  sp_text_of(status, "proxy")), 1);
	for (size_t i = 0; i < COUNT(daemon_columns); i++)
		sp_gauge_print(out, daemon_columns[i].name, daemon_columns[i].help,
			       sp_number_of(status, daemon_columns[i].key));
}

/* For each kind the number of warnings in force. */
static void print_warnings(const json_t *warnings, FILE *out)
{
	json_t *kinds = json_object();
	const json_t *warning, *number;
	const char *kind;
	size_t i;

	sp_gauge_print(out, "spliced_warnings", "Warnings in force.", json_array_size(warnings));
	json_array_foreach(warnings, i, warning) {
		kind = sp_text_of(warning, "kind");
		json_object_set_new(kinds, kind, json_real(sp_number_of(kinds, kind) + 1));
	}
	if (json_object_size(kinds))
		sp_family_print(out, "spliced_warnings_by_kind", "gauge",
				"Warnings in force, by kind.");
	json_object_foreach(kinds, kind, number)
		sp_sample_print(out, "spliced_warnings_by_kind", SP_LABELS("kind", kind),
				json_number_value(number));
	json_decref(kinds);
}

/* ---- services ---- */

static const struct column service_columns[] = {
	{ "spliced_service_connections", "gauge", "connections", 1,
	  "Connections of a service with limits." },
	{ "spliced_service_connections_max", "gauge", "max_connections", 1,
	  "Most connections of a service." },
};

static void print_services(const json_t *services, FILE *out)
{
	const json_t *service;
	size_t i;

	for (size_t k = 0; k < COUNT(service_columns); k++) {
		const struct column *c = &service_columns[k];
		int has_head = 0;

		json_array_foreach(services, i, service) {
			if (!json_is_integer(json_object_get(service, c->key)))
				continue;
			if (!has_head++)
				sp_family_print(out, c->name, c->type, c->help);
			sp_sample_print(out, c->name,
					SP_LABELS("service", sp_text_of(service, "name")),
					sp_number_of(service, c->key));
		}
	}
}

/* ---- pools and backends ---- */

typedef void (*print_fn)(FILE *out, const char *name, const char *pool, const json_t *backend,
			 const struct column *column);

/* @print: the samples of a backend */
static void print_family(const json_t *pools, FILE *out, const struct column *column,
			 print_fn print)
{
	const json_t *pool, *backend;
	size_t i, j;

	sp_family_print(out, column->name, column->type, column->help);
	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend)
			print(out, column->name, sp_text_of(pool, "name"), backend, column);
}

static void print_number(FILE *out, const char *name, const char *pool, const json_t *backend,
			 const struct column *column)
{
	sp_sample_print(out, name, SP_LABELS("pool", pool, "backend", sp_text_of(backend, "name")),
			sp_number_of(backend, column->key));
}

static void print_state(FILE *out, const char *name, const char *pool, const json_t *backend,
			const struct column *column)
{
	static const char *const states[] = { "up", "down", "draining" };

	for (size_t i = 0; i < COUNT(states); i++)
		sp_sample_print(out, name,
				SP_LABELS("pool", pool, "backend", sp_text_of(backend, "name"),
					  "state", states[i]),
				!strcmp(states[i], sp_text_of(backend, "state")));
}

static void print_up(FILE *out, const char *name, const char *pool, const json_t *backend,
		     const struct column *column)
{
	sp_sample_print(out, name, SP_LABELS("pool", pool, "backend", sp_text_of(backend, "name")),
			!!strcmp("down", sp_text_of(backend, "state")));
}

/* A sample for each key of @row, with a label */
static void print_keys(FILE *out, const char *name, const char *pool, const json_t *backend,
		       const json_t *row, const char *const *keys, const char *const *values)
{
	for (; *keys; keys++, values++)
		sp_sample_print(out, name,
				SP_LABELS("pool", pool, "backend", sp_text_of(backend, "name"),
					  "result", *values), sp_number_of(row, *keys));
}

static void print_results(FILE *out, const char *name, const char *pool, const json_t *backend,
			  const struct column *column)
{
	static const char *const keys[] = { "connections", "refused", "silent", NULL };
	static const char *const values[] = { "answered", "refused", "silent" };

	print_keys(out, name, pool, backend, backend, keys, values);
}

static void print_checks(FILE *out, const char *name, const char *pool, const json_t *backend,
			 const struct column *column)
{
	static const char *const keys[] = { "passed", "failed", NULL };
	const json_t *check = json_object_get(backend, "check");

	if (json_is_object(check))
		print_keys(out, name, pool, backend, check, keys, keys);
}

/* A number of the last check. */
static void print_check(FILE *out, const char *name, const char *pool, const json_t *backend,
			const struct column *column)
{
	const json_t *check = json_object_get(backend, "check");

	if (json_is_object(check))
		sp_sample_print(out, name,
				SP_LABELS("pool", pool, "backend", sp_text_of(backend, "name")),
				sp_number_of(check, column->key) / column->divisor);
}

static const struct {
	struct column	column;
	print_fn	print;
	int		is_of_check;
} backend_families[] = {
	{ { "spliced_backend_up", "gauge", NULL, 1,
	    "0: new connections avoid the backend, as it is down." }, print_up, 0 },
	{ { "spliced_backend_state", "gauge", NULL, 1, "1 for the state of the backend." },
	  print_state, 0 },
	{ { "spliced_backend_weight", "gauge", "weight", 1, "Share in new connections." },
	  print_number, 0 },
	{ { "spliced_backend_connections", "gauge", "open", 1,
	    "Connections to the backend through this proxy." }, print_number, 0 },
	{ { "spliced_backend_connections_opening", "gauge", "opening", 1,
	    "Connections to the backend without a splice so far." }, print_number, 0 },
	{ { "spliced_backend_connects_total", "counter", NULL, 1,
	    "Connections that this proxy has tried to open, by result." }, print_results, 0 },
	{ { "spliced_backend_checks_total", "counter", NULL, 1,
	    "Checks of the backend, by result." }, print_checks, 1 },
	{ { "spliced_backend_check_duration_seconds", "gauge", "took_ms", MS_PER_S,
	    "Duration of the last check." }, print_check, 1 },
	{ { "spliced_backend_check_changes_total", "counter", "changes", 1,
	    "Changes between up and down by checks." }, print_check, 1 },
};

static int is_any_checked(const json_t *pools)
{
	const json_t *pool, *backend;
	size_t i, j;

	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend)
			if (json_is_object(json_object_get(backend, "check")))
				return 1;
	return 0;
}

static void print_pools(const json_t *pools, FILE *out)
{
	int is_checked = is_any_checked(pools);

	for (size_t i = 0; json_array_size(pools) && i < COUNT(backend_families); i++)
		if (is_checked || !backend_families[i].is_of_check)
			print_family(pools, out, &backend_families[i].column,
				     backend_families[i].print);
}

/* ---- lists of rows with a name ---- */

static void print_column(const json_t *rows, FILE *out, const char *label,
			 const struct column *column)
{
	const json_t *row;
	size_t i;

	sp_family_print(out, column->name, column->type, column->help);
	json_array_foreach(rows, i, row)
		sp_sample_print(out, column->name, SP_LABELS(label, sp_text_of(row, "name")),
				sp_number_of(row, column->key) / column->divisor);
}

/* @down: the state of rows that are not up */
static void print_rows(const json_t *rows, FILE *out, const char *label, const char *family,
		       const char *down, const struct column *columns, size_t count)
{
	const json_t *row;
	size_t i;

	if (!json_array_size(rows))
		return;
	sp_family_print(out, family, "gauge", "0: no answer. The label has its state.");
	json_array_foreach(rows, i, row)
		sp_sample_print(out, family,
				SP_LABELS(label, sp_text_of(row, "name"), "state",
					  sp_text_of(row, "state")),
				!!strcmp(down, sp_text_of(row, "state")));
	for (i = 0; i < count; i++)
		print_column(rows, out, label, &columns[i]);
}

static const struct column server_columns[] = {
	{ "spliced_store_server_latency_seconds", "gauge", "latency_us", US_PER_S,
	  "Time of an answer of a store server." },
	{ "spliced_store_server_in_flight", "gauge", "in_flight", 1,
	  "Commands without an answer." },
	{ "spliced_store_server_commands_total", "counter", "commands", 1, "Commands sent." },
	{ "spliced_store_server_writes_total", "counter", "writes", 1,
	  "System calls that sent commands." },
	{ "spliced_store_server_errors_total", "counter", "errors", 1, "Commands that failed." },
	{ "spliced_store_server_reconnects_total", "counter", "reconnects", 1,
	  "Connections to the server that were lost, and made again." },
};

static const struct column member_columns[] = {
	{ "spliced_member_connections", "gauge", "splices", 1, "Connections that it carries." },
	{ "spliced_member_connections_live", "gauge", "live", 1, "Those that are not closed." },
	{ "spliced_member_connections_survivable", "gauge", "survivable", 1,
	  "Connections that other proxies could go on with if it were gone." },
	{ "spliced_member_silence_seconds", "gauge", "heard_ms", MS_PER_S,
	  "Time since its last message." },
	{ "spliced_member_clock_ahead_seconds", "gauge", "clock_ahead_ms", MS_PER_S,
	  "Its clock less the clock of this proxy." },
};

/* ---- reasons and durations ---- */

static void print_drops(const json_t *reasons, FILE *out)
{
	const json_t *row;
	size_t i;

	if (json_array_size(reasons))
		sp_family_print(out, "spliced_drops_total", "counter",
				"Packets that left the fast path, by reason and fate.");
	json_array_foreach(reasons, i, row)
		if (strcmp(sp_text_of(row, "what"), "-"))
			sp_sample_print(out, "spliced_drops_total",
					SP_LABELS("reason", sp_text_of(row, "name"), "fate",
						  sp_text_of(row, "what")),
					sp_number_of(row, "pkts"));
}

static void print_histogram(const json_t *histogram, const char *name, const char *help, FILE *out)
{
	sp_family_print(out, name, "histogram", help);
	sp_histogram_print(out, name, histogram, NULL);
}

static void print_durations(const json_t *durations, FILE *out)
{
	print_histogram(json_object_get(durations, "connect"), "spliced_connect_duration_seconds",
			"Time from the first SYN to a backend until its SYN-ACK.", out);
	print_histogram(json_object_get(durations, "commit"), "spliced_commit_duration_seconds",
			"Time from a commit to the store until its answer.", out);
	print_histogram(json_object_get(durations, "stall"), "spliced_stall_duration_seconds",
			"Time that a segment of a connection new here waited for the splice.", out);
}

void sp_metrics_print(const json_t *overview, FILE *out)
{
	const json_t *status = json_object_get(overview, "status"),
		*store = json_object_get(status, "store");

	sp_gauge_print(out, "spliced_up", "Whether the daemon answers spliced-web.", !!overview);
	if (!overview)
		return;
	print_daemon(status, out);
	print_warnings(json_object_get(status, "warning_details"), out);
	print_services(json_object_get(status, "services"), out);
	sp_traffic_print(json_object_get(status, "services"), out);
	print_pools(json_object_get(status, "pools"), out);
	print_rows(json_object_get(store, "servers"), out, "server", "spliced_store_server_up",
		   "down", server_columns, COUNT(server_columns));
	print_rows(json_object_get(json_object_get(overview, "cluster"), "members"), out, "member",
		   "spliced_member_up", "dead", member_columns, COUNT(member_columns));
	print_drops(json_object_get(json_object_get(overview, "drops"), "reasons"), out);
	print_durations(json_object_get(status, "durations"), out);
	sp_counters_print(json_object_get(status, "counters"), "spliced", out);
	sp_counters_print(json_object_get(store, "counters"), "spliced_store", out);
}
