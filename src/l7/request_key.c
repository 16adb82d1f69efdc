// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* request_key.c - see request_key.h */
#include "l7/request_key.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "l7/path.h"

static int is_named(const struct sp_http1_header *header, const char *name)
{
	return header->name.len == strlen(name) &&
	       !strncasecmp(header->name.p, name, header->name.len);
}

static struct sp_str trim_blanks(struct sp_str s)
{
	for (; s.len && strchr(" \t", s.p[0]); s.p++)
		s.len--;
	while (s.len && strchr(" \t", s.p[s.len - 1]))
		s.len--;
	return s;
}

/* @pair: "name=value" of a list. Return: the value; NULL: another name, or no value. */
static struct sp_str value_of(struct sp_str pair, const char *name)
{
	size_t len = strlen(name);

	pair = trim_blanks(pair);
	if (pair.len <= len + 1 || memcmp(pair.p, name, len) || pair.p[len] != '=')
		return (struct sp_str){ 0 };
	return (struct sp_str){ pair.p + len + 1, pair.len - len - 1 };
}

/* RFC 6265, 4.2.1: pairs with semicolons between. */
static struct sp_str find_cookie(struct sp_str list, const char *name)
{
	struct sp_str value = { 0 };

	while (list.len && !value.p) {
		const char *semicolon = memchr(list.p, ';', list.len);
		size_t len = semicolon ? (size_t)(semicolon - list.p) : list.len;

		value = value_of((struct sp_str){ list.p, len }, name);
		list.p += len + !!semicolon;
		list.len -= len + !!semicolon;
	}
	return value;
}

static struct sp_str find_named(const struct sp_http1 *head, enum sp_hash_by by, const char *name)
{
	int is_cookie = by == SP_HASH_BY_COOKIE;

	for (size_t i = 0; i < head->header_count; i++) {
		const struct sp_http1_header *h = &head->headers[i];
		struct sp_str value = h->value;

		if (!is_named(h, is_cookie ? "Cookie" : name))
			continue;
		if (is_cookie)
			value = find_cookie(h->value, name);
		if (value.len)
			return value;
	}
	return (struct sp_str){ 0 };
}

static struct sp_str find_path(const struct sp_http1 *head)
{
	static char buf[SP_PATH_MAX];
	const char *why;

	if (!head->path.p || head->path.len > sizeof(buf))
		return (struct sp_str){ 0 };
	return sp_path_normalize(head->path, buf, &why);
}

int sp_request_key(const struct sp_http1 *head, enum sp_hash_by by, const char *name,
		   __u64 *ret_key)
{
	struct sp_str part = by == SP_HASH_BY_PATH ? find_path(head) : find_named(head, by, name);

	if (!part.len)
		return -ENOENT;
	*ret_key = sp_balance_hash(part.p, part.len);
	return 0;
}
