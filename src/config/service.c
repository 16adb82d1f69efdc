/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service.c - services: tables and checks. */
#include "config/section.h"
#include "config/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"

#define MSS_MIN		536	/* RFC 9293, 3.7.1 */
#define MSS_MAX		65495
#define WSCALE_DEFAULT	10	/* windows up to 64 MiB, in steps smaller than a segment */
#define WINDOW		65535

static int value_protocol(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  void *into)
{
	static const char *const words[] = {
		[SP_PROTOCOL_HTTP] = "http", [SP_PROTOCOL_TLS] = "tls", [SP_PROTOCOL_TCP] = "tcp",
			NULL,
	};
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_protocol *)into = word;
	return 0;
}

static int value_mode(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	static const char *const words[] = {
#define X(up, low) [SP_MODE_##up] = #low,
		SP_MODES(X)
#undef X
		[SP_MODE_AUTO] = "auto", NULL,
	};
	int word = sp_value_word(doc, key, node, words);

	if (word < 0)
		return word;
	*(enum sp_mode *)into = word;
	return 0;
}

/* A word of a service that reads heads. @else_what: the end of the error if it is another. */
static int http_word(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     const struct sp_service_conf *service, const char *const *words,
		     const char *else_what)
{
	int word = sp_value_word(doc, key, node, words);

	if (word >= 0 && service->protocol != SP_PROTOCOL_HTTP)
		return sp_doc_refuse(doc, node,
				     "%s: found in service \"%s\", which is not of protocol http and %s",
				     key->name, service->name, else_what);
	return word;
}

static int value_ambiguous_paths(struct sp_doc *doc, const struct sp_doc_key *key,
				 yaml_node_t *node, void *into)
{
	static const char *const words[] = {
		[SP_AMBIGUOUS_PATHS_REJECT] = "reject", [SP_AMBIGUOUS_PATHS_PASS] = "pass", NULL,
	};
	struct sp_service_conf *service = into;
	int word = http_word(doc, key, node, service, words, "reads no path");

	if (word < 0)
		return word;
	service->ambiguous_paths = word;
	return 0;
}

static int value_route_unit(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			    void *into)
{
	static const char *const words[] = {
		[SP_ROUTE_REQUEST] = "request", [SP_ROUTE_CONNECTION] = "connection", NULL,
	};
	struct sp_service_conf *service = into;
	int word = http_word(doc, key, node, service, words, "routes connections only");

	if (word < 0)
		return word;
	service->route_unit = word;
	return 0;
}

/* Replies to the proxy's own connections would be taken for clients. */
static int is_snat(const struct sp_config *config, const struct sp_endpoint *at)
{
	__u16 port = ntohs(at->port_be);

	if (port < config->snat_port_first || port > config->snat_port_last)
		return 0;
	for (size_t i = 0; i < config->snat_count; i++)
		if (sp_addr_equal(&config->snat_addrs[i], &at->addr))
			return 1;
	return 0;
}

/* Addresses of earlier services, and earlier addresses of the same service, are taken. */
static int listen_check(struct sp_doc *doc, yaml_node_t *node,
			const struct sp_service_conf *service,
			const struct sp_endpoint *at)
{
	char text[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&at->addr, at->port_be, text);
	if (is_snat(doc->config, at))
		return sp_doc_refuse(doc, node,
				     "listen: found %s, which is among the ports of \"source\"; allowed: "
				     "another port or address", text);
	for (const struct sp_service_conf *other = doc->config->services; other <= service; other++)
		for (size_t i = 0; i < other->listen_count && &other->listens[i] != at; i++)
			if (!sp_endpoint_compare(&other->listens[i], at))
				return sp_doc_refuse(doc, node,
						     "listen: found %s again, service \"%s\" has it; "
						     "allowed: each one once", text, other->name);
	return 0;
}

static const struct sp_doc_key listen_key = { .name = "listen", .allowed = SP_ENDPOINT_ALLOWED };

static int listen_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	int err = sp_value_endpoint(doc, &listen_key, node, item);

	return err ? err : listen_check(doc, node, base, item);
}

static int value_mss(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into)
{
	struct sp_service *offer = into;
	const char *text = sp_scalar_text(node);
	__u64 mss = 0;

	if (!text || (strcmp(text, "auto") &&
		      (sp_uint_parse(text, node->data.scalar.length, MSS_MAX, &mss) ||
					       mss < MSS_MIN)))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	offer->mss = mss;
	return 0;
}

static int value_window_scale(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			      void *into)
{
	struct sp_service *offer = into;
	const char *text = sp_scalar_text(node);
	__u64 wscale = 0;
	int is_off = text && !strcmp(text, "off");

	if (!text || (!is_off &&
		      sp_uint_parse(text, node->data.scalar.length, SP_WSCALE_MAX, &wscale)))
		return sp_doc_refuse_value(doc, key, node, key->allowed);
	offer->wscale = wscale;
	offer->flags = is_off ? offer->flags & ~SP_SERVICE_F_WSCALE :
		offer->flags | SP_SERVICE_F_WSCALE;
	return 0;
}

static int value_flag(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      struct sp_service *offer,
		      __u8 flag)
{
	int is_set, err = sp_value_bool(doc, key, node, &is_set);

	if (err)
		return err;
	offer->flags = is_set ? offer->flags | flag : offer->flags & ~flag;
	return 0;
}

static int value_sack(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	return value_flag(doc, key, node, into, SP_SERVICE_F_SACK);
}

static int value_timestamps(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			    void *into)
{
	return value_flag(doc, key, node, into, SP_SERVICE_F_TIMESTAMPS);
}

static int value_ecn(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		     void *into)
{
	return value_flag(doc, key, node, into, SP_SERVICE_F_ECN);
}

static const struct sp_doc_key offer_keys[] = {
	{ .name = "mss", .parse = value_mss,
	  .allowed = "auto, or a whole number from 536 to 65495" },
	{ .name = "window_scale", .parse = value_window_scale,
	  .allowed = "off, or a whole number from 0 to 14" },
	{ .name = "sack", .parse = value_sack, .allowed = "true or false" },
	{ .name = "timestamps", .parse = value_timestamps, .allowed = "true or false" },
	{ .name = "ecn", .parse = value_ecn, .allowed = "true or false" },
	{ 0 }
};

static int value_offer(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		       void *into)
{
	return sp_doc_map(doc, node, "offer", offer_keys, into);
}

static int value_default(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			 void *into)
{
	struct sp_service_conf *service = into;
	int err;

	err = sp_value_pool(doc, key, node, &service->default_pool_idx);
	err = err ? err : sp_pool_check_families(doc, node, service, service->default_pool_idx);
	err = err ? err : sp_pool_check_hash(doc, node, service, service->default_pool_idx);
	return err ? err : sp_pool_check_death(doc, node, service, service->default_pool_idx);
}

#define KEEPALIVE_MIN_NS	1000000000ULL
#define KEEPALIVE_COUNT		3
#define TIMEOUT(field) \
	.parse = sp_value_time, .offset = offsetof(struct sp_timeouts_conf, field), \
	.min = SP_TIME_MIN_NS
static const struct sp_doc_key timeout_keys[] = {
	{ .name = "idle", TIMEOUT(idle_ns), .max = 30 * SP_DAY_NS },
	{ .name = "half_closed", TIMEOUT(half_closed_ns), .max = SP_DAY_NS },
	{ .name = "tunnel", TIMEOUT(tunnel_ns), .max = 30 * SP_DAY_NS },
	{ 0 }
};

static int value_timeouts(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			  void *into)
{
	doc->config->has_timeouts = 1;
	return sp_doc_map(doc, node, key->name, timeout_keys, into);
}

static const struct sp_doc_key keepalive_keys[] = {
	{ .name = "client", .parse = sp_value_time, .min = KEEPALIVE_MIN_NS, .max = SP_DAY_NS,
	  .offset = offsetof(struct sp_keepalive_conf, client_ns) },
	{ .name = "backend", .parse = sp_value_time, .min = KEEPALIVE_MIN_NS, .max = SP_DAY_NS,
	  .offset = offsetof(struct sp_keepalive_conf, backend_ns) },
	{ .name = "count", .parse = sp_value_uint, .min = 1, .max = 100,
	  .offset = offsetof(struct sp_keepalive_conf, count) },
	{ 0 }
};

static int value_keepalive(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			   void *into)
{
	struct sp_keepalive_conf *keepalive = into;

	keepalive->count = KEEPALIVE_COUNT;
	doc->config->has_keepalive = 1;
	return sp_doc_map(doc, node, key->name, keepalive_keys, into);
}

static const struct sp_doc_key service_keys[] = {
	{ .name = "name", .parse = sp_value_text, .offset = offsetof(struct sp_service_conf, name),
	  .min = 1,
	  .max = SP_NAME_MAX, .is_valid = sp_text_is_name, .allowed = SP_NAME_ALLOWED,
	  .is_required = 1 },
	{ .name = "protocol", .parse = value_protocol,
	  .offset = offsetof(struct sp_service_conf, protocol),
	  .allowed = "http, tls or tcp", .is_required = 1 },
	{ .name = "listen", .parse = sp_value_array,
	  .offset = offsetof(struct sp_service_conf, listens),
	  .count = offsetof(struct sp_service_conf, listen_count),
	  .size = sizeof(struct sp_endpoint),
	  .read = listen_read, .is_scalar_enough = 1, .min = 1, .max = SP_CONFIG_LISTENS_MAX,
	  .allowed = SP_ENDPOINT_ALLOWED, .is_required = 1 },
	{ .name = "mode", .parse = value_mode, .offset = offsetof(struct sp_service_conf, mode),
	  .allowed = "auto, whole, split or adopt" },
	{ .name = "offer", .parse = value_offer,
	  .offset = offsetof(struct sp_service_conf, offer) },
	{ .name = "route", .parse = value_route_unit, .allowed = "request or connection" },
	{ .name = "ambiguous_paths", .parse = value_ambiguous_paths, .allowed = "reject or pass" },
	{ .name = "forwarded", .parse = sp_value_forwarded,
	  .allowed = "x-forwarded-for, forwarded or none" },
	{ .name = "forwarded_trust", .parse = sp_value_forwarded_trust, .max = SP_CONFIG_RANGES_MAX,
	  .allowed = SP_PREFIXES_ALLOWED },
	{ .name = "request_headers", .parse = sp_value_request_headers },
	{ .name = "accept_proxy", .parse = sp_value_accept_proxy, .max = SP_CONFIG_RANGES_MAX,
	  .allowed = SP_PREFIXES_ALLOWED },
	{ .name = "max_connections", .parse = sp_value_uint,
	  .offset = offsetof(struct sp_service_conf, admission.connections), .min = 1,
	  .max = 1 << 24 },
	{ .name = "per_source", .parse = sp_value_per_source,
	  .offset = offsetof(struct sp_service_conf, admission) },
	{ .name = "allow", .parse = sp_value_allow,
	  .offset = offsetof(struct sp_service_conf, admission), .max = SP_CONFIG_SOURCES_MAX,
	  .allowed = SP_PREFIXES_ALLOWED },
	{ .name = "deny", .parse = sp_value_deny,
	  .offset = offsetof(struct sp_service_conf, admission), .max = SP_CONFIG_SOURCES_MAX,
	  .allowed = SP_PREFIXES_ALLOWED },
	{ .name = "timeouts", .parse = value_timeouts,
	  .offset = offsetof(struct sp_service_conf, timeouts) },
	{ .name = "keepalive", .parse = value_keepalive,
	  .offset = offsetof(struct sp_service_conf, keepalive) },
	{ .name = "access_log", .parse = sp_value_access_log,
	  .offset = offsetof(struct sp_service_conf, access) },
	{ .name = "routes", .parse = sp_value_routes, .max = SP_CONFIG_ROUTES_MAX,
	  .allowed = "a list of routes" },
	{ .name = "default", .parse = value_default, .allowed = "the name of a pool" },
	{ 0 }
};

/* Pools whose connections no kernel of a backend's host can take over. */
static int is_adoptable(const struct sp_pool_conf *pool)
{
	return pool->source != SP_SOURCE_CLIENT && pool->proxy_protocol == SP_PROXY_PROTOCOL_NONE;
}

static const struct sp_pool_conf *pool_not_adoptable(const struct sp_config *config,
						     const struct sp_service_conf *service)
{
	int idx = service->default_pool_idx;

	if (idx >= 0 && !is_adoptable(&config->pools[idx]))
		return &config->pools[idx];
	for (size_t i = 0; i < service->route_count; i++)
		if (!is_adoptable(&config->pools[service->routes[i].pool_idx]))
			return &config->pools[service->routes[i].pool_idx];
	return NULL;
}

/* A mode that can never be in effect is refused; a file does not say whether agents live. */
static int mode_check(struct sp_doc *doc, yaml_node_t *node, const struct sp_service_conf *service)
{
	const struct sp_pool_conf *pool = pool_not_adoptable(doc->config, service);
	yaml_node_t *mode = sp_doc_get(doc, node, "mode");

	if (service->mode != SP_MODE_SPLIT && service->mode != SP_MODE_ADOPT)
		return 0;
	if (doc->config->store.kind == SP_STORE_LOCAL && !doc->config->cluster.peer_count)
		return sp_doc_refuse(doc, mode,
				     "mode: found \"%s\" in service \"%s\", and no agent can be there: the "
				     "store is local; required: \"members\" in \"cluster\", or \"store\" with "
				     "\"engine: redis\", or the mode auto or whole",
					     sp_scalar_text(mode), service->name);
	if (service->mode == SP_MODE_ADOPT && pool && pool->source == SP_SOURCE_CLIENT)
		return sp_doc_refuse(doc, mode,
				     "mode: found \"adopt\" in service \"%s\", whose pool \"%s\" has "
				     "\"source: client\"; required: \"source: snat\" in all its pools, or the mode auto, "
				     "split or whole", service->name, pool->name);
	if (service->mode == SP_MODE_ADOPT && pool)
		return sp_doc_refuse(doc, mode,
				     "mode: found \"adopt\" in service \"%s\", whose pool \"%s\" has a "
				     "\"proxy_protocol\"; required: none in all its pools, or the mode auto, split or whole",
				     service->name, pool->name);
	return 0;
}

static int service_check(struct sp_doc *doc, yaml_node_t *node,
			 const struct sp_service_conf *service)
{
	for (const struct sp_service_conf *other = doc->config->services; other < service; other++)
		if (!strcmp(other->name, service->name))
			return sp_doc_refuse(doc, sp_doc_get(doc, node, "name"),
					     "name: found a second service \"%s\"; "
					     "allowed: each name once", service->name);
	if (service->default_pool_idx >= 0 || service->route_count > 0)
		return mode_check(doc, node, service);
	return sp_doc_refuse(doc, node, "a service: found no pool for \"%s\"; required: %s",
			     service->name,
			     service->protocol == SP_PROTOCOL_TCP ? "\"default\"" :
			     "\"routes\" or \"default\"");
}

int sp_service_read(struct sp_doc *doc, yaml_node_t *node, void *base, void *item)
{
	struct sp_service_conf *service = item;
	int err;

	service->default_pool_idx = -1;
	service->mode = SP_MODE_AUTO;
	service->admission = sp_admission_default();
	service->offer = (struct sp_service){
		.window = WINDOW,
		.wscale = WSCALE_DEFAULT,
		.flags = SP_SERVICE_F_SACK | SP_SERVICE_F_TIMESTAMPS | SP_SERVICE_F_WSCALE |
		SP_SERVICE_F_ECN,
	};
	err = sp_doc_map(doc, node, "a service", service_keys, service);
	if (err)
		return err;
	if (service->protocol != SP_PROTOCOL_HTTP)
		service->route_unit = SP_ROUTE_CONNECTION;
	if (service->protocol == SP_PROTOCOL_TCP)
		service->offer.flags |= SP_SERVICE_F_SERVER_FIRST;
	err = sp_admission_check(doc, node, service) ?: sp_access_check(doc, node, service);
	return err ? err : service_check(doc, node, service);
}
