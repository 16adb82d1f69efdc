/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* print.c - the normal form of a configuration: every default spelled out, keys in one order. */
#include "config/check.h"
#include "config/section.h"
#include "config/value.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/addr.h"

static void print_endpoint(const struct sp_endpoint *at, FILE *out)
{
	char text[SP_ENDPOINT_STRLEN];

	sp_print_text(sp_endpoint_format(&at->addr, at->port_be, text), out);
}

static void print_interfaces(const struct sp_config *config, FILE *out)
{
	fputs("interfaces: [", out);
	for (size_t i = 0; i < config->interface_count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(config->interfaces[i], out);
	}
	fputs("]\n", out);
}

static void print_source(const struct sp_config *config, FILE *out)
{
	char text[SP_ADDR_STRLEN];

	fputs("source:\n  addresses: [", out);
	for (size_t i = 0; i < config->snat_count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(sp_addr_format(&config->snat_addrs[i], text), out);
	}
	fprintf(out, "]\n  ports: %u-%u\n", config->snat_port_first, config->snat_port_last);
}

/* A comment for the reader of the file. RFC 5382, REQ-5: shorter time-outs cut live connections. */
#define IDLE_LEAST_NS		(124 * SP_MINUTE_NS)
#define TRANSITORY_LEAST_NS	(4 * SP_MINUTE_NS)

static const char *idle_comment(const struct sp_limits_conf *limits)
{
	if (limits->idle_ns >= IDLE_LEAST_NS)
		return "";
	return "  # warning: less than 124m: a keepalive of 2 h, the default of most systems, comes too late";
}

static const char *transitory_comment(const struct sp_limits_conf *limits)
{
	if (limits->transitory_ns >= TRANSITORY_LEAST_NS)
		return "";
	return "  # warning: less than 4m: TCP may repeat what is not acknowledged after 2 minutes of silence";
}

static void print_limits(const struct sp_limits_conf *limits, FILE *out)
{
	char text[SP_QUANTITY_STRLEN];

	fprintf(out, "limits:\n  splices: %u\n  pending: %u\n  sources: %u\n",
		limits->splices, limits->pending, limits->sources);
	fprintf(out, "  head_size: %s\n", sp_size_format(limits->head_bytes, text));
	fprintf(out, "  held: %s\n", sp_size_format(limits->held_bytes, text));
	fprintf(out, "  head_time: %s\n", sp_time_format(limits->head_ns, text));
	fprintf(out, "  connect_time: %s\n", sp_time_format(limits->connect_ns, text));
	fprintf(out, "  tries: %u\n", limits->tries);
	fprintf(out, "  idle: %s%s\n", sp_time_format(limits->idle_ns, text), idle_comment(limits));
	fprintf(out, "  transitory: %s%s\n", sp_time_format(limits->transitory_ns, text),
		transitory_comment(limits));
	fprintf(out, "  closed: %s\n", sp_time_format(limits->closed_ns, text));
}

/* A comment for the reader of the file: the cost of fewer copies. */
static const char *copies_comment(const struct sp_store_conf *store)
{
	if (store->copies == 1)
		return "  # while its one server is away, a connection can't be committed, nor survive its proxy";
	if (store->copies == 2 && store->commit == SP_COMMIT_MAJORITY)
		return "  # both are needed: while either server is away, a connection can't be committed";
	return "";
}

/* A single copy is a majority. */
static const char *commit_comment(const struct sp_store_conf *store)
{
	if (store->commit == SP_COMMIT_MAJORITY || store->copies == 1)
		return "";
	return "  # while proxies don't reach the same servers, a request may run twice";
}

static void print_store(const struct sp_store_conf *store, FILE *out)
{
	char text[SP_QUANTITY_STRLEN];

	fputs("store:\n  engine: redis\n  servers: [", out);
	for (size_t i = 0; i < store->server_count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(store->servers[i].text, out);
	}
	fputs("]\n", out);
	if (store->password_file) {
		sp_print_key("  password_file", store->password_file, out);
		fputc('\n', out);
	}
	fprintf(out, "  copies: %u%s\n", store->copies, copies_comment(store));
	fprintf(out, "  commit: %s%s\n", store->commit == SP_COMMIT_MAJORITY ? "majority" :
		"one", commit_comment(store));
	fprintf(out, "  store_loss: %s\n  timeout: %s\n", store->loss == SP_LOSS_CONTINUE ?
		"continue" : "refuse",
		sp_time_format(store->timeout_ns, text));
}

static void print_cluster(const struct sp_cluster_conf *cluster, FILE *out)
{
	char text[SP_ADDR_STRLEN];

	fputs("cluster: {", out);
	if (cluster->name) {
		sp_print_key("name", cluster->name, out);
		fputs(", ", out);
	}
	fputs("relay: ", out);
	print_endpoint(&cluster->relay, out);
	for (size_t i = 0; i < cluster->source_count; i++) {
		fputs(i ? ", " : ", sources: [", out);
		sp_print_text(sp_addr_format(&cluster->sources[i], text), out);
	}
	fputs(cluster->source_count ? "]" : "", out);
	for (size_t i = 0; i < cluster->peer_count; i++) {
		sp_print_key(i ? ", {name" : ", members: [{name", cluster->peers[i].name, out);
		fputs(", at: ", out);
		print_endpoint(&cluster->peers[i].at, out);
		fputc('}', out);
	}
	fputs(cluster->peer_count ? "]}\n" : "}\n", out);
}

/* A comment for the reader of the file: the demand on backends. */
static void print_proxy_protocol(enum sp_proxy_protocol version, FILE *out)
{
	static const char *const texts[] = {
		[SP_PROXY_PROTOCOL_NONE] = "none",
		[SP_PROXY_PROTOCOL_V1] = "v1  # backends must expect it; not in mode adopt",
		[SP_PROXY_PROTOCOL_V2] = "v2  # backends must expect it; not in mode adopt",
	};

	fprintf(out, "    proxy_protocol: %s\n", texts[version]);
}

static void print_pool(const struct sp_pool_conf *pool, FILE *out)
{
	char text[SP_QUANTITY_STRLEN];

	sp_print_key("  - name", pool->name, out);
	fprintf(out, "\n    source: %s\n", pool->source == SP_SOURCE_SNAT ? "snat" : "client");
	print_proxy_protocol(pool->proxy_protocol, out);
	sp_print_balance(pool, out);
	fprintf(out, "    slow_start: %s\n", sp_time_format(pool->slow_start_ns, text));
	fprintf(out, "    queue_time: %s\n", sp_time_format(pool->queue_ns, text));
	fprintf(out, "    failures: %u\n    retry: %s\n", pool->failures,
		sp_time_format(pool->retry_ns, text));
	fprintf(out, "    on_down: %s\n", pool->on_down == SP_DOWN_KEEP ? "keep" : "reset");
	sp_print_death(pool, out);
	sp_check_print(&pool->check, out);
	if (pool->backend_count || pool->name_count)
		fputs("    backends:\n", out);
	for (const struct sp_backend_conf *b = pool->backends;
	     b < pool->backends + pool->backend_count; b++) {
		fputs("      - {address: ", out);
		print_endpoint(&b->at, out);
		sp_print_key(", name", b->name, out);
		fprintf(out, ", weight: %u", b->weight);
		if (b->is_backup)
			fputs(", backup: true", out);
		if (b->max_connections)		/* long lists of backends have few of these */
			fprintf(out, ", max_connections: %u", b->max_connections);
		fputs("}\n", out);
	}
	sp_print_names(pool, out);
}

static const char *bool_text(int flag)
{
	return flag ? "true" : "false";
}

static void print_offer(const struct sp_service *offer, FILE *out)
{
	fputs("    offer: {mss: ", out);
	if (offer->mss)
		fprintf(out, "%u", offer->mss);
	else
		fputs("auto", out);
	fputs(", window_scale: ", out);
	if (offer->flags & SP_SERVICE_F_WSCALE)
		fprintf(out, "%u", offer->wscale);
	else
		fputs("\"off\"", out);
	fprintf(out, ", sack: %s, timestamps: %s, ecn: %s}\n",
		bool_text(offer->flags & SP_SERVICE_F_SACK),
		bool_text(offer->flags & SP_SERVICE_F_TIMESTAMPS),
		bool_text(offer->flags & SP_SERVICE_F_ECN));
}

static void print_methods(char *const *methods, FILE *out)
{
	fputs("method: [", out);
	for (char *const *method = methods; *method; method++) {
		fputs(method == methods ? "" : ", ", out);
		sp_print_text(*method, out);
	}
	fputs("], ", out);
}

static void print_header(const struct sp_route *route, FILE *out)
{
	sp_print_key("header: {name", route->header, out);
	if (route->value)
		sp_print_key(", value", route->value, out);
	fputs("}, ", out);
}

static void print_condition(const char *key, const char *text, FILE *out)
{
	if (!text)
		return;
	sp_print_key(key, text, out);
	fputs(", ", out);
}

static void print_route(const struct sp_config *config, const struct sp_route *route, FILE *out)
{
	fputs("      - {", out);
	print_condition("host", route->host, out);
	print_condition("path", route->path, out);
	if (route->methods)
		print_methods(route->methods, out);
	if (route->header)
		print_header(route, out);
	print_condition("alpn", route->alpn, out);
	sp_print_key("pool", config->pools[route->pool_idx].name, out);
	fputs("}\n", out);
}

/* A comment for the reader of the file: limits of the promise. */
static void print_mode(enum sp_mode mode, FILE *out)
{
	static const char *const texts[] = {
		[SP_MODE_WHOLE] = "whole", [SP_MODE_AUTO] = "auto",
		[SP_MODE_SPLIT] =
		"split  # where an agent lives at the backend, else whole: splicectl status says",
		[SP_MODE_ADOPT] =
		"adopt  # where the agent at the backend can, else split or whole: splicectl status says",
	};

	fprintf(out, "    mode: %s\n", texts[mode]);
}

static void print_ranges(const char *key, const struct sp_prefix *ranges, size_t count, FILE *out)
{
	char text[SP_PREFIX_STRLEN];

	fprintf(out, "    %s: [", key);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(sp_prefix_format(&ranges[i], text), out);
	}
	fputs("]", out);
}

/* A comment for the reader of the file: the cost of requests that are read. */
static const char *commit_cost(const struct sp_config *config,
			       const struct sp_service_conf *service)
{
	if (config->store.kind == SP_STORE_LOCAL)
		return "";
	if (sp_rewrite_is_needed(&service->rewrite))
		return ", a commit for each request whose head is changed";
	return service->has_hashed_pool ? ", a commit for each change of the backend" :
		", a commit for each change of the pool";
}

static void print_route_unit(const struct sp_config *config, const struct sp_service_conf *service,
			     FILE *out)
{
	fprintf(out, "    route: %s", service->route_unit == SP_ROUTE_REQUEST ? "request" :
		"connection");
	if (sp_service_reads_requests(service))
		fprintf(out, "  # costs: each request is read, mode whole%s",
			commit_cost(config, service));
	else if (service->route_unit == SP_ROUTE_CONNECTION)
		fputs("  # requests behind a connection's first are not read, and go to the same backend",
		      out);
	fputc('\n', out);
}

static void print_forwarded(const struct sp_rewrite *rules, FILE *out)
{
	static const char *const texts[] = {
		[SP_FORWARDED_NONE] = "none", [SP_FORWARDED_X_FORWARDED_FOR] = "x-forwarded-for",
		[SP_FORWARDED_FORWARDED] = "forwarded",
	};

	fprintf(out, "    forwarded: %s\n", texts[rules->forwarded]);
	if (rules->forwarded == SP_FORWARDED_NONE)
		return;
	print_ranges("forwarded_trust", rules->trusts, rules->trust_count, out);
	fputc('\n', out);
}

static void print_request_headers(const struct sp_rewrite *rules, FILE *out)
{
	if (!rules->set_count && !rules->remove_count)
		return;
	fputs("    request_headers: {set: {", out);
	for (size_t i = 0; i < rules->set_count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(rules->sets[i].name, out);
		fputs(": ", out);
		sp_print_text(rules->sets[i].value, out);
	}
	fputs("}, remove: [", out);
	for (size_t i = 0; i < rules->remove_count; i++) {
		fputs(i ? ", " : "", out);
		sp_print_text(rules->removes[i], out);
	}
	fputs("]}\n", out);
}

static void print_http(const struct sp_config *config, const struct sp_service_conf *service,
		       FILE *out)
{
	print_route_unit(config, service, out);
	fprintf(out, "    ambiguous_paths: %s\n",
		service->ambiguous_paths == SP_AMBIGUOUS_PATHS_PASS ? "pass" : "reject");
	print_forwarded(&service->rewrite, out);
	print_request_headers(&service->rewrite, out);
}

/* A comment for the reader of the file: the trust in these clients. */
static void print_accept_proxy(const struct sp_service_conf *service, FILE *out)
{
	if (!service->accept_proxy_count)
		return;
	print_ranges("accept_proxy", service->accept_proxy, service->accept_proxy_count, out);
	fputs("  # these clients name any address as theirs, and are refused without a PROXY header\n",
	      out);
}

static void print_per_source(const struct sp_admission_conf *a, FILE *out)
{
	fputs("    per_source: {", out);
	if (a->source_connections)
		fprintf(out, "max_connections: %u, ", a->source_connections);
	if (a->source_rate)
		fprintf(out, "rate: %u, burst: %u, ", a->source_rate, a->source_burst);
	fprintf(out, "prefix_ipv4: %u, prefix_ipv6: %u}\n", a->v4_bits, a->v6_bits);
}

/* Limits that there are. A comment for the reader of the file: an unlisted client's fate. */
static void print_admission(const struct sp_admission_conf *a, FILE *out)
{
	if (a->connections)
		fprintf(out, "    max_connections: %u\n", a->connections);
	if (a->source_connections || a->source_rate)
		print_per_source(a, out);
	if (a->allow_count) {
		print_ranges("allow", a->allow, a->allow_count, out);
		fputs("  # all other clients get no answer\n", out);
	}
	if (a->deny_count) {
		print_ranges("deny", a->deny, a->deny_count, out);
		fputs("  # these get no answer\n", out);
	}
}

/* Those of limits are not repeated for a service without time-outs. */
static void print_timeouts(const struct sp_limits_conf *usual, const struct sp_timeouts_conf *t,
			   FILE *out)
{
	__u64 idle_ns = t->idle_ns ? t->idle_ns : usual->idle_ns;
	__u64 tunnel_ns = t->tunnel_ns ? t->tunnel_ns : idle_ns;
	struct sp_limits_conf own = { .idle_ns = idle_ns < tunnel_ns ? idle_ns : tunnel_ns };
	char text[SP_QUANTITY_STRLEN];

	if (!t->idle_ns && !t->half_closed_ns && !t->tunnel_ns)
		return;
	own.transitory_ns = t->half_closed_ns ? t->half_closed_ns : usual->transitory_ns;
	fprintf(out, "    timeouts:%s\n", idle_comment(&own));
	fprintf(out, "      idle: %s\n", sp_time_format(idle_ns, text));
	fprintf(out, "      half_closed: %s%s\n", sp_time_format(own.transitory_ns, text),
		transitory_comment(&own));
	fprintf(out, "      tunnel: %s\n", sp_time_format(tunnel_ns, text));
}

static void print_keepalive(const struct sp_keepalive_conf *k, FILE *out)
{
	char text[SP_QUANTITY_STRLEN];

	if (!k->client_ns && !k->backend_ns)
		return;
	fputs("    keepalive: {", out);
	if (k->client_ns)
		fprintf(out, "client: %s, ", sp_time_format(k->client_ns, text));
	if (k->backend_ns)
		fprintf(out, "backend: %s, ", sp_time_format(k->backend_ns, text));
	fprintf(out, "count: %u}\n", k->count);
}

static void print_service(const struct sp_config *config, const struct sp_service_conf *service,
			  FILE *out)
{
	static const char *const protocols[] = {
		[SP_PROTOCOL_HTTP] = "http", [SP_PROTOCOL_TLS] = "tls", [SP_PROTOCOL_TCP] = "tcp",
	};

	sp_print_key("  - name", service->name, out);
	fprintf(out, "\n    protocol: %s\n    listen: [", protocols[service->protocol]);
	for (size_t i = 0; i < service->listen_count; i++) {
		fputs(i ? ", " : "", out);
		print_endpoint(&service->listens[i], out);
	}
	fputs("]\n", out);
	print_mode(service->mode, out);
	print_offer(&service->offer, out);
	if (service->protocol == SP_PROTOCOL_HTTP)
		print_http(config, service, out);
	print_accept_proxy(service, out);
	print_admission(&service->admission, out);
	print_timeouts(&config->limits, &service->timeouts, out);
	print_keepalive(&service->keepalive, out);
	sp_print_access_log(service, out);
	if (service->protocol != SP_PROTOCOL_TCP)
		fputs(service->route_count ? "    routes:\n" : "    routes: []\n", out);
	for (size_t i = 0; i < service->route_count; i++)
		print_route(config, &service->routes[i], out);
	if (service->default_pool_idx < 0)
		return;
	sp_print_key("    default", config->pools[service->default_pool_idx].name, out);
	fputc('\n', out);
}

static void print_serves(const struct sp_config *config, FILE *out)
{
	fputs("serves:\n", out);
	for (size_t i = 0; i < config->serve_count; i++) {
		fputs("  - ", out);
		print_endpoint(&config->serves[i], out);
		fputc('\n', out);
	}
}

void sp_config_print(const struct sp_config *config, FILE *out)
{
	print_interfaces(config, out);
	sp_print_key("key_file", config->key_file, out);
	sp_print_key("\nstate_dir", config->state_dir, out);
	sp_print_key("\ncontrol", config->control, out);
	fputc('\n', out);
	if (!config->is_agent)
		print_source(config, out);
	print_limits(&config->limits, out);
	if (config->store.kind == SP_STORE_REDIS)	/* the engine local has no settings */
		print_store(&config->store, out);
	if (config->cluster.relay.port_be)
		print_cluster(&config->cluster, out);
	if (config->is_agent) {
		print_serves(config, out);
		return;
	}
	sp_print_resolvers(config, out);
	fputs("pools:\n", out);
	for (size_t i = 0; i < config->pool_count; i++)	/* without backends found by names */
		print_pool(&(config->written ?: config)->pools[i], out);
	fputs("services:\n", out);
	for (size_t i = 0; i < config->service_count; i++)
		print_service(config, &config->services[i], out);
}
