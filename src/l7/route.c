// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * route.c - content rules
 *
 * Paths are compared as sent: neither percent signs nor dot segments are resolved, since the server behind does that in
 * a way of its own. Rules distribute requests; they do not protect what lies behind one path from those who ask
 * for another.
 */
#include "l7/route.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

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
		return str_is_nocase(&name, &want);
	want.p++;
	want.len--;
	if (name.len <= want.len)
		return false;
	name.p += name.len - want.len;
	name.len = want.len;
	return str_is_nocase(&name, &want);
}

static bool path_matches(const char *rule, struct sp_str path)
{
	size_t len;

	if (!rule)
		return true;
	if (!path.p)
		return false;
	if (path.len == 0)
		path = str_of("/");
	len = strlen(rule);
	if (path.len < len || memcmp(path.p, rule, len) != 0)
		return false;
	return path.len == len || (len && rule[len - 1] == '/') || path.p[len] == '/';
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

static bool http1_matches(const struct sp_route *route, const struct sp_http1 *head)
{
	return !route->alpn && host_matches(route->host, head->host) &&
	       path_matches(route->path, head->path) &&
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

int sp_route_http1(const struct sp_route *routes, size_t count, const struct sp_http1 *head)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (http1_matches(&routes[i], head))
			return i;
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
