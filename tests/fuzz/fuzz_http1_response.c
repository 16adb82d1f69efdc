// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_http1_response.c - any bytes into sp_http1_response_parse(). The first byte chooses the
 * request. Verdicts are monotone over prefixes, and an OK head passes a second, naive reading.
 */
#include "l7/http1_response.h"

#include <string.h>
#include <strings.h>

#include "fuzz_head.h"

static struct sp_http1_request_kind of;

static enum sp_parse_verdict verdict_of(const uint8_t *data, size_t size)
{
	struct sp_http1_response r;

	return sp_http1_response_parse((const char *)data, size, &of, &r);
}

/* Value of the next header of this name, in the lines behind @line; NULL: none */
static const char *value_of(const char *name, const char *line)
{
	while ((line = strchr(line, '\n')) != NULL) {
		line++;
		if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			return line + strlen(name) + 1;
	}
	return NULL;
}

static void check_lines(const char *head, size_t len)
{
	const char *line = strchr(head, '\n') + 1;

	PROMISE(strlen(head) == len && len <= SP_HTTP1_RESPONSE_HEAD_MAX);
	for (; *line != '\r' && *line != '\n'; line = strchr(line, '\n') + 1) {
		size_t name = strcspn(line, ": \t\r\n");
		size_t end = strcspn(line, "\r\n");

		PROMISE(name > 0 && line[name] == ':');
		PROMISE(line[end] == '\n' || line[end + 1] == '\n');
	}
	PROMISE(strcmp(line, "\r\n") == 0 || strcmp(line, "\n") == 0);
}

static bool may_have_body(const struct sp_http1_response *r)
{
	return r->status >= 200 && r->status != 204 && r->status != 304 && !of.is_head &&
	       !(of.is_connect && r->status < 300);
}

static void check_framing(const struct sp_http1_response *r, const char *head)
{
	const char *length = value_of("content-length", head);
	const char *coding = value_of("transfer-encoding", head);
	const struct sp_http1_framing *f = &r->framing;
	uint64_t number = length ? strtoull(length, NULL, 10) : 0;

	PROMISE(!length || !coding);
	PROMISE(!coding || (r->minor == 1 && !value_of("transfer-encoding", coding)));
	for (const char *p = length; p; p = value_of("content-length", p))
		PROMISE(strtoull(p, NULL, 10) == number);
	PROMISE(f->length == (may_have_body(r) ? number : 0));
	PROMISE((f->body == SP_HTTP1_BODY_LENGTH) == (f->length > 0));
	PROMISE((f->body == SP_HTTP1_BODY_NONE) == (!may_have_body(r) || (length && !number)));
	PROMISE(f->body != SP_HTTP1_BODY_CHUNKED || (coding && strcasestr(coding, "chunked")));
	PROMISE(f->body != SP_HTTP1_BODY_CLOSE || !f->is_persistent);
	PROMISE(f->is_upgrade == (r->status == 101));
	if (r->minor == 0 && f->is_persistent)
		PROMISE(value_of("connection", head));
}

static void check_ok(const struct sp_http1_response *r, const char *buf, size_t size)
{
	static char text[SP_HTTP1_RESPONSE_HEAD_MAX + 1];
	struct sp_http1_response again;

	PROMISE(r->head_len <= size && r->head_len <= SP_HTTP1_RESPONSE_HEAD_MAX);
	PROMISE(r->status >= 100 && r->status <= 999 && (r->minor == 0 || r->minor == 1));
	memcpy(text, buf, r->head_len);
	text[r->head_len] = '\0';
	check_lines(text, r->head_len);
	check_framing(r, text);
	PROMISE(sp_http1_response_parse(buf, r->head_len, &of, &again) == SP_PARSE_OK);
	PROMISE(again.head_len == r->head_len && again.framing.length == r->framing.length);
	PROMISE(sp_http1_response_parse(buf, r->head_len - 1, &of, &again) == SP_PARSE_INCOMPLETE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_http1_response r;
	enum sp_parse_verdict v;

	if (size == 0)
		return 0;
	of = (struct sp_http1_request_kind){.is_head = *data & 1, .is_connect = *data & 2};
	data++;
	size--;
	v = sp_http1_response_parse((const char *)data, size, &of, &r);
	PROMISE((r.why != NULL) == (v == SP_PARSE_BAD));
	PROMISE(v != SP_PARSE_INCOMPLETE || size < SP_HTTP1_RESPONSE_HEAD_MAX);
	if (v == SP_PARSE_OK)
		check_ok(&r, (const char *)data, size);
	check_monotony(verdict_of, v, data, size);
	return 0;
}
