// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_http1.c - any bytes into sp_http1_parse(). Verdicts are monotone over prefixes, strings lie
 * inside the head, and an OK head passes a second, naive reading of the rules.
 */
#include "l7/http1.h"

#include <string.h>
#include <strings.h>

#include "fuzz_head.h"
#include "l7/path.h"

static void check_inside(const struct sp_str *str, const char *head, size_t len)
{
	if (!str->p)
		return;
	PROMISE(str->p >= head && str->p <= head + len);
	PROMISE(str->len <= (size_t)(head + len - str->p));
}

static void check_strings(const struct sp_http1 *h, const char *head)
{
	size_t i;

	PROMISE(h->method.len > 0 && h->target.len > 0);
	PROMISE(h->header_count <= SP_HTTP1_HEADERS_MAX);
	PROMISE(!h->host.p || h->host.len > 0);
	check_inside(&h->method, head, h->head_len);
	check_inside(&h->target, head, h->head_len);
	check_inside(&h->host, head, h->head_len);
	if (h->path.p)
		check_inside(&h->path, h->target.p, h->target.len);
	for (i = 0; i < h->header_count; i++) {
		PROMISE(h->headers[i].name.len > 0 && h->headers[i].value.p);
		check_inside(&h->headers[i].name, head, h->head_len);
		check_inside(&h->headers[i].value, head, h->head_len);
	}
}

static size_t count_header(const struct sp_http1 *h, const char *name)
{
	size_t i, count = 0;

	for (i = 0; i < h->header_count; i++)
		count += h->headers[i].name.len == strlen(name) &&
			 strncasecmp(h->headers[i].name.p, name, strlen(name)) == 0;
	return count;
}

/* Lines are counted by CRLF alone: no other byte may have ended a line, and no line may be lost. */
static void check_bytes(const struct sp_http1 *h, const char *head)
{
	size_t i, lines = 0;

	for (i = 0; i < h->head_len; i++) {
		unsigned char c = head[i];

		if (c == '\r')
			PROMISE(i + 1 < h->head_len && head[i + 1] == '\n');
		else if (c == '\n')
			PROMISE(i > 0 && head[i - 1] == '\r');
		else
			PROMISE((c >= ' ' && c != 127) || c == '\t');
		lines += c == '\n';
	}
	PROMISE(h->head_len >= 4 && memcmp(head + h->head_len - 4, "\r\n\r\n", 4) == 0);
	PROMISE(lines == h->header_count + 2 + (head[0] == '\r'));
	PROMISE(!memmem(head, h->head_len, "\r\n ", 3) && !memmem(head, h->head_len, "\r\n\t", 3));
}

static void check_framing(const struct sp_http1 *h)
{
	size_t lengths = count_header(h, "content-length");
	size_t codings = count_header(h, "transfer-encoding");
	size_t hosts = count_header(h, "host");

	PROMISE(hosts == 1 || (hosts == 0 && h->minor == 0));
	PROMISE(lengths + codings <= 1);
	PROMISE(codings == 0 || h->minor == 1);
	PROMISE((h->framing.body == SP_HTTP1_BODY_CHUNKED) == (codings == 1));
	PROMISE(h->framing.body != SP_HTTP1_BODY_LENGTH || lengths == 1);
	PROMISE((h->framing.body == SP_HTTP1_BODY_LENGTH) == (h->framing.length > 0));
	PROMISE(h->framing.body != SP_HTTP1_BODY_CLOSE);
	PROMISE(h->framing.length <= INT64_MAX);
	PROMISE(h->framing.body == SP_HTTP1_BODY_NONE || !h->framing.is_connect);
	PROMISE(!h->framing.is_upgrade || (count_header(h, "upgrade") && h->minor == 1));
	PROMISE(h->framing.is_persistent == (h->minor == 1) || count_header(h, "connection"));
	PROMISE(!h->framing.expects_continue || h->framing.body != SP_HTTP1_BODY_NONE);
}

static struct sp_str normal_of(struct sp_str path, char *buf, const char **ret_why)
{
	struct sp_str normal = sp_path_normalize(path, buf, ret_why);

	PROMISE(normal.p == buf && normal.len > 0 && normal.p[0] == '/');
	PROMISE(normal.len <= path.len || (path.len == 0 && normal.len == 1));
	return normal;
}

/*
 * A normal form is its own normal form. If servers agree on a path, they agree on its normal form.
 */
static void check_path(const struct sp_http1 *h)
{
	static char once_buf[SP_PATH_MAX], twice_buf[SP_PATH_MAX];
	struct sp_str once, twice;
	const char *why, *again;

	if (!h->path.p || h->path.len > SP_PATH_MAX)
		return;
	once = normal_of(h->path, once_buf, &why);
	twice = normal_of(once, twice_buf, &again);
	PROMISE(once.len == twice.len && memcmp(once.p, twice.p, once.len) == 0);
	if (why)
		return;
	PROMISE(!again && !memmem(once.p, once.len, "//", 2));
	PROMISE(!memmem(once.p, once.len, "/./", 3) && !memmem(once.p, once.len, "/../", 4));
}

static void check_ok(const struct sp_http1 *h, const char *buf, size_t size)
{
	static struct sp_http1 again;

	PROMISE(h->head_len <= size);
	check_strings(h, buf);
	check_bytes(h, buf);
	check_framing(h);
	check_path(h);
	PROMISE(sp_http1_parse(buf, h->head_len, &again) == SP_PARSE_OK);
	PROMISE(again.head_len == h->head_len && again.header_count == h->header_count);
	PROMISE(sp_http1_parse(buf, h->head_len - 1, &again) == SP_PARSE_INCOMPLETE);
}

static enum sp_parse_verdict verdict_of(const uint8_t *data, size_t size)
{
	static struct sp_http1 h;

	return sp_http1_parse((const char *)data, size, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sp_http1 h;
	const char *buf = (const char *)data;
	enum sp_parse_verdict v = sp_http1_parse(buf, size, &h);

	PROMISE((h.why != NULL) == (v == SP_PARSE_BAD));
	if (v == SP_PARSE_OK)
		check_ok(&h, buf, size);
	check_monotony(verdict_of, v, data, size);
	return 0;
}
