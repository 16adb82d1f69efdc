// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * http1_chunk.c - strict parser of the lines between the chunks of a body
 *
 * Theory of operation. Like http1.c: a cursor over the bytes, no state between calls, and BAD at
 * the first byte that no continuation can repair. The lines are forwarded unchanged, so all that
 * servers and clients might read differently is refused, in both directions:
 *
 *  - a size that is not 1 to 16 hexadecimal digits, leading zeros included, or not below 2^63:
 *    readers overflow, or count the digits
 *  - blanks before the size, and between size and CRLF or semicolon
 *  - LF without CR, CR without LF, NUL and all control characters but the tab, anywhere: within an
 *    extension, a bare LF ends the line for some readers and is skipped by others (CVE-2025-55315)
 *  - data that is not followed by CRLF: some readers skip any two bytes
 *  - extensions that do not follow the grammar, such as an empty name or an open quotation; the
 *    only blanks allowed are those behind a semicolon
 *  - trailers that continue the line before, without colon, with a blank before the colon
 *  - trailers that would frame or route the message if a server took them for headers (RFC 9110,
 *    6.5.1)
 *  - more than SP_HTTP1_CHUNK_EXTENSIONS_MAX bytes of extensions, SP_HTTP1_TRAILERS_MAX of trailers
 */
#include "l7/http1_chunk.h"

#include "l7/http1_scan.h"

#define SIZE_DIGITS_MAX 16

static const char *const refused_trailers[] = {
	"connection", "content-length", "content_length", "expect", "host", "keep-alive", "te",
	"trailer", "transfer-encoding", "transfer_encoding", "upgrade",
};

static unsigned int hex_value(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static enum sp_parse_verdict take_size(struct scan *s, uint64_t *ret_size)
{
	const char *start = s->p;
	uint64_t size = 0;

	for (; s->p < s->end && is_in_class(*s->p, HEX); s->p++) {
		if (s->p - start == SIZE_DIGITS_MAX || size > (uint64_t)INT64_MAX >> 4)
			return bad_head(s, "chunk size overflows");
		size = size << 4 | hex_value(*s->p);
	}
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	*ret_size = size;
	return s->p > start ? SP_PARSE_OK : bad_byte(s, "chunk size is not a number");
}

/* The cursor is at the first quotation mark. */
static enum sp_parse_verdict take_quoted(struct scan *s)
{
	bool is_escaped = false;

	for (s->p++; s->p < s->end && is_in_class(*s->p, VALUE); s->p++) {
		if (*s->p == '"' && !is_escaped) {
			s->p++;
			return s->p < s->end ? SP_PARSE_OK : SP_PARSE_INCOMPLETE;
		}
		is_escaped = !is_escaped && *s->p == '\\';
	}
	if (s->p == s->end)
		return SP_PARSE_INCOMPLETE;
	return bad_byte(s, "quotation without end in a chunk extension");
}

static enum sp_parse_verdict take_extension_value(struct scan *s)
{
	struct sp_str value;
	enum sp_parse_verdict v = take_byte(s, '=', "");

	if (v == SP_PARSE_OK)
		v = take_class(s, TOKEN, &value);
	if (v != SP_PARSE_OK || value.len)
		return v;
	return *s->p == '"' ? take_quoted(s) : bad_byte(s, "empty value of a chunk extension");
}

static enum sp_parse_verdict take_extension(struct scan *s)
{
	struct sp_str name;
	enum sp_parse_verdict v = take_byte(s, ';', "characters behind the chunk size");

	if (v == SP_PARSE_OK)
		v = take_blanks(s);
	if (v == SP_PARSE_OK)
		v = take_class(s, TOKEN, &name);
	if (v == SP_PARSE_OK && name.len == 0)
		v = bad_byte(s, "empty name of a chunk extension");
	if (v != SP_PARSE_OK || *s->p != '=')
		return v;
	return take_extension_value(s);
}

static enum sp_parse_verdict take_extensions(struct scan *s)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	while (v == SP_PARSE_OK && *s->p != '\r')
		v = take_extension(s);
	return v;
}

/* Runs @take on at most @max bytes: INCOMPLETE with all of them is BAD. */
static enum sp_parse_verdict take_bounded(struct scan *s, size_t max, const char *why,
					 enum sp_parse_verdict (*take)(struct scan *s))
{
	bool is_cut = (size_t)(s->end - s->p) >= max;
	const char *end = s->end;
	enum sp_parse_verdict v;

	if (is_cut)
		s->end = s->p + max;
	v = take(s);
	s->end = end;
	return v == SP_PARSE_INCOMPLETE && is_cut ? bad_head(s, why) : v;
}

static enum sp_parse_verdict take_trailer(struct scan *s)
{
	struct sp_http1_header trailer;
	enum sp_parse_verdict v = take_name(s, &trailer.name);
	size_t i;

	if (v != SP_PARSE_OK)
		return v;
	for (i = 0; i < sizeof(refused_trailers) / sizeof(*refused_trailers); i++)
		if (str_is_nocase(&trailer.name, refused_trailers[i]))
			return bad_head(s, "trailer that frames or routes the message");
	v = take_class(s, VALUE, &trailer.value);
	return v == SP_PARSE_OK ? take_crlf(s, "invalid character in a trailer's value") : v;
}

static enum sp_parse_verdict take_trailers(struct scan *s)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	while (v == SP_PARSE_OK && s->p < s->end && *s->p != '\r')
		v = take_trailer(s);
	return v == SP_PARSE_OK ? take_crlf(s, "") : v;
}

static enum sp_parse_verdict take_chunk(struct scan *s, bool is_after_data,
					struct sp_http1_chunk *ret)
{
	enum sp_parse_verdict v = SP_PARSE_OK;

	if (is_after_data)
		v = take_crlf(s, "chunk is longer than its size");
	if (v == SP_PARSE_OK)
		v = take_size(s, &ret->data_len);
	/* Extensions are read with the byte behind. */
	if (v == SP_PARSE_OK)
		v = take_bounded(s, SP_HTTP1_CHUNK_EXTENSIONS_MAX + 1, "chunk extensions too long",
				 take_extensions);
	if (v == SP_PARSE_OK)
		v = take_crlf(s, "characters behind the chunk size");
	ret->is_last = v == SP_PARSE_OK && ret->data_len == 0;
	if (ret->is_last)
		v = take_bounded(s, SP_HTTP1_TRAILERS_MAX, "trailers too long", take_trailers);
	return v;
}

enum sp_parse_verdict sp_http1_chunk_parse(const char *buf, size_t len, bool is_after_data,
					   struct sp_http1_chunk *ret)
{
	struct scan s = {.p = buf, .end = buf + len};
	enum sp_parse_verdict v;

	*ret = (struct sp_http1_chunk){};
	v = take_chunk(&s, is_after_data, ret);
	ret->head_len = s.p - buf;
	ret->why = s.why;
	return v;
}
