/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* route.c - routes of a service and the pools they name: tables and checks. */
#include "config/section.h"
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "l7/host.h"
#include "l7/path.h"

#define HOST_MAX	253	/* RFC 1035, 2.3.4, as text */
#define LABEL_MAX	63
#define PATH_MAX_LEN	2048
#define ALPN_MAX	255	/* RFC 7301, 3.1 */
#define POOLS_STRLEN	200

/*
 * A route as in the file, which may have several ALPN names. @path_why: reason why servers disagree
 * about the path
 */
struct route_conf {
	struct sp_route	route;
	const char	*path_why;
	size_t		alpn_count;
	char		**alpns;
};

static int is_path(const char *text)
{
	return text[0] == '/' && !strpbrk(text, " ?#");
}

static int is_domain(const char *text)
{
	for (;; text++) {
		size_t len = strcspn(text, ".");

		if (len < 1 || len > LABEL_MAX || strspn(text, SP_ALNUM "-_") != len)
			return 0;
		text += len;
		if (!*text)
			return 1;
	}
}

static int is_host(const char *text)
{
	char literal[SP_ADDR_STRLEN];
	struct sp_addr addr;
	size_t len = strlen(text);

	if (text[0] != '[')
		return is_domain(strncmp(text, "*.", 2) ? text : text + 2);
	if (text[len - 1] != ']' || len < 4 || len - 2 >= sizeof(literal))
		return 0;
	memcpy(literal, text + 1, len - 2);
	literal[len - 2] = 0;
	return strchr(literal, ':') && !sp_addr_parse(literal, &addr);
}

/* Hosts are compared without case, and by address: a single spelling in the normal form. */
static int value_host(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	char literal[SP_HOST_LITERAL_MAX], *text;
	int err = sp_value_text(doc, key, node, &text);
	struct sp_str host;

	if (err)
		return err;
	for (char *p = text; *p; p++)
		*p = tolower((unsigned char)*p);
	host = sp_host_normalize((struct sp_str){ text, strlen(text) }, literal);
	if (host.p == literal)
		text = sp_doc_strdup(doc, literal);
	*(char **)into = text;
	return text ? 0 : -ENOMEM;
}

/* Paths are compared in their normal form, which is never longer. */
static int value_path(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	struct route_conf *conf = into;
	char *path;
	int err = sp_value_text(doc, key, node, &path);

	if (err)
		return err;
	path[sp_path_normalize((struct sp_str){ path, strlen(path) }, path,
			       &conf->path_why).len] = 0;
	conf->route.path = path;
	return 0;
}

static const struct sp_doc_key method_key = {
	.name = "method", .parse = sp_value_text, .min = 1, .max = SP_TOKEN_MAX,
	.is_valid = sp_text_is_token,
	.allowed = "a method, as in GET (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)",
};

static int value_method(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	struct sp_doc_items list;
	int err;

	err = sp_doc_list_or_one(doc, key, node, &list);
	return err ? err : sp_value_texts(doc, &method_key, &list, into);
}

static const struct sp_doc_key alpn_key = {
	.name = "alpn", .parse = sp_value_text, .min = 1, .max = ALPN_MAX,
	.allowed = "the name of a protocol, as in h2",
};

static int value_alpn(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
		      void *into)
{
	struct route_conf *conf = into;
	struct sp_doc_items list;
	int err;

	err = sp_doc_list_or_one(doc, key, node, &list);
	if (!err)
		err = sp_value_texts(doc, &alpn_key, &list, &conf->alpns);
	if (!err)
		conf->alpn_count = list.count;
	return err;
}

static const struct sp_doc_key header_keys[] = {
	{ .name = "name", .parse = sp_value_text, .offset = offsetof(struct sp_route, header),
	  .min = 1,
	  .max = SP_TOKEN_MAX, .is_valid = sp_text_is_token,
	  .allowed = "a header's name, as in X-Beta (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)",
	  .is_required = 1 },
	{ .name = "value", .parse = sp_value_text, .offset = offsetof(struct sp_route, value),
	  .min = 0,
	  .max = SP_CONFIG_TEXT_MAX, .is_valid = sp_text_is_trimmed,
	  .allowed = "text without blanks around it (\"\" for an empty one)" },
	{ 0 }
};

static int value_header(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node,
			void *into)
{
	return sp_doc_map(doc, node, "header", header_keys, into);
}

/* Names of pools, as many as fit into @buf. */
static char *pools_format(const struct sp_config *config, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < config->pool_count; i++) {
		const char *name = config->pools[i].name;

		if (used + strlen(name) + sizeof(", , ...") > size) {
			snprintf(buf + used, size - used, ", ...");
			break;
		}
		used += snprintf(buf + used, size - used, "%s%s", i ? ", " : "", name);
	}
	return buf;
}

static int refuse_pool(struct sp_doc *doc, const struct sp_doc_key *key, const yaml_node_t *node,
		       const char *name)
{
	const struct sp_config *config = doc->config;
	struct sp_nearest nearest = { .text = name };
	char pools[POOLS_STRLEN], hint[SP_NAME_MAX + 32] = "",
		allowed[sizeof(pools) + sizeof(hint) + 32];

	for (size_t i = 0; name && i < config->pool_count; i++)
		sp_nearest_try(&nearest, config->pools[i].name);
	if (nearest.best)
		snprintf(hint, sizeof(hint), " (did you mean \"%s\"?)", nearest.best);
	snprintf(allowed, sizeof(allowed), "the name of a pool%s: %s", hint,
		 pools_format(config, pools, sizeof(pools)));
	return sp_doc_refuse_value(doc, key, node, allowed);
}

int sp_value_pool(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	const struct sp_config *config = doc->config;
	const char *name = sp_scalar_text(node);
	__u32 id = name ? sp_name_id(name) : 0;

	for (size_t i = 0; name && i < config->pool_count; i++) {
		if (config->pools[i].id != id || strcmp(config->pools[i].name, name))
			continue;
		*(int *)into = i;
		return 0;
	}
	return refuse_pool(doc, key, node, name);
}

static int has_family(const struct sp_pool_conf *pool, int is_v4)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (pool->backends[i].weight && sp_addr_is_v4(&pool->backends[i].at.addr) == is_v4)
			return 1;
	return 0;
}

static const struct sp_endpoint *listen_of_family(const struct sp_service_conf *service, int is_v4)
{
	for (size_t i = 0; i < service->listen_count; i++)
		if (sp_addr_is_v4(&service->listens[i].addr) == is_v4)
			return &service->listens[i];
	return NULL;
}

int sp_pool_check_families(struct sp_doc *doc, const yaml_node_t *at,
			   const struct sp_service_conf *service,
			   int pool_idx)
{
	const struct sp_pool_conf *pool = &doc->config->pools[pool_idx];
	char text[SP_ENDPOINT_STRLEN];

	if (sp_pool_is_open(pool))
		return 0;
	for (int is_v4 = 0; is_v4 <= 1; is_v4++) {
		const struct sp_endpoint *listen = listen_of_family(service, is_v4);
		const char *family = is_v4 ? "IPv4" : "IPv6";

		if (!listen || has_family(pool, is_v4))
			continue;
		return sp_doc_refuse(doc, at,
				     "pool \"%s\": found no %s backend with a weight above 0; required: one, "
				     "since service \"%s\" listens on %s", pool->name, family,
					     service->name,
				     sp_endpoint_format(&listen->addr, listen->port_be, text));
	}
	return 0;
}

#define ROUTE(field) offsetof(struct route_conf, route.field)
static const struct sp_doc_key route_keys[] = {
	{ .name = "host", .parse = value_host, .offset = ROUTE(host), .min = 1, .max = HOST_MAX,
	  .is_valid = is_host, .allowed = "a host, as in example.org or \"*.example.org\"" },
	{ .name = "path", .parse = value_path, .min = 1, .max = PATH_MAX_LEN,
	  .is_valid = is_path, .allowed = "a path, as in /v1, without blank, ? and #" },
	{ .name = "method", .parse = value_method, .offset = ROUTE(methods), .min = 1,
	  .max = SP_CONFIG_METHODS_MAX,
	  .allowed = "a method or a list of them, as in [GET, HEAD]" },
	{ .name = "header", .parse = value_header, .offset = offsetof(struct route_conf, route) },
	{ .name = "alpn", .parse = value_alpn, .min = 1, .max = SP_CONFIG_ALPNS_MAX,
	  .allowed = "a protocol's name or a list of them, as in [h2, http/1.1]" },
	{ .name = "pool", .parse = sp_value_pool, .offset = ROUTE(pool_idx),
	  .allowed = "the name of a pool",
	  .is_required = 1 },
	{ 0 }
};
#undef ROUTE

/* Keys without meaning in the first bytes of the service's protocol. */
static int route_check_protocol(struct sp_doc *doc, yaml_node_t *node, enum sp_protocol protocol)
{
	static const char *const http_only[] = { "path", "method", "header", NULL };
	static const char *const tls_only[] = { "alpn", NULL };
	int is_http = protocol == SP_PROTOCOL_HTTP;

	for (const char *const *name = is_http ? tls_only : http_only; *name; name++) {
		yaml_node_t *value = sp_doc_get(doc, node, *name);

		if (value)
			return sp_doc_refuse(doc, value,
					     "a route: found \"%s\" in a service of protocol %s; allowed: "
					     "%s", *name, is_http ? "http" : "tls",
					     is_http ? "host, path, method, header, pool" :
					     "host, alpn, pool");
	}
	return 0;
}

/* A path that no request could have. */
static int route_check_path(struct sp_doc *doc, yaml_node_t *node,
			    const struct sp_service_conf *service,
			    const struct route_conf *conf)
{
	char found[SP_FOUND_STRLEN];
	yaml_node_t *path = sp_doc_get(doc, node, "path");

	if (!conf->path_why || service->ambiguous_paths == SP_AMBIGUOUS_PATHS_PASS)
		return 0;
	return sp_doc_refuse(doc, path,
			     "path: found %s, and requests for it are rejected: %s; allowed: another path, or "
			     "\"ambiguous_paths: pass\" in service \"%s\"",
			     sp_found_format(sp_scalar_text(path), path->data.scalar.length, found),
			     conf->path_why,
			     service->name);
}

static int takes_all(const struct sp_route *route)
{
	return !route->host && !route->path && !route->methods && !route->header && !route->alpn;
}

static int route_read(struct sp_doc *doc, yaml_node_t *node, struct sp_service_conf *service)
{
	struct route_conf conf = { 0 };
	int err;

	if (service->route_count && takes_all(&service->routes[service->route_count - 1]))
		return sp_doc_refuse(doc, node,
				     "a route: found one behind a route without conditions, so it would "
				     "never be reached; allowed: conditions in all routes but the last");
	err = sp_doc_map(doc, node, "a route", route_keys, &conf);
	if (!err)
		err = route_check_protocol(doc, node, service->protocol);
	if (!err)
		err = route_check_path(doc, node, service, &conf);
	if (!err)
		err = sp_pool_check_families(doc, sp_doc_get(doc, node, "pool"), service,
					     conf.route.pool_idx);
	if (!err)
		err = sp_pool_check_hash(doc, sp_doc_get(doc, node, "pool"), service,
					 conf.route.pool_idx);
	if (!err)
		err = sp_pool_check_death(doc, sp_doc_get(doc, node, "pool"), service,
					  conf.route.pool_idx);
	if (err)
		return err;
	for (size_t i = 0; i < conf.alpn_count; i++) {
		service->routes[service->route_count] = conf.route;
		service->routes[service->route_count++].alpn = conf.alpns[i];
	}
	if (!conf.alpn_count)
		service->routes[service->route_count++] = conf.route;
	return 0;
}

/*
 * A route with several ALPN names becomes several routes with one name: any name matches, and first
 * match wins.
 */
static size_t routes_count(struct sp_doc *doc, const struct sp_doc_items *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		yaml_node_t *node = sp_doc_item(doc, list, i);
		yaml_node_t *alpn = node->type == YAML_MAPPING_NODE ?
			sp_doc_get(doc, node, "alpn") : NULL;

		if (alpn && alpn->type == YAML_SEQUENCE_NODE)
			count += alpn->data.sequence.items.top - alpn->data.sequence.items.start;
		else
			count++;
	}
	return count;
}

int sp_value_routes(struct sp_doc *doc, const struct sp_doc_key *key, yaml_node_t *node, void *into)
{
	struct sp_service_conf *service = into;
	struct sp_doc_items list;
	size_t count;
	int err;

	if (service->protocol == SP_PROTOCOL_TCP)
		return sp_doc_refuse(doc, node,
				     "routes: found in a service of protocol tcp, which reads no request; "
				     "allowed: \"default\"");
	err = sp_doc_list(doc, key, node, &list);
	if (err)
		return err;
	count = routes_count(doc, &list);
	if (count > key->max)
		return sp_doc_refuse(doc, node,
				     "routes: found %zu, one for each name in \"alpn\"; allowed: up to %llu",
				     count, key->max);
	service->routes = sp_doc_alloc(doc, count, sizeof(*service->routes));
	if (!service->routes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < list.count; i++)
		err = route_read(doc, sp_doc_item(doc, &list, i), service);
	return err;
}
