// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * rewrite.c - the changed head of a request
 *
 * Theory of operation. Between the request line and the empty line there are only headers, from
 * name to name. So the new head is a row of copies: request line, headers without a rule, headers
 * written by rules, empty line. A header is copied whole or not at all, but for the last header of
 * a trusted client's list of addresses, whose value gets longer.
 *
 * A client can have a header dropped behind the proxy by naming the header in Connection (RFC 9110,
 * 7.6.1). No honest client names a header written by proxies: the request is refused.
 */
#include "l7/rewrite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NODE_STRLEN (SP_ADDR_STRLEN + sizeof("\"[]\""))
#define TOKEN_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

/* @appended: index of the header to which the client's address is appended; -1: none */
struct rewrite {
	const struct sp_rewrite	*rules;
	const char		*bytes;
	const struct sp_http1	*head;
	const struct sp_addr	*client;
	int			appended;
	size_t			header_count;	/* written */
	char			*p;
	char			*end;
	bool			is_full;
};

const char *sp_rewrite_forwarded_name(enum sp_forwarded forwarded)
{
	switch (forwarded) {
	case SP_FORWARDED_NONE:
		return NULL;
	case SP_FORWARDED_X_FORWARDED_FOR:
		return "X-Forwarded-For";
	case SP_FORWARDED_FORWARDED:
		return "Forwarded";
	}
	return NULL;
}

bool sp_rewrite_is_needed(const struct sp_rewrite *rules)
{
	return rules->forwarded != SP_FORWARDED_NONE || rules->set_count || rules->remove_count;
}

static char folded_byte(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c | 0x20;
	return c == '_' ? '-' : c;
}

bool sp_rewrite_is_same_name(struct sp_str a, const char *b)
{
	if (a.len != strlen(b))
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (folded_byte(a.p[i]) != folded_byte(b[i]))
			return false;
	return true;
}

bool sp_rewrite_is_protected(const char *name)
{
	static const char *const names[] = {
		"Host", "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Expect",
		"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "HTTP2-Settings",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (sp_rewrite_is_same_name((struct sp_str){ name, strlen(name) }, names[i]))
			return true;
	return false;
}

static bool is_written(const struct sp_rewrite *rules, struct sp_str name)
{
	const char *forwarded = sp_rewrite_forwarded_name(rules->forwarded);

	if (forwarded && sp_rewrite_is_same_name(name, forwarded))
		return true;
	for (size_t i = 0; i < rules->set_count; i++)
		if (sp_rewrite_is_same_name(name, rules->sets[i].name))
			return true;
	return false;
}

static bool is_removed(const struct sp_rewrite *rules, struct sp_str name)
{
	for (size_t i = 0; i < rules->remove_count; i++)
		if (sp_rewrite_is_same_name(name, rules->removes[i]))
			return true;
	return false;
}

static void put_bytes(struct rewrite *r, const char *p, size_t len)
{
	if ((size_t)(r->end - r->p) < len) {
		r->is_full = true;
		return;
	}
	memcpy(r->p, p, len);
	r->p += len;
}

static void put_text(struct rewrite *r, const char *text)
{
	put_bytes(r, text, strlen(text));
}

/* The address of a node, RFC 7239, 6: IPv6 in brackets, and quoted, since a colon is no token's. */
static char *node_format(const struct sp_addr *addr, char *buf)
{
	char text[SP_ADDR_STRLEN];

	if (sp_addr_is_v4(addr))
		return sp_addr_format(addr, buf);
	strcpy(buf, "\"[");
	strcat(buf, sp_addr_format(addr, text));
	return strcat(buf, "]\"");
}

static struct sp_str value_of(const struct sp_http1 *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].name.len == strlen(name) &&
		    !strncasecmp(head->headers[i].name.p, name, strlen(name)))
			return head->headers[i].value;
	return (struct sp_str){ NULL, 0 };
}

static bool is_token(struct sp_str str)
{
	for (size_t i = 0; i < str.len; i++)
		if (!str.p[i] || !strchr(TOKEN_CHARS, str.p[i]))
			return false;
	return str.len > 0;
}

/* No host has a quote or a backslash in it: sp_http1_parse() takes neither. */
static void put_host(struct rewrite *r)
{
	struct sp_str host = value_of(r->head, "Host");
	const char *quote;

	if (!host.p)
		host = r->head->host;
	if (!host.p)
		return;
	quote = is_token(host) ? "" : "\"";
	put_text(r, ";host=");
	put_text(r, quote);
	put_bytes(r, host.p, host.len);
	put_text(r, quote);
}

/* The client, as an element of the header's list. */
static void put_client(struct rewrite *r)
{
	char node[NODE_STRLEN];

	if (r->rules->forwarded == SP_FORWARDED_X_FORWARDED_FOR) {
		put_text(r, sp_addr_format(r->client, node));
		return;
	}
	put_text(r, "for=");
	put_text(r, node_format(r->client, node));
	put_host(r);
	put_text(r, ";proto=http");
}

static void put_name(struct rewrite *r, const char *name)
{
	put_text(r, name);
	put_text(r, ": ");
	r->header_count++;
}

/* The header as sent, up to the end of the value, and the client behind. */
static void put_appended(struct rewrite *r, const struct sp_http1_header *header)
{
	put_bytes(r, header->name.p, header->value.p + header->value.len - header->name.p);
	put_text(r, header->value.len ? ", " : "");
	put_client(r);
	put_text(r, "\r\n");
	r->header_count++;
}

static const char *header_end(const struct rewrite *r, size_t idx)
{
	if (idx + 1 < r->head->header_count)
		return r->head->headers[idx + 1].name.p;
	return r->bytes + r->head->head_len - 2;
}

static bool is_list_kept(const struct rewrite *r, struct sp_str name)
{
	const char *forwarded = sp_rewrite_forwarded_name(r->rules->forwarded);

	return r->appended >= 0 && name.len == strlen(forwarded) &&
	       !strncasecmp(name.p, forwarded, name.len);
}

static void put_header(struct rewrite *r, size_t idx)
{
	const struct sp_http1_header *header = &r->head->headers[idx];

	if ((int)idx == r->appended) {
		put_appended(r, header);
		return;
	}
	if (!is_list_kept(r, header->name) &&
	    (is_written(r->rules, header->name) || is_removed(r->rules, header->name)))
		return;
	put_bytes(r, header->name.p, header_end(r, idx) - header->name.p);
	r->header_count++;
}

static void put_written(struct rewrite *r)
{
	const struct sp_rewrite *rules = r->rules;

	if (rules->forwarded != SP_FORWARDED_NONE && r->appended < 0) {
		put_name(r, sp_rewrite_forwarded_name(rules->forwarded));
		put_client(r);
		put_text(r, "\r\n");
	}
	for (size_t i = 0; i < rules->set_count; i++) {
		put_name(r, rules->sets[i].name);
		put_text(r, rules->sets[i].value);
		put_text(r, "\r\n");
	}
}

/* The last header of a trusted client's list; a name with `_` is no part of the list. */
static int find_appended(const struct rewrite *r)
{
	const char *name = sp_rewrite_forwarded_name(r->rules->forwarded);
	int idx = r->head->header_count;

	if (!name || !sp_prefixes_have(r->rules->trusts, r->rules->trust_count, r->client))
		return -1;
	while (--idx >= 0)
		if (r->head->headers[idx].name.len == strlen(name) &&
		    !strncasecmp(r->head->headers[idx].name.p, name, strlen(name)))
			break;
	return idx;
}

static bool is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

/* Whether a Connection header's value names a header written by a rule. */
static bool names_written(const struct sp_rewrite *rules, struct sp_str list)
{
	const char *p = list.p, *end = list.p + list.len, *start;

	while (p < end) {
		while (p < end && is_separator(*p))
			p++;
		start = p;
		while (p < end && !is_separator(*p))
			p++;
		if (is_written(rules, (struct sp_str){ start, p - start }))
			return true;
	}
	return false;
}

static bool is_drop_asked(const struct sp_rewrite *rules, const struct sp_http1 *head)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (sp_rewrite_is_same_name(head->headers[i].name, "Connection") &&
		    names_written(rules, head->headers[i].value))
			return true;
	return false;
}

int sp_rewrite_head(const struct sp_rewrite *rules, const char *bytes, const struct sp_http1 *head,
		    const struct sp_addr *client, char *buf, size_t size, size_t *ret_len)
{
	struct rewrite r = {
		.rules = rules, .bytes = bytes, .head = head, .client = client,
		.p = buf, .end = buf + size,
	};
	const char *start = bytes + head->head_len - 2;

	if (is_drop_asked(rules, head))
		return -EBADMSG;
	r.appended = find_appended(&r);
	if (head->header_count)
		start = head->headers[0].name.p;
	put_bytes(&r, bytes, start - bytes);
	for (size_t i = 0; i < head->header_count; i++)
		put_header(&r, i);
	put_written(&r);
	put_text(&r, "\r\n");
	if (r.is_full || r.header_count > SP_HTTP1_HEADERS_MAX)
		return -E2BIG;
	*ret_len = r.p - buf;
	return 0;
}
