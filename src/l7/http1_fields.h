/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_fields.h - headers that frame a request or its connection. Read by http1.c only. */
#ifndef SP_L7_HTTP1_FIELDS_H
#define SP_L7_HTTP1_FIELDS_H

#include <stdint.h>

#include "l7/http1_connection.h"
#include "l7/http1_scan.h"

/* NULL: a body may follow this request line */
static inline const char *body_refusal(const struct scan *s)
{
	const struct sp_str *method = &s->head->method;

	if (s->head->framing.is_connect)
		return "body with CONNECT";
	if (str_is_nocase(method, "TRACE"))
		return "body with TRACE";
	if (s->head->minor == 0 && (str_is_nocase(method, "GET") || s->head->framing.is_head ||
				    str_is_nocase(method, "DELETE")))
		return "body with GET, HEAD or DELETE in HTTP/1.0";
	return NULL;
}

static inline enum sp_parse_verdict take_length(struct scan *s)
{
	const char *start = s->p;
	uint64_t length = 0;

	for (; s->p < s->end && is_in_class(*s->p, DIGIT); s->p++) {
		unsigned int digit = *s->p - '0';

		if (length > ((uint64_t)INT64_MAX - digit) / 10)
			return bad_head(s, "Content-Length overflows");
		length = length * 10 + digit;
	}
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	if (s->p == start)
		return bad_byte(s, "Content-Length is not a number");
	if (length && body_refusal(s))
		return bad_head(s, body_refusal(s));
	if (length)
		s->head->framing.body = SP_HTTP1_BODY_LENGTH;
	s->head->framing.length = length;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_codings(struct scan *s)
{
	struct sp_str coding;
	enum sp_parse_verdict v;
	bool is_chunked;

	for (;;) {
		v = take_class(s, TOKEN, &coding);
		if (v != SP_PARSE_OK)
			return v;
		if (coding.len == 0)
			return bad_byte(s, "empty transfer coding");
		is_chunked = str_is_nocase(&coding, "chunked");
		v = take_blanks(s);
		if (v != SP_PARSE_OK)
			return v;
		if (*s->p != ',')
			return is_chunked ? v : bad_byte(s, "last transfer coding is not chunked");
		if (is_chunked)
			return bad_head(s, "transfer coding behind chunked");
		s->p++;
		v = take_blanks(s);
		if (v != SP_PARSE_OK)
			return v;
	}
}

static inline enum sp_parse_verdict admit_length(struct scan *s)
{
	if (s->has_length)
		return bad_head(s, "Content-Length given twice");
	if (s->has_coding)
		return bad_head(s, "Content-Length next to Transfer-Encoding");
	s->has_length = true;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict admit_coding(struct scan *s)
{
	if (s->has_coding)
		return bad_head(s, "Transfer-Encoding given twice");
	if (s->has_length)
		return bad_head(s, "Transfer-Encoding next to Content-Length");
	if (s->head->minor == 0)
		return bad_head(s, "Transfer-Encoding in HTTP/1.0");
	if (body_refusal(s))
		return bad_head(s, body_refusal(s));
	s->head->framing.body = SP_HTTP1_BODY_CHUNKED;
	s->has_coding = true;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_connection(struct scan *s)
{
	struct sp_str value;
	enum sp_parse_verdict v = take_class(s, VALUE, &value);

	if (v != SP_PARSE_OK)
		return v;
	if (memchr(value.p, '"', value.len))
		return bad_head(s, "quotation mark in Connection");
	add_options(&s->options, value);
	if (s->options.has_framing)
		return bad_head(s, "Connection names a header that frames the message");
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict take_expect(struct scan *s)
{
	struct sp_str value;
	enum sp_parse_verdict v = take_class(s, VALUE, &value);

	if (v != SP_PARSE_OK)
		return v;
	value = trim_blanks(value);
	if (value.len && !str_is_nocase(&value, "100-continue"))
		return bad_head(s, "expectation that is not 100-continue");
	s->head->framing.expects_continue = value.len > 0;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict admit_expect(struct scan *s)
{
	if (s->has_expect)
		return bad_head(s, "Expect given twice");
	s->has_expect = true;
	return SP_PARSE_OK;
}

static inline enum sp_parse_verdict admit_upgrade(struct scan *s)
{
	s->has_upgrade = true;
	return SP_PARSE_OK;
}

/* The whole head is read. */
static inline void settle_framing(struct scan *s)
{
	struct sp_http1_framing *framing = &s->head->framing;
	bool is_11 = s->head->minor == 1;

	framing->is_persistent = is_persistent(&s->options, s->head->minor);
	framing->is_upgrade = is_11 && s->has_upgrade && s->options.has_upgrade;
	framing->expects_continue &= is_11 && framing->body != SP_HTTP1_BODY_NONE;
}

#endif
