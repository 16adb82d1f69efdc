// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * http1_response.c - parser of an HTTP/1 response head
 *
 * Theory of operation. Like http1.c: a cursor over the bytes, no state between calls, and BAD at
 * the first byte that no continuation can repair.
 *
 * The response is forwarded unchanged, and the parser has to find the same end as the client.
 * Leniency is therefore measured by clients (curl, browsers, the libraries of Go, Python, Node and
 * Java): a form is allowed if each client either closes the connection or reads the same meaning.
 * BAD costs a server no more than the persistence of the connection.
 *
 * Allowed:
 *  - lines that end with LF alone
 *  - a status line without reason phrase
 *  - Content-Length given in several headers with the same number
 *  - Content-Length with 204: clients ignore the header
 *  - any coding before chunked: clients without this coding read up to the end of the connection
 *
 * Refused, as clients differ:
 *  - CR without LF, NUL and control characters but the tab: Python takes some for the end of a line
 *  - empty lines before the status line; versions other than 1.0 and 1.1
 *  - lines that continue the line before (obs-fold), lines without colon, names with characters
 *    that are not a token's, a blank before the colon: Python ignores all headers behind such a
 *    line, curl the line alone
 *  - Content-Length that is not a number below 2^63, is a list, or has two values
 *  - Transfer-Encoding next to Content-Length, in HTTP/1.0, given twice, with an empty element or
 *    parameters, with chunked before another coding
 *  - Transfer-Encoding with 1xx but 101, 204 or 304: Python looks for chunks
 *  - 205 without `Content-Length: 0`: browsers expect no body, curl and libraries do
 *  - a head above SP_HTTP1_RESPONSE_HEAD_MAX
 */
#include "l7/http1_response.h"

#include "l7/http1_scan.h"

struct response_scan {
	struct scan scan;
	const struct sp_http1_request_kind *of;
	struct sp_http1_response *response;
	struct connection_options options;
	bool has_length;
	bool has_coding;
	bool is_chunked;
	bool has_etag;
	bool is_unclear; /* a header that tells representations apart is given twice */
	uint64_t length;
};

static enum sp_parse_verdict take_line_end(struct scan *s, const char *why)
{
	if (s->p < s->end && *s->p == '\n') {
		s->p++;
		return SP_PARSE_OK;
	}
	return take_crlf(s, why);
}

static enum sp_parse_verdict take_status(struct scan *s, int *ret_status)
{
	int i, status = 0;

	for (i = 0; i < 3; i++, s->p++) {
		if (s->p == s->end)
			return SP_PARSE_INCOMPLETE;
		if (!is_in_class(*s->p, DIGIT) || (i == 0 && *s->p == '0'))
			return bad_byte(s, "malformed status");
		status = status * 10 + (*s->p - '0');
	}
	*ret_status = status;
	return s->p < s->end ? SP_PARSE_OK : SP_PARSE_INCOMPLETE;
}

static enum sp_parse_verdict take_reason(struct scan *s)
{
	struct sp_str reason;

	return *s->p == ' ' ? take_class(s, VALUE, &reason) : SP_PARSE_OK;
}

static enum sp_parse_verdict take_status_line(struct scan *s, struct sp_http1_response *response)
{
	enum sp_parse_verdict v = take_text(s, "HTTP/1.", "not HTTP/1.0 or HTTP/1.1");

	if (v != SP_PARSE_OK || s->p == s->end)
		return v == SP_PARSE_OK ? SP_PARSE_INCOMPLETE : v;
	if (*s->p != '0' && *s->p != '1')
		return bad_byte(s, "not HTTP/1.0 or HTTP/1.1");
	response->minor = *s->p++ - '0';
	v = take_byte(s, ' ', "characters behind the version");
	if (v == SP_PARSE_OK)
		v = take_status(s, &response->status);
	if (v == SP_PARSE_OK)
		v = take_reason(s);
	if (v == SP_PARSE_OK)
		v = take_line_end(s, "characters behind the status");
	return v;
}

static bool is_bodyless_status(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static bool read_number(struct sp_str text, uint64_t *ret)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < text.len; i++) {
		unsigned int digit = text.p[i] - '0';

		if (digit > 9 || number > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret = number;
	return text.len > 0;
}

static enum sp_parse_verdict read_length(struct response_scan *r, struct sp_str value)
{
	uint64_t length;

	if (!read_number(value, &length))
		return bad_head(&r->scan, "Content-Length is not a number");
	if (r->has_length && length != r->length)
		return bad_head(&r->scan, "Content-Length with two values");
	if (r->has_coding)
		return bad_head(&r->scan, "Content-Length next to Transfer-Encoding");
	r->has_length = true;
	r->length = length;
	return SP_PARSE_OK;
}

static bool is_token(struct sp_str text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (!is_in_class(text.p[i], TOKEN))
			return false;
	return text.len > 0;
}

static enum sp_parse_verdict read_codings(struct response_scan *r, struct sp_str value)
{
	do {
		struct sp_str coding = next_element(&value);

		if (r->is_chunked)
			return bad_head(&r->scan, "transfer coding behind chunked");
		if (!is_token(coding))
			return bad_head(&r->scan, "malformed Transfer-Encoding");
		r->is_chunked = str_is_nocase(&coding, "chunked");
	} while (value.len);
	return value.p[-1] == ',' ? bad_head(&r->scan, "malformed Transfer-Encoding") : SP_PARSE_OK;
}

static enum sp_parse_verdict read_coding(struct response_scan *r, struct sp_str value)
{
	if (r->has_coding)
		return bad_head(&r->scan, "Transfer-Encoding given twice");
	if (r->has_length)
		return bad_head(&r->scan, "Transfer-Encoding next to Content-Length");
	if (r->response->minor == 0)
		return bad_head(&r->scan, "Transfer-Encoding in HTTP/1.0");
	if (is_bodyless_status(r->response->status) && r->response->status != 101)
		return bad_head(&r->scan, "Transfer-Encoding with 1xx, 204 or 304");
	r->has_coding = true;
	return read_codings(r, value);
}

/* RFC 9110, 8.8.3: a weak tag says W/ before its quotes */
static void read_etag(struct response_scan *r, struct sp_str value)
{
	size_t i;

	r->is_unclear |= r->has_etag;
	r->has_etag = true;
	if (value.len < 3 || value.p[0] != '"' || value.p[value.len - 1] != '"')
		return;
	for (i = 1; i < value.len - 1; i++)
		if (value.p[i] <= ' ' || value.p[i] == '"')
			return;
	r->response->etag = value;
}

static void read_once(struct response_scan *r, struct sp_str value, struct sp_str *ret)
{
	r->is_unclear |= ret->len != 0;
	*ret = value;
}

static void read_representation(struct response_scan *r, const struct sp_http1_header *header)
{
	if (str_is_nocase(&header->name, "etag"))
		read_etag(r, header->value);
	if (str_is_nocase(&header->name, "content-encoding"))
		read_once(r, header->value, &r->response->coding);
	if (str_is_nocase(&header->name, "content-range"))
		read_once(r, header->value, &r->response->range);
}

static enum sp_parse_verdict read_header(struct response_scan *r,
					 const struct sp_http1_header *header)
{
	if (str_is_nocase(&header->name, "content-length"))
		return read_length(r, header->value);
	if (str_is_nocase(&header->name, "transfer-encoding"))
		return read_coding(r, header->value);
	if (str_is_nocase(&header->name, "connection"))
		add_options(&r->options, header->value);
	read_representation(r, header);
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_header(struct response_scan *r)
{
	struct sp_http1_header header;
	enum sp_parse_verdict v = take_field(&r->scan, &header);

	if (v == SP_PARSE_OK)
		v = take_line_end(&r->scan, "invalid character in a header's value");
	return v == SP_PARSE_OK ? read_header(r, &header) : v;
}

static bool is_bodyless(const struct response_scan *r)
{
	int status = r->response->status;

	return is_bodyless_status(status) || r->of->is_head ||
	       (r->of->is_connect && status < 300);
}

/* RFC 9112, 6.3 */
static enum sp_http1_body body_of(const struct response_scan *r)
{
	if (is_bodyless(r) || (r->has_length && r->length == 0))
		return SP_HTTP1_BODY_NONE;
	if (r->has_length)
		return SP_HTTP1_BODY_LENGTH;
	return r->is_chunked ? SP_HTTP1_BODY_CHUNKED : SP_HTTP1_BODY_CLOSE;
}

static enum sp_parse_verdict settle_framing(struct response_scan *r, struct sp_http1_framing *ret)
{
	ret->body = body_of(r);
	ret->length = ret->body == SP_HTTP1_BODY_LENGTH ? r->length : 0;
	ret->is_persistent = ret->body != SP_HTTP1_BODY_CLOSE &&
			     is_persistent(&r->options, r->response->minor);
	ret->is_upgrade = r->response->status == 101;
	if (r->response->status == 205 && ret->body != SP_HTTP1_BODY_NONE)
		return bad_head(&r->scan, "205 with a body");
	return SP_PARSE_OK;
}

static enum sp_parse_verdict take_response(struct response_scan *r)
{
	struct scan *s = &r->scan;
	enum sp_parse_verdict v = take_status_line(s, r->response);

	while (v == SP_PARSE_OK && s->p < s->end && *s->p != '\r' && *s->p != '\n')
		v = take_header(r);
	if (v == SP_PARSE_OK)
		v = take_line_end(s, "");
	return v;
}

enum sp_parse_verdict sp_http1_response_parse(const char *buf, size_t len,
					      const struct sp_http1_request_kind *of,
					      struct sp_http1_response *ret)
{
	bool is_cut = len >= SP_HTTP1_RESPONSE_HEAD_MAX;
	struct response_scan r = {.scan.p = buf, .of = of, .response = ret};
	enum sp_parse_verdict v;

	*ret = (struct sp_http1_response){};
	r.scan.end = buf + (is_cut ? SP_HTTP1_RESPONSE_HEAD_MAX : len);
	v = take_response(&r);
	if (v == SP_PARSE_INCOMPLETE && is_cut)
		v = bad_head(&r.scan, "head too long");
	if (v == SP_PARSE_OK)
		v = settle_framing(&r, &ret->framing);
	if (r.is_unclear)
		ret->etag.len = 0;
	ret->head_len = r.scan.p - buf;
	ret->why = r.scan.why;
	return v;
}
