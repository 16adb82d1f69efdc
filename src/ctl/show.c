/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* show.c - the daemon's answers as text for people. A missing field shows as "-" or 0. */
#include <string.h>
#include <time.h>

#include "ctl/show.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static json_int_t int_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static char *format_int(json_int_t value, char *buf)
{
	snprintf(buf, SP_HUMAN_MAX, "%" JSON_INTEGER_FORMAT, value);
	return buf;
}

char *sp_human_bytes(json_int_t bytes, char *buf)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	size_t unit = 0;

	/* 1023.95 would print as 1024.0 */
	while (unit + 1 < COUNT(units) && value >= (unit ? 1023.95 : 1024)) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, SP_HUMAN_MAX, "%.*f%s", unit ? 1 : 0, value, units[unit]);
	return buf;
}

/* The two largest units: more is noise. */
char *sp_human_ms(json_int_t ms, char *buf)
{
	long long s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;

	if (s < 1)
		snprintf(buf, SP_HUMAN_MAX, "%lldms", (long long)ms);
	else if (m < 1)
		snprintf(buf, SP_HUMAN_MAX, "%llds", s);
	else if (h < 1)
		snprintf(buf, SP_HUMAN_MAX, "%lldm%02llds", m, s % 60);
	else if (d < 1)
		snprintf(buf, SP_HUMAN_MAX, "%lldh%02lldm", h, m % 60);
	else
		snprintf(buf, SP_HUMAN_MAX, "%lldd%02lldh", d, h % 24);
	return buf;
}

/* ---- status ---- */

static int is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void show_splices(const json_t *object, FILE *out)
{
	json_int_t splices = int_of(object, "splices"), max = int_of(object, "splices_max");

	fprintf(out, "  splices     %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " (%.1f %%)\n", splices, max,
		max ? 100.0 * splices / max : 0.0);
	fprintf(out, "  survivable  %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " live\n",
		int_of(object, "connections_survivable"), int_of(object, "connections_live"));
	fprintf(out, "  pending     %" JSON_INTEGER_FORMAT "\n", int_of(object, "pending"));
}

/* No line if no pool has checks. */
static void show_checker(const json_t *checker, FILE *out)
{
	const char *state = text_of(checker, "state");

	if (!int_of(checker, "checks"))
		return;
	fprintf(out, "  checks      %" JSON_INTEGER_FORMAT ", ", int_of(checker, "checks"));
	if (!strcmp(state, "running"))
		fprintf(out, "by spliced-check, pid %" JSON_INTEGER_FORMAT "\n", int_of(checker, "pid"));
	else
		fprintf(out, "SPLICED-CHECK DOES NOT RUN: %s\n", *text_of(checker, "why") ?
			text_of(checker, "why") : state);
}

static void show_head(const json_t *object, FILE *out)
{
	const char *engine = text_of(json_object_get(object, "store"), "engine");
	int is_ready = is_true(object, "ready");
	char up[SP_HUMAN_MAX];

	fprintf(out, "spliced %s, pid %" JSON_INTEGER_FORMAT ", up %s, %s\n",
		text_of(object, "version"),
		int_of(object, "pid"), sp_human_ms(int_of(object, "uptime_s") * 1000, up),
		is_ready ? "ready" : "NOT READY");
	if (!is_ready)
		fprintf(out, "  because     %s\n", text_of(object, "reason"));
	fprintf(out, "  proxy       %s\n", text_of(object, "proxy"));
	fprintf(out, "  config      %s\n", text_of(object, "config"));
	fprintf(out, "  store       %s, %s\n", engine, is_true(object, "in_sync") ? "in sync" :
		"NOT IN SYNC");
	show_splices(object, out);
	show_checker(json_object_get(object, "checker"), out);
}

static void show_since(json_int_t since, FILE *out)
{
	time_t at = since;
	char text[32];
	struct tm tm;

	if (since && gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%F %TZ", &tm))
		fprintf(out, "  since:  %s\n", text);
}

static void show_warnings(const json_t *warnings, FILE *out)
{
	const json_t *warning;
	size_t i;

	if (json_array_size(warnings))
		fputs("\nWARNINGS\n", out);
	json_array_foreach(warnings, i, warning) {
		fprintf(out, "WARNING: %s\n", text_of(warning, "text"));
		show_since(int_of(warning, "since"), out);
		fprintf(out, "  remedy: %s\n", text_of(warning, "remedy"));
	}
}

/* A blank line between tables; none for a table without rows. */
static void print_section(struct sp_table *table, FILE *out)
{
	if (table->row_count)
		fputc('\n', out);
	sp_table_print(table, out);
}

static void show_store(const json_t *servers, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "STORE SERVER", 0 }, { "STATE", 0 }, { "LATENCY", 1 }, { "IN FLIGHT", 1 },
		{ "COMMANDS", 1 },     { "ERRORS", 1 }, { "RECONNECTS", 1 },
	};
	char latency[SP_HUMAN_MAX + 2], numbers[4][SP_HUMAN_MAX];
	const json_t *server;
	struct sp_table table;
	size_t i;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(servers, i, server) {
		const char *cells[] = {
			text_of(server, "name"),
			text_of(server, "state"),
			latency,
			format_int(int_of(server, "in_flight"), numbers[0]),
			format_int(int_of(server, "commands"), numbers[1]),
			format_int(int_of(server, "errors"), numbers[2]),
			format_int(int_of(server, "reconnects"), numbers[3]),
		};

		snprintf(latency, sizeof(latency), "%" JSON_INTEGER_FORMAT "us",
			 int_of(server, "latency_us"));
		sp_table_add(&table, cells, out);
	}
	print_section(&table, out);
}

/* "12", "12 of 100", or "-" where they are not counted. @buf: CONNECTIONS_MAX bytes, returned */
#define CONNECTIONS_MAX	(2 * SP_HUMAN_MAX + 4)
static char *format_connections(const json_t *service, char *buf)
{
	char connections[SP_HUMAN_MAX], max[SP_HUMAN_MAX];

	if (!json_is_integer(json_object_get(service, "connections")))
		return strcpy(buf, "-");
	format_int(int_of(service, "connections"), connections);
	if (!int_of(service, "max_connections"))
		return strcpy(buf, connections);
	snprintf(buf, CONNECTIONS_MAX, "%s of %s", connections,
		 format_int(int_of(service, "max_connections"), max));
	return buf;
}

static void show_services(const json_t *services, FILE *out)
{
	static const struct sp_column columns[] = { { "SERVICE", 0 }, { "PROTOCOL", 0 },
						    { "MODE", 0 }, { "CONNECTIONS", 0 },
						    { "LISTEN", 0 } };
	char connections[CONNECTIONS_MAX];
	const json_t *service, *listen;
	struct sp_table table;
	size_t i, j;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(services, i, service) {
		const char *cells[] = { text_of(service, "name"), text_of(service, "protocol"),
					text_of(service, "mode"),
					format_connections(service, connections), NULL };

		/* a line for each further address, below the first */
		json_array_foreach(json_object_get(service, "listen"), j, listen) {
			cells[4] = json_string_value(listen);
			sp_table_add(&table, cells, out);
			cells[0] = cells[1] = cells[2] = cells[3] = "";
		}
	}
	print_section(&table, out);
}

/* Whether there are modes to show: without an agent, and without a wish for one, all is whole. */
static int is_mode_known(const char *wanted, const json_t *backend)
{
	return !strcmp(wanted, "split") || !strcmp(wanted, "adopt") ||
	       json_is_string(json_object_get(backend, "agent"));
}

static void add_modes(struct sp_table *table, const json_t *service, const json_t *pool, FILE *out)
{
	const char *wanted = text_of(service, "mode");
	const json_t *backend;
	size_t i;

	json_array_foreach(json_object_get(pool, "backends"), i, backend) {
		const json_t *modes = json_object_get(backend, "modes"),
			*mode = json_object_get(modes, wanted);
		const char *cells[] = {
			text_of(service, "name"), wanted, text_of(pool, "name"),
				text_of(backend, "name"),
			text_of(backend, "agent"), text_of(mode, "mode"), text_of(mode, "reason"),
		};

		if (is_mode_known(wanted, backend))
			sp_table_add(table, cells, out);
	}
}

static int has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (!strcmp(json_string_value(item), text))
			return 1;
	return 0;
}

static void show_modes(const json_t *object, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "SERVICE", 0 }, { "MODE", 0 }, { "POOL", 0 }, { "BACKEND", 0 }, { "AGENT", 0 },
			{ "IN EFFECT", 0 },
		{ "BECAUSE", 0 },
	};
	const json_t *service, *pool;
	struct sp_table table;
	size_t i, j;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(json_object_get(object, "services"), i, service)
		json_array_foreach(json_object_get(object, "pools"), j, pool)
			if (has_text(json_object_get(service, "pools"), text_of(pool, "name")))
				add_modes(&table, service, pool, out);
	print_section(&table, out);
}

static void add_backend(struct sp_table *table, const char *pool, const json_t *backend, FILE *out)
{
	char weight[SP_HUMAN_MAX], failures[SP_HUMAN_MAX], open[SP_HUMAN_MAX];
	char connections[SP_HUMAN_MAX], refused[SP_HUMAN_MAX], silent[SP_HUMAN_MAX];
	const char *cells[] = {
		pool,
		text_of(backend, "name"),
		text_of(backend, "address"),
		text_of(backend, "state"),
		format_int(int_of(backend, "weight"), weight),
		format_int(int_of(backend, "failures"), failures),
		format_int(int_of(backend, "open"), open),
		format_int(int_of(backend, "connections"), connections),
		format_int(int_of(backend, "refused"), refused),
		format_int(int_of(backend, "silent"), silent),
	};

	sp_table_add(table, cells, out);
}

static void show_pools(const json_t *pools, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "POOL", 0 },     { "BACKEND", 0 },     { "ADDRESS", 0 }, { "STATE", 0 },
			 { "WEIGHT", 1 },
		{ "FAILURES", 1 }, { "OPEN", 1 }, { "CONNECTIONS", 1 }, { "REFUSED", 1 },
			 { "SILENT", 1 },
	};
	const json_t *pool, *backend;
	struct sp_table table;
	size_t i, j;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(pools, i, pool) {
		const char *name = text_of(pool, "name");

		json_array_foreach(json_object_get(pool, "backends"), j, backend) {
			add_backend(&table, name, backend, out);
			name = "";
		}
	}
	print_section(&table, out);
}

static void show_counters(const char *title, json_t *counters, FILE *out)
{
	const struct sp_column columns[] = { { title, 0 }, { "VALUE", 1 } };
	char value[SP_HUMAN_MAX];
	struct sp_table table;
	const json_t *number;
	const char *name;

	sp_table_init(&table, columns, COUNT(columns));
	json_object_foreach(counters, name, number) {
		const char *cells[] = { name, format_int(json_integer_value(number), value) };

		sp_table_add(&table, cells, out);
	}
	print_section(&table, out);
}

void sp_show_status(const json_t *object, FILE *out)
{
	const json_t *store = json_object_get(object, "store");

	show_head(object, out);
	show_warnings(json_object_get(object, "warning_details"), out);
	show_services(json_object_get(object, "services"), out);
	show_modes(object, out);
	show_pools(json_object_get(object, "pools"), out);
	show_store(json_object_get(store, "servers"), out);
	if (json_array_size(json_object_get(store, "servers")))
		show_counters("STORE COUNTER", json_object_get(store, "counters"), out);
	show_counters("COUNTER", json_object_get(object, "counters"), out);
}

/* ---- checks ---- */

static const char *format_age(const json_t *check, const char *key, char *buf)
{
	const json_t *age = json_object_get(check, key);

	return json_is_integer(age) ? sp_human_ms(json_integer_value(age), buf) : NULL;
}

static void add_check(struct sp_table *table, const char *pool, const json_t *backend, FILE *out)
{
	const json_t *check = json_object_get(backend, "check");
	char took[SP_HUMAN_MAX], checked[SP_HUMAN_MAX], changed[SP_HUMAN_MAX];
	char numbers[3][SP_HUMAN_MAX];
	const char *cells[] = {
		pool, text_of(backend, "name"), text_of(check, "type"), text_of(check, "state"),
		format_age(check, "changed_ms", changed), format_age(check, "checked_ms", checked),
		sp_human_ms(int_of(check, "took_ms"), took),
		format_int(int_of(check, "passed"), numbers[0]),
		format_int(int_of(check, "failed"), numbers[1]),
		format_int(int_of(check, "changes"), numbers[2]),
		text_of(check, "reason"),
	};

	sp_table_add(table, cells, out);
}

void sp_show_checks(const json_t *object, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "POOL", 0 }, { "BACKEND", 0 }, { "CHECK", 0 }, { "STATE", 0 }, { "SINCE", 1 },
		{ "LAST", 1 }, { "TOOK", 1 }, { "PASSED", 1 }, { "FAILED", 1 }, { "CHANGES", 1 },
		{ "RESULT", 0 },
	};
	const json_t *pool, *backend;
	struct sp_table table;
	size_t i, j, count = 0;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(json_object_get(object, "pools"), i, pool)
		json_array_foreach(json_object_get(pool, "backends"), j, backend) {
			if (!json_is_object(json_object_get(backend, "check")))
				continue;
			add_check(&table, text_of(pool, "name"), backend, out);
			count++;
		}
	sp_table_print(&table, out);
	if (!count)
		fputs("no pool has a check\n", out);
}

/* ---- cluster ---- */

void sp_show_cluster(const json_t *object, FILE *out)
{
	static const struct sp_column columns[] = {
		{ "PROXY", 0 }, { "RELAY", 0 }, { "STATE", 0 }, { "UP", 1 }, { "HEARD", 1 },
			{ "SPLICES", 1 },
	};
	char up[SP_HUMAN_MAX], heard[SP_HUMAN_MAX], splices[SP_HUMAN_MAX];
	struct sp_table table;
	const json_t *member;
	size_t i;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(json_object_get(object, "members"), i, member) {
		const char *cells[] = {
			text_of(member, "name"),
			text_of(member, "relay"),
			text_of(member, "state"),
			sp_human_ms(int_of(member, "up_s") * 1000, up),
			is_true(member, "is_self") ? NULL :
			sp_human_ms(int_of(member, "heard_ms"), heard),
			format_int(int_of(member, "splices"), splices),
		};

		sp_table_add(&table, cells, out);
	}
	sp_table_print(&table, out);
	if (!i)
		fputs("no cluster is configured\n", out);
}

/* ---- drops ---- */

void sp_show_drops(const json_t *object, int is_all, FILE *out)
{
	static const struct sp_column columns[] = { { "REASON", 0 }, { "PKTS", 1 }, { "FATE", 0 },
						    { "WHY", 0 } };
	char pkts[SP_HUMAN_MAX];
	struct sp_table table;
	const json_t *reason;
	int is_empty = 1;
	size_t i;

	sp_table_init(&table, columns, COUNT(columns));
	json_array_foreach(json_object_get(object, "reasons"), i, reason) {
		const char *cells[] = {
			text_of(reason, "name"),
			format_int(int_of(reason, "pkts"), pkts),
			text_of(reason, "what"),
			text_of(reason, "why"),
		};

		if (!is_all && !int_of(reason, "pkts"))
			continue;
		sp_table_add(&table, cells, out);
		is_empty = 0;
	}
	sp_table_print(&table, out);
	if (is_empty)
		fputs("no packet has left the fast path\n", out);
}

/* ---- connections ---- */

static const struct sp_column connection_columns[] = {
	{ "CLIENT", 0 }, { "VIP", 0 }, { "PROXY", 0 }, { "BACKEND", 0 }, { "SERVICE", 0 },
		{ "POOL", 0 },
	{ "NAME", 0 }, { "STATE", 0 }, { "AGE", 1 }, { "IDLE", 1 }, { "UP", 1 }, { "DOWN", 1 },
		{ "REQUESTS", 1 },
};

void sp_show_connections_init(struct sp_table *table)
{
	sp_table_init(table, connection_columns, COUNT(connection_columns));
}

/* The name of a backend, where it says more than its address. */
static const char *backend_name(const json_t *row, const char *address)
{
	const char *name = text_of(row, "backend");

	return strcmp(name, address) ? name : "-";
}

void sp_show_connection(struct sp_table *table, const json_t *row, FILE *out)
{
	const json_t *front = json_object_get(row, "front"), *back = json_object_get(row, "back");
	char age[SP_HUMAN_MAX], idle[SP_HUMAN_MAX], up[SP_HUMAN_MAX], down[SP_HUMAN_MAX];
	const json_t *exchanges = json_object_get(row, "exchanges");
	char count[SP_HUMAN_MAX] = "-";
	const char *cells[] = {
		text_of(front, "from"),
		text_of(front, "to"),
		text_of(back, "from"),
		text_of(back, "to"),
		text_of(row, "service"),
		text_of(row, "pool"),
		backend_name(row, text_of(back, "to")),
		text_of(row, "state"),
		sp_human_ms(int_of(row, "age_ms"), age),
		sp_human_ms(int_of(row, "idle_ms"), idle),
		sp_human_bytes(int_of(row, "bytes_up"), up),
		sp_human_bytes(int_of(row, "bytes_down"), down),
		count,
	};

	if (json_is_integer(exchanges))
		snprintf(count, sizeof(count), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(exchanges));
	sp_table_add(table, cells, out);
}

void sp_show_connections_end(const json_t *end, FILE *out)
{
	json_int_t shown = int_of(end, "shown"), seen = int_of(end, "total_seen");

	if (json_is_true(json_object_get(end, "more")))
		fprintf(out, "splicectl: there are more than these %" JSON_INTEGER_FORMAT "; --limit 0 shows all\n",
			shown);
	else if (!shown)
		fprintf(out, "splicectl: none of %" JSON_INTEGER_FORMAT " connections\n", seen);
}
