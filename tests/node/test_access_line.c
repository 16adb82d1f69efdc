// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lines of the access log: both formats, and hostile text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "base/addr.h"
#include "node/access_line.h"

static char buf[SP_ACCESS_LINE_MAX];

static struct sp_access_line line_of(enum sp_access_format format, struct sp_access_text *text)
{
	struct sp_access_line l = {
		.format = format, .event = "exchange", .service = "www", .text = text,
		.begun_ms = 1700000000042ULL, .pool = "web", .mode = "whole", .end = "complete",
		.status = 200, .bytes_in = 60, .bytes_out = 5000000000ULL, .connect_us = 120,
		.first_us = 300, .last_us = SP_ACCESS_UNKNOWN, .exchange = 2,
	};

	sp_endpoint_parse("198.51.100.7:4000", &l.client.addr, &l.client.port_be);
	sp_endpoint_parse("[2001:db8::1]:80", &l.backend.addr, &l.backend.port_be);
	return l;
}

static struct sp_access_text *text_of(enum sp_access_format format, const char *head)
{
	static struct sp_http1 parsed;

	assert_int_equal(sp_http1_parse(head, strlen(head), &parsed), SP_PARSE_OK);
	return sp_access_text_http(format, &parsed);
}

static void expect(enum sp_access_format format, const char *head, const char *wanted)
{
	struct sp_access_text *text = text_of(format, head);
	struct sp_access_line l = line_of(format, text);
	size_t len = sp_access_line_format(&l, buf);

	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(buf, wanted, len);
	sp_access_text_put(text);
}

static void combined_is_as_others_write_it(void **state)
{
	expect(SP_ACCESS_COMBINED,
	       "GET /a?b=c HTTP/1.1\r\nHost: x\r\nUser-Agent: a \"b\\\x80\r\nReferer: r\r\n\r\n",
	       "198.51.100.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c HTTP/1.1\" 200 "
	       "5000000000 \"r\" \"a \\x22b\\x5C\\x80\"\n");
	expect(SP_ACCESS_COMBINED, "GET / HTTP/1.0\r\n\r\n",
	       "198.51.100.7 - - [14/Nov/2023:22:13:20 +0000] \"GET / HTTP/1.0\" 200 "
	       "5000000000 \"-\" \"-\"\n");
}

static void json_has_what_is_known(void **state)
{
	expect(SP_ACCESS_JSON, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	       "{\"time\":\"2023-11-14T22:13:20.042Z\",\"event\":\"exchange\","
	       "\"client\":\"198.51.100.7:4000\",\"service\":\"www\",\"method\":\"GET\","
	       "\"host\":\"x\",\"path\":\"/a\",\"status\":200,\"pool\":\"web\","
	       "\"backend\":\"[2001:db8::1]:80\",\"bytes_in\":60,\"bytes_out\":5000000000,"
	       "\"connect_us\":120,\"first_byte_us\":300,\"end\":\"complete\",\"mode\":\"whole\","
	       "\"exchange\":2}\n");
}

/* Escaped bytes: 1024 of the path, 512 of a field. */
static void longest_line_has_room(void **state)
{
	static char bytes[65536];
	struct sp_http1 head = { .minor = 1 };
	struct sp_str all = { bytes, sizeof(bytes) };

	memset(bytes, 0xff, sizeof(bytes));
	head.method = head.target = head.host = all;
	for (int format = SP_ACCESS_COMBINED; format <= SP_ACCESS_JSON; format++) {
		struct sp_access_text *text = sp_access_text_http(format, &head);
		struct sp_access_line l = line_of(format, text);
		size_t len = sp_access_line_format(&l, buf);

		assert_true(len < SP_ACCESS_LINE_MAX && len > 1024 * 4);
		assert_int_equal(buf[len - 1], '\n');
		for (size_t i = 0; i < len - 1; i++)
			assert_true(buf[i] >= 0x20 && buf[i] < 0x7f);
		sp_access_text_put(text);
	}
}

static void tls_has_all_protocols(void **state)
{
	static struct sp_tls_hello hello = { .sni = "a.example", .alpn = "\2h2\10http/1.1",
					     .alpn_len = 12 };
	struct sp_access_text *text = sp_access_text_tls(&hello);

	assert_memory_equal(text->bytes, ",\"sni\":\"a.example\",\"alpn\":\"h2,http/1.1\"",
			    text->request_len);
	sp_access_text_put(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(combined_is_as_others_write_it),
		cmocka_unit_test(json_has_what_is_known),
		cmocka_unit_test(longest_line_has_room),
		cmocka_unit_test(tls_has_all_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
