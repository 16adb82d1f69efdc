// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_http1_message.c - whole messages, random from a seed: request, response and chunk parsers
 * find the end of the message, and no end in any of its prefixes
 */
#include "l7/http1.h"
#include "l7/http1_chunk.h"
#include "l7/http1_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGES 400

struct message {
	char text[4096];
	size_t len;
	bool is_response;
	enum sp_http1_body body;
	size_t data_len;
};

static void add_text(struct message *m, const char *text)
{
	m->len += sprintf(m->text + m->len, "%s", text);
}

static const char *any_of(const char *const *texts, size_t count)
{
	return texts[random() % count];
}

#define ANY_OF(...)                                                                                \
	any_of((const char *const[]){__VA_ARGS__},                                                 \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Bytes like those of heads and chunk lines */
static void add_data(struct message *m, size_t count)
{
	static const char bytes[] = "\r\n\r\n 0015;:aHTTP/1.1 ";

	for (m->data_len += count; count; count--)
		m->text[m->len++] = bytes[random() % sizeof(bytes)];
}

static void add_noise(struct message *m)
{
	int i, count = random() % 3;

	for (i = 0; i < count; i++)
		add_text(m, ANY_OF("X: Content-Length: 5\r\n", "Accept:\r\n",
				   "X-Transfer-Encoding: chunked\r\n", "TE: trailers, chunked\r\n",
				   "Connection: keep-alive, x\r\n"));
}

static void add_chunks(struct message *m)
{
	int i, count = random() % 4;
	char size[32];

	for (i = 0; i < count; i++) {
		size_t data_len = 1 + random() % 40;

		snprintf(size, sizeof(size), "%s%zx", ANY_OF("", "0", "00000000"), data_len);
		add_text(m, size);
		add_text(m, ANY_OF("", "", ";a", ";a=b; c=\"\\\"; d\""));
		add_text(m, "\r\n");
		add_data(m, data_len);
		add_text(m, "\r\n");
	}
	add_text(m, ANY_OF("0\r\n", "000\r\n", "0;a=b\r\n"));
	add_text(m, ANY_OF("", "", "X: y\r\n", "Server-Timing: a;dur=1\r\nETag:\r\n"));
	add_text(m, "\r\n");
}

static void add_framing(struct message *m, size_t length)
{
	char text[64];

	if (m->body == SP_HTTP1_BODY_CHUNKED)
		add_text(m, ANY_OF("Transfer-Encoding: chunked\r\n",
				   "transfer-encoding:gzip , Chunked\r\n"));
	snprintf(text, sizeof(text), "Content-Length: %zu\r\n", length);
	if (m->body == SP_HTTP1_BODY_LENGTH || (m->is_response && length == 0))
		add_text(m, text);
}

static void make_message(struct message *m)
{
	size_t length = 0;

	*m = (struct message){.is_response = random() & 1, .body = random() % SP_HTTP1_BODY_CLOSE};
	if (m->body == SP_HTTP1_BODY_LENGTH)
		length = 1 + random() % 100;
	if (m->body == SP_HTTP1_BODY_CHUNKED)
		length = 1;
	add_text(m, m->is_response ? ANY_OF("HTTP/1.1 200 OK\r\n", "HTTP/1.1 404\r\n")
				   : ANY_OF("GET / HTTP/1.1\r\nHost: a\r\n",
					    "POST /x HTTP/1.1\r\nHost: a\r\n"));
	add_noise(m);
	add_framing(m, length);
	add_noise(m);
	add_text(m, "\r\n");
	if (m->body == SP_HTTP1_BODY_LENGTH)
		add_data(m, length);
	if (m->body == SP_HTTP1_BODY_CHUNKED)
		add_chunks(m);
}

static enum sp_parse_verdict parse_head(const struct message *m, size_t len, size_t *ret_len,
					struct sp_http1_framing *ret)
{
	static const struct sp_http1_request_kind of;
	static struct sp_http1 request;
	struct sp_http1_response response;
	enum sp_parse_verdict v;

	if (m->is_response) {
		v = sp_http1_response_parse(m->text, len, &of, &response);
		*ret_len = response.head_len;
		*ret = response.framing;
	} else {
		v = sp_http1_parse(m->text, len, &request);
		*ret_len = request.head_len;
		*ret = request.framing;
	}
	return v;
}

/* Return: length of the chunked body; 0: @text is incomplete */
static size_t chunks_len(const char *text, size_t len, size_t *ret_data_len)
{
	struct sp_http1_chunk chunk;
	enum sp_parse_verdict v;
	size_t at = 0;

	*ret_data_len = 0;
	while ((v = sp_http1_chunk_parse(text + at, len - at, at > 0, &chunk)) == SP_PARSE_OK) {
		at += chunk.head_len;
		if (chunk.is_last)
			return at;
		if (chunk.data_len > len - at)
			return 0;
		at += chunk.data_len;
		*ret_data_len += chunk.data_len;
	}
	assert_int_equal(v, SP_PARSE_INCOMPLETE);
	return 0;
}

/* Return: length of the message; 0: the first @len bytes are incomplete */
static size_t message_len(const struct message *m, size_t len, size_t *ret_data_len)
{
	struct sp_http1_framing framing;
	size_t head_len, body_len;
	enum sp_parse_verdict v = parse_head(m, len, &head_len, &framing);

	if (v != SP_PARSE_OK) {
		assert_int_equal(v, SP_PARSE_INCOMPLETE);
		return 0;
	}
	assert_int_equal(framing.body, m->body);
	assert_true(framing.is_persistent);
	body_len = *ret_data_len = framing.length;
	if (framing.body == SP_HTTP1_BODY_CHUNKED) {
		body_len = chunks_len(m->text + head_len, len - head_len, ret_data_len);
		return body_len ? head_len + body_len : 0;
	}
	return body_len <= len - head_len ? head_len + body_len : 0;
}

static void end_of_message_is_found_at_every_cut(void **state)
{
	static struct message m;
	size_t cut, data_len;
	int i;

	srandom(1);
	for (i = 0; i < MESSAGES; i++) {
		make_message(&m);
		for (cut = 0; cut < m.len; cut++)
			assert_int_equal(message_len(&m, cut, &data_len), 0);
		assert_int_equal(message_len(&m, m.len, &data_len), m.len);
		assert_int_equal(data_len, m.data_len);
		strcpy(m.text + m.len, "\r\n0\r\n\r\n");
		assert_int_equal(message_len(&m, m.len + 7, &data_len), m.len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_of_message_is_found_at_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
