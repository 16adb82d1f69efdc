// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* access_line.c - see access_line.h. A busy service has many lines: no printf there. */
#include "node/access_line.h"

#include <arpa/inet.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/addr.h"

#define TARGET_MAX	1024
#define FIELD_MAX	512
#define ESCAPED		5	/* most characters in the place of a byte */
#define TEXT_MAX	((TARGET_MAX + 3 * FIELD_MAX) * ESCAPED + 256)

/* Text without an end; every writer has room by the limits above. */
struct out {
	char	*at;
};

static void put_bytes(struct out *o, const char *text, size_t len)
{
	memcpy(o->at, text, len);
	o->at += len;
}

static void put_text(struct out *o, const char *text)
{
	put_bytes(o, text, strlen(text));
}

static void put_number(struct out *o, __u64 number)
{
	char digits[20];
	unsigned int n = sizeof(digits);

	do {
		digits[--n] = '0' + number % 10;
		number /= 10;
	} while (number);
	put_bytes(o, digits + n, sizeof(digits) - n);
}

/* A quote, a backslash, and bytes that are not printable ASCII become \xHH. */
static void put_escaped(struct out *o, struct sp_str s, size_t max, enum sp_access_format format)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len && i < max; i++) {
		unsigned char c = s.p[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			*o->at++ = c;
			continue;
		}
		put_text(o, format == SP_ACCESS_JSON ? "\\\\x" : "\\x");
		*o->at++ = hex[c >> 4];
		*o->at++ = hex[c & 15];
	}
}

static struct sp_str find_field(const struct sp_http1 *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++) {
		const struct sp_http1_header *h = &head->headers[i];

		if (h->name.len == strlen(name) && !strncasecmp(h->name.p, name, h->name.len))
			return h->value;
	}
	return (struct sp_str){ 0 };
}

static struct sp_access_text *make_text(const char *bytes, size_t request_len, size_t rest_len)
{
	struct sp_access_text *t = malloc(sizeof(*t) + request_len + rest_len);

	if (!t)
		return NULL;
	*t = (struct sp_access_text){ 1, request_len, rest_len };
	memcpy(t->bytes, bytes, request_len + rest_len);
	return t;
}

static void put_quoted(struct out *o, struct sp_str s)
{
	put_text(o, " \"");
	if (s.len)
		put_escaped(o, s, FIELD_MAX, SP_ACCESS_COMBINED);
	else
		put_text(o, "-");
	put_text(o, "\"");
}

static struct sp_access_text *make_combined(const struct sp_http1 *head)
{
	char buf[TEXT_MAX];
	struct out o = { buf };
	size_t request_len;

	put_text(&o, "\"");
	put_escaped(&o, head->method, FIELD_MAX, SP_ACCESS_COMBINED);
	put_text(&o, " ");
	put_escaped(&o, head->target, TARGET_MAX, SP_ACCESS_COMBINED);
	put_text(&o, head->minor ? " HTTP/1.1\"" : " HTTP/1.0\"");
	request_len = o.at - buf;
	put_quoted(&o, find_field(head, "Referer"));
	put_quoted(&o, find_field(head, "User-Agent"));
	return make_text(buf, request_len, o.at - buf - request_len);
}

static void put_member(struct out *o, const char *name, struct sp_str value, size_t max)
{
	put_text(o, ",\"");
	put_text(o, name);
	put_text(o, "\":\"");
	put_escaped(o, value, max, SP_ACCESS_JSON);
	put_text(o, "\"");
}

static struct sp_access_text *make_json(const struct sp_http1 *head)
{
	char buf[TEXT_MAX];
	struct out o = { buf };

	put_member(&o, "method", head->method, FIELD_MAX);
	put_member(&o, "host", head->host, FIELD_MAX);
	put_member(&o, "path", head->target, TARGET_MAX);
	return make_text(buf, o.at - buf, 0);
}

struct sp_access_text *sp_access_text_http(enum sp_access_format format,
					   const struct sp_http1 *head)
{
	return format == SP_ACCESS_JSON ? make_json(head) : make_combined(head);
}

/* Protocols of ALPN, with commas between. */
static struct sp_str list_protocols(const struct sp_tls_hello *hello, char buf[SP_TLS_ALPN_MAX])
{
	size_t len = 0;

	for (size_t at = 0; at < hello->alpn_len; at += 1 + hello->alpn[at]) {
		size_t n = hello->alpn[at];

		if (at + 1 + n > hello->alpn_len)
			break;
		if (len)
			buf[len++] = ',';
		memcpy(buf + len, hello->alpn + at + 1, n);
		len += n;
	}
	return (struct sp_str){ buf, len };
}

struct sp_access_text *sp_access_text_tls(const struct sp_tls_hello *hello)
{
	char buf[TEXT_MAX], protocols[SP_TLS_ALPN_MAX];
	struct out o = { buf };

	put_member(&o, "sni", (struct sp_str){ hello->sni, strlen(hello->sni) }, FIELD_MAX);
	put_member(&o, "alpn", list_protocols(hello, protocols), FIELD_MAX);
	return make_text(buf, o.at - buf, 0);
}

void sp_access_text_put(struct sp_access_text *text)
{
	if (text && !--text->refs)
		free(text);
}

/* ---- a line ---- */

/* Made once a second. */
static const char *date_of(__u64 now_s, int is_json)
{
	static char texts[2][40];
	static __u64 made_s[2];
	time_t s = now_s;
	struct tm tm;

	if (made_s[is_json] != now_s || !texts[is_json][0])
		strftime(texts[is_json], sizeof(texts[0]), is_json ? "%Y-%m-%dT%H:%M:%S" :
			 "%d/%b/%Y:%H:%M:%S +0000", gmtime_r(&s, &tm));
	made_s[is_json] = now_s;
	return texts[is_json];
}

static void put_v4(struct out *o, const struct sp_addr *addr)
{
	const __u8 *bytes = (const __u8 *)&addr->w[3];

	for (int i = 0; i < 4; i++) {
		if (i)
			*o->at++ = '.';
		put_number(o, bytes[i]);
	}
}

static void put_endpoint(struct out *o, const struct sp_endpoint *at)
{
	if (sp_addr_is_v4(&at->addr)) {
		put_v4(o, &at->addr);
		*o->at++ = ':';
		put_number(o, ntohs(at->port_be));
		return;
	}
	sp_endpoint_format(&at->addr, at->port_be, o->at);
	o->at += strlen(o->at);
}

static void put_client(struct out *o, const struct sp_endpoint *at)
{
	if (sp_addr_is_v4(&at->addr)) {
		put_v4(o, &at->addr);
		return;
	}
	sp_addr_format(&at->addr, o->at);
	o->at += strlen(o->at);
}

static void put_status(struct out *o, int status)
{
	if (status < 100)
		put_text(o, "000");
	else
		put_number(o, status);
}

/* As Apache's and nginx' format of this name. */
static void put_combined(struct out *o, const struct sp_access_line *l)
{
	put_client(o, &l->client);
	put_text(o, " - - [");
	put_text(o, date_of(l->begun_ms / 1000, 0));
	put_text(o, "] ");
	if (l->text)
		put_bytes(o, l->text->bytes, l->text->request_len);
	else
		put_text(o, "\"-\"");
	put_text(o, " ");
	put_status(o, l->status);
	put_text(o, " ");
	put_number(o, l->bytes_out);
	if (l->text)
		put_bytes(o, l->text->bytes + l->text->request_len, l->text->rest_len);
	else
		put_text(o, " \"-\" \"-\"");
}

static void put_word(struct out *o, const char *name, const char *value)
{
	if (!value)
		return;
	put_text(o, ",\"");
	put_text(o, name);
	put_text(o, "\":\"");
	put_text(o, value);
	put_text(o, "\"");
}

static void put_count(struct out *o, const char *name, __u64 value)
{
	if (value == SP_ACCESS_UNKNOWN)
		return;
	put_text(o, ",\"");
	put_text(o, name);
	put_text(o, "\":");
	put_number(o, value);
}

static void put_at(struct out *o, const char *name, const struct sp_endpoint *at)
{
	if (!at->port_be)
		return;
	put_text(o, ",\"");
	put_text(o, name);
	put_text(o, "\":\"");
	put_endpoint(o, at);
	put_text(o, "\"");
}

static void put_time(struct out *o, __u64 ms)
{
	char text[] = ".000Z\"";

	put_text(o, "{\"time\":\"");
	put_text(o, date_of(ms / 1000, 1));
	text[1] += ms % 1000 / 100;
	text[2] += ms % 100 / 10;
	text[3] += ms % 10;
	put_text(o, text);
}

static void put_json(struct out *o, const struct sp_access_line *l)
{
	put_time(o, l->begun_ms);
	put_word(o, "event", l->event);
	put_at(o, "client", &l->client);
	put_word(o, "service", l->service);
	if (l->text)
		put_bytes(o, l->text->bytes, l->text->request_len);
	put_count(o, "status", l->status ? (__u64)l->status : SP_ACCESS_UNKNOWN);
	put_word(o, "pool", l->pool);
	put_at(o, "backend", &l->backend);
	put_count(o, "bytes_in", l->bytes_in);
	put_count(o, "bytes_out", l->bytes_out);
	put_count(o, "connect_us", l->connect_us);
	put_count(o, "first_byte_us", l->first_us);
	put_count(o, "last_byte_us", l->last_us);
	put_word(o, "end", l->end);
	put_word(o, "mode", l->mode);
	put_count(o, "exchange", l->exchange ?: SP_ACCESS_UNKNOWN);
	put_text(o, "}");
}

size_t sp_access_line_format(const struct sp_access_line *l, char buf[SP_ACCESS_LINE_MAX])
{
	struct out o = { buf };

	if (l->format == SP_ACCESS_JSON)
		put_json(&o, l);
	else
		put_combined(&o, l);
	*o.at++ = '\n';
	return o.at - buf;
}
