// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * route.c - content rules
 *
 * Paths are compared in their normal form (path.c), as the server behind reads them. A request is
 * refused for its path only if the path would decide a rule: without a rule about paths, a path
 * needs no single meaning here.
 */
#include "l7/route.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "l7/host.h"
#include "l7/path.h"

static struct sp_str str_of(const char *text)
{
	return (struct sp_str){text, strlen(text)};
}

static bool str_is(const struct sp_str *str, const char *text)
{
	return str->len == strlen(text) && memcmp(str->p, text, str->len) == 0;
}

static bool str_is_nocase(const struct sp_str *str, const struct sp_str *other)
{
	return str->len == other->len && strncasecmp(str->p, other->p, str->len) == 0;
}

/* "example.org." is the same name as "example.org". */
static struct sp_str without_dot(struct sp_str name)
{
	if (name.len && name.p[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool host_matches(const char *rule, struct sp_str name)
{
	struct sp_str want;

	if (!rule)
		return true;
	if (!name.p)
		return false;
	name = without_dot(name);
	want = without_dot(str_of(rule));
	if (want.len < 2 || memcmp(want.p, "*.", 2) != 0)
		return sp_host_is_same(name, want);
	want.p++;
	want.len--;
	if (name.len <= want.len)
		return false;
	name.p += name.len - want.len;
	name.len = want.len;
	return str_is_nocase(&name, &want);
}

/* Servers that know parameters of a segment, as in "/v1;a=b/x", find the same under "/v1/x". */
static const char *skip_parameters(const char *p, const char *end)
{
	const char *slash = memchr(p, '/', end - p);

	return slash ? slash : end;
}

/* @path: in normal form */
static bool path_matches(const char *rule, struct sp_str path)
{
	const char *p = path.p, *end = path.p + path.len, *at;

	for (at = rule; *at; at++, p++) {
		if (p < end && *p == ';' && *at == '/')
			p = skip_parameters(p, end);
		if (p == end || *p != *at)
			return false;
	}
	return p == end || *p == '/' || *p == ';' || (at > rule && at[-1] == '/');
}

static bool method_matches(char *const *methods, const struct sp_str *method)
{
	if (!methods)
		return true;
	for (; *methods; methods++)
		if (str_is(method, *methods))
			return true;
	return false;
}

static bool header_matches(const struct sp_route *route, const struct sp_http1 *head)
{
	struct sp_str name;
	size_t i;

	if (!route->header)
		return true;
	name = str_of(route->header);
	for (i = 0; i < head->header_count; i++) {
		if (!str_is_nocase(&head->headers[i].name, &name))
			continue;
		if (!route->value || str_is(&head->headers[i].value, route->value))
			return true;
	}
	return false;
}

static bool all_but_path_matches(const struct sp_route *route, const struct sp_http1 *head)
{
	return !route->alpn && host_matches(route->host, head->host) &&
	       method_matches(route->methods, &head->method) && header_matches(route, head);
}

static bool tls_matches(const struct sp_route *route, const struct sp_tls_hello *hello)
{
	struct sp_str name = str_of(hello->sni);

	if (route->path || route->methods || route->header)
		return false;
	if (name.len == 0)
		name.p = NULL;
	return host_matches(route->host, name) &&
	       (!route->alpn || sp_tls_hello_has_alpn(hello, route->alpn));
}

int sp_route_http1(const struct sp_route *routes, size_t count, enum sp_ambiguous_paths policy,
		   const struct sp_http1 *head)
{
	static char buf[SP_PATH_MAX]; /* static, as only one thread routes */
	struct sp_str path = {};
	const char *why = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!all_but_path_matches(&routes[i], head))
			continue;
		if (!routes[i].path)
			return i;
		if (!head->path.p || head->path.len > sizeof(buf))
			continue;
		if (!path.p)
			path = sp_path_normalize(head->path, buf, &why);
		if (why && policy == SP_AMBIGUOUS_PATHS_REJECT)
			return SP_ROUTE_AMBIGUOUS;
		if (path_matches(routes[i].path, path))
			return i;
	}
	return -1;
}

int sp_route_tls(const struct sp_route *routes, size_t count, const struct sp_tls_hello *hello)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (tls_matches(&routes[i], hello))
			return i;
	return -1;
}
