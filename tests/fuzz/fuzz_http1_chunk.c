// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_http1_chunk.c - any bytes into sp_http1_chunk_parse(). The first byte chooses whether data
 * comes before. Verdicts are monotone over prefixes, and OK lines pass a second, naive reading.
 */
#include "l7/http1_chunk.h"

#include <string.h>
#include <strings.h>

#include "fuzz_head.h"

static bool is_after_data;

static enum sp_parse_verdict verdict_of(const uint8_t *data, size_t size)
{
	struct sp_http1_chunk chunk;

	return sp_http1_chunk_parse((const char *)data, size, is_after_data, &chunk);
}

static void check_bytes(const char *head, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = head[i];

		if (c == '\r')
			PROMISE(i + 1 < len && head[i + 1] == '\n');
		else if (c == '\n')
			PROMISE(i > 0 && head[i - 1] == '\r');
		else
			PROMISE((c >= ' ' && c != 127) || c == '\t');
	}
	PROMISE(len >= 2 && memcmp(head + len - 2, "\r\n", 2) == 0);
}

static void check_size_line(const char *line, uint64_t data_len)
{
	char digits[17] = "", *end;
	size_t count = strspn(line, "0123456789abcdefABCDEF");

	PROMISE(count >= 1 && count <= 16 && (line[count] == '\r' || line[count] == ';'));
	memcpy(digits, line, count);
	PROMISE(strtoull(digits, &end, 16) == data_len && data_len <= INT64_MAX);
	PROMISE(strcspn(line, "\r") - count <= SP_HTTP1_CHUNK_EXTENSIONS_MAX);
}

/* @line: behind the size line; the text ends with the head */
static void check_trailers(const char *line)
{
	PROMISE(strlen(line) <= SP_HTTP1_TRAILERS_MAX);
	for (; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
		size_t name = strcspn(line, ":\r\n \t");

		PROMISE(name > 0 && line[name] == ':');
		PROMISE(strncasecmp(line, "content-length:", 15) != 0);
		PROMISE(strncasecmp(line, "transfer-encoding:", 18) != 0);
		PROMISE(strncasecmp(line, "host:", 5) != 0);
	}
	PROMISE(strlen(line) == 2);
}

static void check_ok(const struct sp_http1_chunk *c, const char *buf, size_t size)
{
	static char text[SP_HTTP1_CHUNK_HEAD_MAX + 1];
	const char *line = text;
	struct sp_http1_chunk again;

	PROMISE(c->head_len <= size && c->head_len <= SP_HTTP1_CHUNK_HEAD_MAX);
	check_bytes(buf, c->head_len);
	memcpy(text, buf, c->head_len);
	text[c->head_len] = '\0';
	if (is_after_data)
		PROMISE(strncmp(line, "\r\n", 2) == 0);
	line += is_after_data ? 2 : 0;
	check_size_line(line, c->data_len);
	line = strstr(line, "\r\n") + 2;
	PROMISE(c->is_last == (c->data_len == 0));
	if (c->is_last)
		check_trailers(line);
	else
		PROMISE(*line == '\0');
	PROMISE(sp_http1_chunk_parse(buf, c->head_len, is_after_data, &again) == SP_PARSE_OK);
	PROMISE(again.head_len == c->head_len && again.data_len == c->data_len);
	PROMISE(sp_http1_chunk_parse(buf, c->head_len - 1, is_after_data, &again) ==
		SP_PARSE_INCOMPLETE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v;

	if (size == 0)
		return 0;
	is_after_data = *data++ & 1;
	size--;
	v = sp_http1_chunk_parse((const char *)data, size, is_after_data, &chunk);
	PROMISE((chunk.why != NULL) == (v == SP_PARSE_BAD));
	PROMISE(v != SP_PARSE_INCOMPLETE || size < SP_HTTP1_CHUNK_HEAD_MAX);
	if (v == SP_PARSE_OK)
		check_ok(&chunk, (const char *)data, size);
	check_monotony(verdict_of, v, data, size);
	return 0;
}
