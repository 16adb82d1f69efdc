// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * http1.c - strict parser of an HTTP/1.0 or 1.1 request head
 *
 * Theory of operation. A cursor walks once over the bytes; each take_*() eats an element of the
 * grammar and says OK, INCOMPLETE (the input ended inside the element) or BAD. No state survives a
 * call: the caller comes again with a longer input. A byte that no continuation can repair is BAD
 * at once. So a TLS ClientHello on an HTTP port ends at its first byte, and a client that speaks
 * nonsense gets its 400 without waiting for a time-out.
 *
 * The head is forwarded unchanged. If a server could read another request out of the same bytes
 * (another host, another path, another end of the message), the only safe answer is to refuse.
 * Refused are:
 *
 *  - lines other than `method SP target SP HTTP/1.x CRLF`; more than one empty line before (RFC
 *    9112, 2.2); HTTP/0.9; versions other than 1.0 and 1.1; the method PRI, which belongs to the
 *    preface of HTTP/2
 *  - LF without CR, CR without LF, NUL and all control characters but the tab inside a value:
 *    servers differ in the ends of lines and strings
 *  - in the target: bytes outside of printable ASCII; `#`, which ends the path for some servers
 *  - targets other than origin-form, absolute-form with http(s), `OPTIONS *`, and host:port with
 *    CONNECT; user information in an authority
 *  - lines that continue the line before (obs-fold); a blank between name and colon; an empty
 *    name; characters in a name that are not a token's: each hides a header from one server and
 *    shows it to the next
 *  - Host missing in 1.1, given twice, empty, or no host[:port]. A host is a reg-name (RFC 3986,
 *    3.2.2) without empty labels, or a valid IPv6 literal. Refused are escapes of ASCII, since
 *    only some servers decode them; zones, which never leave a host (RFC 6874, 4); IP literals of
 *    kinds to come. Port 0 means no port to some servers
 *  - an absolute-form or CONNECT target whose authority is not that of Host (without case; an
 *    IPv6 address may have another spelling; the scheme's port counts as given, and behind
 *    CONNECT Host may be without a port: RFC 9112, 3.2.3)
 *  - Content-Length that is not a number below 2^63, or is given twice, even with equal values:
 *    RFC 9110, 8.6 wants a list reduced to a single value before forwarding
 *  - Transfer-Encoding next to Content-Length, in HTTP/1.0, given twice, with an empty element or
 *    a parameter, without `chunked` as last coding, or with `chunked` twice
 *  - Content_Length and Transfer_Encoding: gateways to CGI-like interfaces take them for the real
 *    headers
 *  - a body with CONNECT or TRACE (RFC 9110, 9.3.6 and 9.3.8), and with GET, HEAD or DELETE in
 *    HTTP/1.0, where old servers read the body as a request. `Content-Length: 0` is no body
 *  - HEAD and CONNECT in another case: a server that compares methods without case sends no body,
 *    or opens a tunnel
 *  - Connection with a quotation mark, since readers of quoted strings find other options; or with
 *    the name of a header that frames the message: a gateway would remove this header
 *  - Expect given twice, or with an expectation other than 100-continue
 *  - more than SP_HTTP1_HEADERS_MAX headers
 *
 * Allowed is a body next to Upgrade, with the usual end: clients ask for h2c with their first
 * request of any method. The new protocol begins behind the body. Unknown options of Connection
 * count for nothing: persistence moves no end of a message.
 */
#include "l7/http1.h"

#include "l7/host.h"
#include "l7/http1_fields.h"
#include "l7/http1_scan.h"

static enum sp_parse_verdict take_path(struct scan *s)
{
	struct sp_str query;
	enum sp_parse_verdict v = take_class(s, PATH, &s->head->path);

	if (v != SP_PARSE_OK || *s->p != '?')
		return v;
	return take_class(s, QUERY, &query);
}

static enum sp_parse_verdict take_scheme(struct scan *s)
{
	static const char why[] = "malformed request target";
	const char *text;

	for (text = "http"; *text; text++, s->p++) {
		if (s->p == s->end)
			return SP_PARSE_INCOMPLETE;
		if ((*s->p | 0x20) != *text)
			return bad_byte(s, why);
	}
	s->default_port = 80;
	if (s->p < s->end && (*s->p | 0x20) == 's') {
		s->default_port = 443;
		s->p++;
	}
	return take_text(s, "://", why);
}

static enum sp_parse_verdict take_absolute(struct scan *s)
{
	enum sp_parse_verdict v = take_scheme(s);

	if (v == SP_PARSE_OK)
		v = take_authority(s, &s->target);
	if (v != SP_PARSE_OK)
		return v;
	if (s->target.port == 0)
		s->target.port = s->default_port;
	if (*s->p == '/' || *s->p == '?')
		return take_path(s);
	/* An empty path means "/", but with OPTIONS it means "*" (RFC 9112, 3.2.4). */
	if (!str_is(&s->head->method, "OPTIONS"))
		s->head->path.p = s->p;
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_connect(struct scan *s)
{
	enum sp_parse_verdict v = take_authority(s, &s->target);

	if (v == SP_PARSE_OK && s->target.port == 0)
		return bad_byte(s, "CONNECT without port");
	return v;
}

static enum sp_parse_verdict take_target(struct scan *s)
{
	enum sp_parse_verdict v = SP_PARSE_OK;
	const char *start = s->p;

	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (s->head->framing.is_connect)
		v = take_connect(s);
	else if (*s->p == '/')
		v = take_path(s);
	else if (*s->p == '*' && str_is(&s->head->method, "OPTIONS"))
		s->p++;
	else
		v = take_absolute(s);
	s->head->target = (struct sp_str){start, s->p - start};
	return v;
}

static enum sp_parse_verdict take_method(struct scan *s)
{
	enum sp_parse_verdict v = take_class(s, TOKEN, &s->head->method);

	if (v != SP_PARSE_OK)
		return v;
	if (s->head->method.len == 0)
		return bad_byte(s, "no method");
	if (str_is(&s->head->method, "PRI"))
		return bad_head(s, "preface of HTTP/2");
	s->head->framing.is_head = str_is(&s->head->method, "HEAD");
	s->head->framing.is_connect = str_is(&s->head->method, "CONNECT");
	if (!s->head->framing.is_head && !s->head->framing.is_connect &&
	    (str_is_nocase(&s->head->method, "HEAD") || str_is_nocase(&s->head->method, "CONNECT")))
		return bad_head(s, "HEAD or CONNECT in another case");
	return take_byte(s, ' ', "malformed method");
}

static enum sp_parse_verdict take_version(struct scan *s)
{
	enum sp_parse_verdict v = take_text(s, "HTTP/1.", "not HTTP/1.0 or HTTP/1.1");

	if (v != SP_PARSE_OK)
		return v;
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (*s->p != '0' && *s->p != '1')
		return bad_byte(s, "not HTTP/1.0 or HTTP/1.1");
	s->head->minor = *s->p++ - '0';
	return take_crlf(s, "characters behind the version");
}

static enum sp_parse_verdict take_request_line(struct scan *s)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	if (s->p < s->end && *s->p == '\r')
		v = take_crlf(s, "no method");
	if (v == SP_PARSE_OK)
		v = take_method(s);
	if (v == SP_PARSE_OK)
		v = take_target(s);
	if (v == SP_PARSE_OK)
		v = take_byte(s, ' ', "malformed request target");
	if (v == SP_PARSE_OK)
		v = take_version(s);
	return v;
}

static bool host_agrees(const struct scan *s, const struct authority *host)
{
	const struct authority *target = &s->target;
	unsigned int port = host->port ? host->port : s->default_port;

	if (!target->host.p)
		return true;
	return sp_host_is_same(host->host, target->host) && (port == 0 || port == target->port);
}

static enum sp_parse_verdict take_host(struct scan *s)
{
	struct authority host = {};
	enum sp_parse_verdict v = take_authority(s, &host);

	if (v != SP_PARSE_OK)
		return v;
	if (!host_agrees(s, &host))
		return bad_byte(s, "Host is not the target's");
	s->head->host = host.host;
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_text_value(struct scan *s)
{
	struct sp_str unused;

	return take_class(s, VALUE, &unused);
}

static enum sp_parse_verdict admit_host(struct scan *s)
{
	if (s->has_host)
		return bad_head(s, "Host given twice");
	s->has_host = true;
	return SP_PARSE_OK;
}

static enum sp_parse_verdict admit_never(struct scan *s)
{
	return bad_head(s, "underscore in a name that frames the message");
}

static enum sp_parse_verdict admit_any(struct scan *s)
{
	return SP_PARSE_OK;
}

/* @admit: whether the name may stand here; @take: reads its value, up to blanks and CRLF */
struct header_kind {
	const char *name;
	size_t len;
	enum sp_parse_verdict (*admit)(struct scan *s);
	enum sp_parse_verdict (*take)(struct scan *s);
	const char *why;
};

#define KIND(name) name, sizeof(name) - 1

static const struct header_kind kinds[] = {
	{KIND("host"), admit_host, take_host, "malformed Host"},
	{KIND("content-length"), admit_length, take_length, "Content-Length is not a number"},
	{KIND("transfer-encoding"), admit_coding, take_codings, "malformed Transfer-Encoding"},
	{KIND("connection"), admit_any, take_connection, "invalid character in Connection"},
	{KIND("expect"), admit_expect, take_expect, "invalid character in Expect"},
	{KIND("upgrade"), admit_upgrade, take_text_value, "invalid character in Upgrade"},
	{KIND("content_length"), admit_never, take_text_value, ""},
	{KIND("transfer_encoding"), admit_never, take_text_value, ""},
};

static const struct header_kind any_kind = {
	"", 0, admit_any, take_text_value, "invalid character in a header's value",
};

static const struct header_kind *kind_of(const struct sp_str *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (name->len == kinds[i].len &&
		    strncasecmp(name->p, kinds[i].name, name->len) == 0)
			return &kinds[i];
	return &any_kind;
}

static enum sp_parse_verdict take_value(struct scan *s, const struct header_kind *kind,
				       struct sp_str *value)
{
	enum sp_parse_verdict v = take_blanks(s);

	if (v != SP_PARSE_OK)
		return v;
	value->p = s->p;
	v = kind->take(s);
	if (v == SP_PARSE_OK)
		v = take_blanks(s);
	if (v != SP_PARSE_OK)
		return v;
	value->len = s->p - value->p;
	*value = trim_blanks(*value);
	return take_crlf(s, kind->why);
}

static enum sp_parse_verdict take_header(struct scan *s)
{
	struct sp_http1_header *header = &s->head->headers[s->head->header_count];
	const struct header_kind *kind;
	enum sp_parse_verdict v;

	if (s->head->header_count == SP_HTTP1_HEADERS_MAX)
		return bad_head(s, "too many headers");
	v = take_name(s, &header->name);
	if (v != SP_PARSE_OK)
		return v;
	kind = kind_of(&header->name);
	v = kind->admit(s);
	if (v == SP_PARSE_OK)
		v = take_value(s, kind, &header->value);
	if (v == SP_PARSE_OK)
		s->head->header_count++;
	return v;
}

static enum sp_parse_verdict take_end(struct scan *s)
{
	if (!s->has_host && s->head->minor == 1)
		return bad_head(s, "no Host");
	if (!s->has_host)
		s->head->host = s->target.host;
	settle_framing(s);
	return take_crlf(s, "");
}

static enum sp_parse_verdict take_head(struct scan *s)
{
	enum sp_parse_verdict v = take_request_line(s);

	while (v == SP_PARSE_OK && s->p < s->end && *s->p != '\r')
		v = take_header(s);
	if (v != SP_PARSE_OK)
		return v;
	return s->p < s->end ? take_end(s) : SP_PARSE_INCOMPLETE;
}

enum sp_parse_verdict sp_http1_parse(const char *buf, size_t len, struct sp_http1 *ret)
{
	struct scan s = {.p = buf, .end = buf + len, .head = ret};
	enum sp_parse_verdict v;

	/* The table of headers is long, and bounded by header_count. */
	memset(ret, 0, offsetof(struct sp_http1, headers));
	v = take_head(&s);
	ret->head_len = s.p - buf;
	ret->why = s.why;
	return v;
}
