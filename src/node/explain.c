/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* explain.c - see explain.h */
#include "node/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "l7/request_key.h"
#include "l7/route.h"

#define WHY_MAX	512

/**
 * struct verdict - the way of the request
 * @route:	index, or -1
 * @status:	of the reply of spliced itself; 0: none
 * @is_v4:	family of the client
 * @key:	if @has_key, for SP_BALANCE_HASH
 */
struct verdict {
	const struct sp_service_conf	*service;
	int				route, pool_idx, status, is_v4, has_key;
	__u64				key;
	struct sp_addr			from;
	char				why[WHY_MAX];
};

static void set_why(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void set_why(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

/* ---- conditions as text ---- */

static void print_methods(FILE *out, char **methods)
{
	for (char **m = methods; m && *m; m++)
		fprintf(out, "%s%s", m == methods ? ", method " : " or ", *m);
}

static void print_header(FILE *out, const struct sp_route *route)
{
	if (route->header)
		fprintf(out, ", header %s%s%s", route->header, route->value ? ": " : " is there",
			route->value ?: "");
}

/* "host example.org, path /v1" */
static void print_conditions(const struct sp_route *route, char text[WHY_MAX])
{
	FILE *out = fmemopen(text, WHY_MAX, "w");

	text[0] = 0;
	if (!out)
		return;
	if (route->host)
		fprintf(out, ", host %s", route->host);
	if (route->path)
		fprintf(out, ", path %s", route->path);
	print_methods(out, route->methods);
	print_header(out, route);
	if (route->alpn)
		fprintf(out, ", alpn %s", route->alpn);
	fclose(out);
	text[WHY_MAX - 1] = 0;
}

/* ---- the way ---- */

static void take_route(struct verdict *v, int route)
{
	char conditions[WHY_MAX];

	v->route = route;
	v->pool_idx = route < 0 ? v->service->default_pool_idx :
		v->service->routes[route].pool_idx;
	if (route >= 0) {
		print_conditions(&v->service->routes[route], conditions);
		set_why(v, "route %d matches%s%.400s", route + 1, *conditions ? ": " :
			", as it has no condition", *conditions ? conditions + 2 : "");
	} else if (v->pool_idx >= 0) {
		set_why(v, "no route matches: the default");
	} else {
		v->status = v->service->protocol == SP_PROTOCOL_HTTP ? 404 : 0;
		set_why(v, "no route matches, and the service has no default");
	}
}

static void find_key(const struct sp_node *n, struct verdict *v, const struct sp_http1 *head)
{
	const struct sp_pool_conf *pool = v->pool_idx < 0 ? NULL : &n->config->pools[v->pool_idx];

	if (!pool || pool->balance != SP_BALANCE_HASH)
		return;
	if (pool->hash_by != SP_HASH_BY_SOURCE) {
		v->has_key = head && !sp_request_key(head, pool->hash_by, pool->hash_name, &v->key);
	} else if (memcmp(&v->from, &(struct sp_addr){}, sizeof(v->from))) {
		v->key = sp_balance_hash(&v->from, sizeof(v->from));
		v->has_key = 1;
	}
}

static void route_http1(const struct sp_node *n, struct verdict *v, const char *text)
{
	static struct sp_http1 head;
	int route;

	if (sp_http1_parse(text, strlen(text), &head) != SP_PARSE_OK) {
		v->status = 400;
		set_why(v, "the head is malformed: %.200s", head.why ?: "it is not whole");
		return;
	}
	route = sp_route_http1(v->service->routes, v->service->route_count,
			       v->service->ambiguous_paths, &head);
	if (route == SP_ROUTE_AMBIGUOUS) {
		v->status = 400;
		set_why(v, "servers differ about this path, and ambiguous_paths is reject");
		return;
	}
	take_route(v, route);
	find_key(n, v, &head);
}

/* Names joined by blanks, as ALPN has them on the wire. */
static void put_alpns(struct sp_tls_hello *hello, const char *names)
{
	while (*names) {
		size_t len = strcspn(names, " ");

		if (len && len < 256 && hello->alpn_len + 1 + len <= sizeof(hello->alpn)) {
			hello->alpn[hello->alpn_len++] = len;
			memcpy(hello->alpn + hello->alpn_len, names, len);
			hello->alpn_len += len;
		}
		names += len + (names[len] == ' ');
	}
}

static void route_tls(const struct sp_node *n, struct verdict *v,
		      const struct sp_control_wish *wish)
{
	static struct sp_tls_hello hello;

	memset(&hello, 0, sizeof(hello));
	for (size_t i = 0; wish->sni[i] && i < SP_TLS_SNI_MAX; i++)
		hello.sni[i] = wish->sni[i] >= 'A' && wish->sni[i] <= 'Z' ? wish->sni[i] | 32 :
			wish->sni[i];
	put_alpns(&hello, wish->alpn);
	take_route(v, sp_route_tls(v->service->routes, v->service->route_count, &hello));
	find_key(n, v, NULL);
}

static void find_way(const struct sp_node *n, struct verdict *v,
		     const struct sp_control_wish *wish)
{
	switch (v->service->protocol) {
	case SP_PROTOCOL_HTTP:
		route_http1(n, v, wish->head);
		return;
	case SP_PROTOCOL_TLS:
		route_tls(n, v, wish);
		return;
	case SP_PROTOCOL_TCP:
		take_route(v, -1);
		find_key(n, v, NULL);
	}
}

/* ---- backends ---- */

static json_t *list_backends(const struct sp_node *n, const struct verdict *v)
{
	struct sp_backends *b = n->role->backends ? n->role->backends(n) : NULL;
	const struct sp_pool_conf *pool = &n->config->pools[v->pool_idx];
	json_t *list = json_array();
	int holder = -1;

	if (b && v->has_key)
		holder = sp_backends_holder(b, pool, v->is_v4, v->key, sp_now_ns());
	for (size_t i = 0; b && i < pool->backend_count; i++) {
		enum sp_backend_obstacle obstacle =
			sp_backends_obstacle(b, pool, i, v->is_v4, sp_now_ns());
		int is_passed = v->has_key && !obstacle && holder != (int)i;

		json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name",
						      pool->backends[i].name, "gets", !obstacle &&
						      !is_passed, "why", is_passed ?
						      "the key belongs to another backend" :
						      sp_backend_obstacle_text(obstacle)));
	}
	return list;
}

static json_t *make_answer(const struct sp_node *n, const struct verdict *v)
{
	const struct sp_pool_conf *pool = v->pool_idx < 0 ? NULL : &n->config->pools[v->pool_idx];

	return json_pack("{s:s, s:o, s:s?, s:o, s:s, s:o}", "service", v->service->name, "route",
			 v->route < 0 ? json_null() : json_integer(v->route + 1), "pool",
			 pool ? pool->name : NULL, "status",
			 v->status ? json_integer(v->status) : json_null(), "why", v->why,
			 "backends", pool ? list_backends(n, v) : json_array());
}

static const struct sp_service_conf *find_service(const struct sp_config *config, const char *name)
{
	for (size_t i = 0; i < config->service_count; i++)
		if (!strcmp(config->services[i].name, name))
			return &config->services[i];
	return NULL;
}

json_t *sp_explain(struct sp_node *n, const struct sp_control_wish *wish)
{
	struct verdict v = { .service = find_service(n->config, wish->service), .route = -1,
			     .pool_idx = -1 };

	if (!v.service)
		return json_pack("{s:o}", "error",
				 json_sprintf("no service '%s'; allowed: those of splicectl status",
					      wish->service));
	if (*wish->from && sp_addr_parse(wish->from, &v.from))
		return json_pack("{s:s}", "error", "'from' must be an IPv4 or IPv6 address");
	v.is_v4 = sp_addr_is_v4(*wish->from ? &v.from : &v.service->listens[0].addr);
	find_way(n, &v, wish);
	return make_answer(n, &v);
}
