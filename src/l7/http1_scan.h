/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http1_scan.h - cursor over a message's head and the small elements of its grammar. Read by
 * l7/http1*.[ch] only.
 */
#ifndef SP_L7_HTTP1_SCAN_H
#define SP_L7_HTTP1_SCAN_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "l7/http1.h"
#include "l7/http1_connection.h"

#define HOST_MAX 255

enum class {
	TOKEN = 1, /* RFC 9110, 5.6.2 */
	VALUE = 2, /* of a header */
	PATH = 4,  /* printable, but neither '#' nor '?' */
	QUERY = 8, /* the same and '?' */
	NAME = 16, /* of a host: RFC 3986, 3.2.2, reg-name */
	DIGIT = 32,
	HEX = 64,
};

#define PRINT (VALUE | PATH | QUERY)
#define ALNUM (TOKEN | PRINT | NAME)

static const unsigned char classes[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TOKEN | PRINT | NAME,
	['"'] = PRINT,
	['#'] = TOKEN | VALUE,
	['$' ... '\''] = TOKEN | PRINT | NAME,
	['(' ... ')'] = PRINT | NAME,
	['*' ... '+'] = TOKEN | PRINT | NAME,
	[','] = PRINT | NAME,
	['-' ... '.'] = TOKEN | PRINT | NAME,
	['/'] = PRINT,
	['0' ... '9'] = ALNUM | DIGIT | HEX,
	[':'] = PRINT,
	[';'] = PRINT | NAME,
	['<'] = PRINT,
	['='] = PRINT | NAME,
	['>'] = PRINT,
	['?'] = VALUE | QUERY,
	['@'] = PRINT,
	['A' ... 'F'] = ALNUM | HEX,
	['G' ... 'Z'] = ALNUM,
	['[' ... ']'] = PRINT,
	['^'] = TOKEN | PRINT,
	['_'] = TOKEN | PRINT | NAME,
	['`'] = TOKEN | PRINT,
	['a' ... 'f'] = ALNUM | HEX,
	['g' ... 'z'] = ALNUM,
	['{'] = PRINT,
	['|'] = TOKEN | PRINT,
	['}'] = PRINT,
	['~'] = TOKEN | PRINT | NAME,
	[0x80 ... 0xff] = VALUE,
};

struct authority {
	struct sp_str host;
	unsigned int port; /* 0: not given, or empty */
};

struct scan {
	const char *p; /* cursor */
	const char *end;
	const char *why; /* see struct sp_http1 */
	/* All else is of requests alone. */
	struct sp_http1 *head;
	struct authority target;   /* host.p NULL: the target has no host */
	unsigned int default_port; /* of the target's scheme; 0: none */
	bool has_host;
	bool has_length;
	bool has_coding;
	bool has_expect;
	bool has_upgrade;
	struct connection_options options;
};

static inline bool is_in_class(char c, enum class class)
{
	return classes[(unsigned char)c] & class;
}

static inline bool str_is(const struct sp_str *str, const char *other)
{
	return str->len == strlen(other) && memcmp(str->p, other, str->len) == 0;
}

static inline enum sp_parse_verdict bad_head(struct scan *s, const char *why)
{
	s->why = why;
	return SP_PARSE_BAD;
}

/* The byte under the cursor is not allowed there. */
static inline enum sp_parse_verdict bad_byte(struct scan *s, const char *why)
{
	switch (*s->p) {
	case '\0':
		return bad_head(s, "NUL character");
	case '\n':
		return bad_head(s, "LF without CR");
	case '\r':
	case '\t':
		return bad_head(s, why);
	}
	return bad_head(s, (unsigned char)*s->p < ' ' || *s->p == 0x7f ? "control character" : why);
}

static inline enum sp_parse_verdict take_byte(struct scan *s, char byte, const char *why)
{
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (*s->p != byte)
		return bad_byte(s, why);
	s->p++;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_text(struct scan *s, const char *text, const char *why)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	while (*text && v == SP_PARSE_OK)
		v = take_byte(s, *text++, why);
	return v;
}

/* OK: a byte follows, even if none was of @class. */
static inline enum sp_parse_verdict take_class(struct scan *s, enum class class, struct sp_str *ret)
{
	ret->p = s->p;
	while (s->p < s->end && is_in_class(*s->p, class))
		s->p++;
	ret->len = s->p - ret->p;
	return s->p < s->end ? SP_PARSE_OK : SP_PARSE_INCOMPLETE;
}

static inline enum sp_parse_verdict take_blanks(struct scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
	return s->p < s->end ? SP_PARSE_OK : SP_PARSE_INCOMPLETE;
}

static inline enum sp_parse_verdict take_crlf(struct scan *s, const char *why)
{
	enum sp_parse_verdict v = take_byte(s, '\r', why);

	if (v != SP_PARSE_OK || s->p == s->end)
		return v == SP_PARSE_OK ? SP_PARSE_INCOMPLETE : v;
	if (*s->p++ != '\n')
		return bad_head(s, "CR without LF");
	return SP_PARSE_OK;
}

/* The name of a header, and its colon */
static inline enum sp_parse_verdict take_name(struct scan *s, struct sp_str *ret)
{
	enum sp_parse_verdict v = take_class(s, TOKEN, ret);

	if (v != SP_PARSE_OK)
		return v;
	if (ret->len == 0 && is_blank(*s->p))
		return bad_head(s, "folded line");
	if (ret->len == 0)
		return bad_byte(s, "empty header name");
	if (is_blank(*s->p))
		return bad_head(s, "blank before a header's colon");
	return take_byte(s, ':', "invalid character in a header's name");
}

/* A header up to the end of its line, which is not taken */
static inline enum sp_parse_verdict take_field(struct scan *s, struct sp_http1_header *ret)
{
	enum sp_parse_verdict v = take_name(s, &ret->name);

	if (v == SP_PARSE_OK)
		v = take_class(s, VALUE, &ret->value);
	if (v == SP_PARSE_OK)
		ret->value = trim_blanks(ret->value);
	return v;
}

static inline enum sp_parse_verdict take_ip6(struct scan *s, struct sp_str *ret)
{
	static const char why[] = "malformed IPv6 literal";
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len = 0;

	ret->p = s->p++;
	if (s->p < s->end && (*s->p | 0x20) == 'v')
		return bad_head(s, "IP literal of a kind that is not known");
	while (s->p < s->end && *s->p != ']') {
		if (*s->p == '%')
			return bad_head(s, "zone in an IPv6 literal");
		if (len == sizeof(text) - 1 ||
		    (!is_in_class(*s->p, HEX) && *s->p != ':' && *s->p != '.'))
			return bad_byte(s, why);
		text[len++] = *s->p++;
	}
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, &addr) != 1)
		return bad_head(s, why);
	s->p++;
	ret->len = s->p - ret->p;
	return SP_PARSE_OK;
}

/* The cursor is behind the percent sign. */
static inline enum sp_parse_verdict take_host_escape(struct scan *s)
{
	int i;

	for (i = 0; i < 2; i++, s->p++) {
		if (s->p == s->end)
			return SP_PARSE_INCOMPLETE;
		if (!is_in_class(*s->p, HEX))
			return bad_byte(s, "malformed escape in host name");
		if (i == 0 && *s->p < '8')
			return bad_head(s, "escape of ASCII in host name");
	}
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_host_name(struct scan *s, struct sp_str *ret)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	ret->p = s->p;
	while (v == SP_PARSE_OK && s->p < s->end && is_in_class(*s->p, NAME)) {
		if (*s->p == '.' && (s->p == ret->p || s->p[-1] == '.'))
			return bad_head(s, "empty label in host name");
		if (s->p - ret->p >= HOST_MAX)
			return bad_head(s, "host name too long");
		if (*s->p++ == '%')
			v = take_host_escape(s);
	}
	if (v != SP_PARSE_OK)
		return v;
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	ret->len = s->p - ret->p;
	return ret->len ? SP_PARSE_OK : bad_byte(s, "no host name");
}

static inline enum sp_parse_verdict take_port(struct scan *s, unsigned int *ret_port)
{
	const char *start = s->p;
	unsigned int port = 0;

	for (; s->p < s->end && is_in_class(*s->p, DIGIT); s->p++) {
		port = port * 10 + (*s->p - '0');
		if (port > 65535)
			return bad_head(s, "port out of range");
	}
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (s->p > start && port == 0)
		return bad_byte(s, "port 0");
	*ret_port = port;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_authority(struct scan *s, struct authority *ret)
{
	enum sp_parse_verdict v;

	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	v = *s->p == '[' ? take_ip6(s, &ret->host) : take_host_name(s, &ret->host);
	if (v != SP_PARSE_OK)
		return v;
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	ret->port = 0;
	if (*s->p != ':')
		return SP_PARSE_OK;
	s->p++;
	return take_port(s, &ret->port);
}

#endif
