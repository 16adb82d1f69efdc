// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_proxy_header.c - header of the PROXY protocol: tables of both versions, at every split */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "l7/proxy_header.c"

#include "base/addr.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text) text, sizeof(text) - 1
#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRS "\xc0\x00\x02\x01\xc6\x33\x64\x02\x9c\x40\x00\x50"
#define V6_CLIENT "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_SERVICE "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define V6_ADDRS V6_CLIENT V6_SERVICE "\x9c\x40\x00\x50"
#define V6_LONG "1111:2222:3333:4444:5555:6666:7777:8888"
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* @client, @service: NULL: of the connection itself */
struct good {
	const char	*bytes;
	size_t		len;
	const char	*client, *service;
};

static const struct good goods[] = {
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n"), "192.0.2.1:40000",
	  "198.51.100.2:80" },
	{ BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	  "255.255.255.255:65535", "255.255.255.255:65535" },
	{ BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0", "0.0.0.0:0" },
	{ BYTES("PROXY TCP6 2001:db8::1 2001:DB8:0::2 40000 80\r\n"), "[2001:db8::1]:40000",
	  "[2001:db8::2]:80" },
	{ BYTES("PROXY TCP6 " V6_LONG " " V6_LONG " 65535 65535\r\n"), "[" V6_LONG "]:65535",
	  "[" V6_LONG "]:65535" },
	{ BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 40000 80\r\n"), "192.0.2.1:40000",
	  "198.51.100.2:80" },
	{ BYTES("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 40000 80\r\n"), "192.0.2.1:40000",
	  "[2001:db8::2]:80" },
	{ BYTES("PROXY UNKNOWN\r\n"), NULL, NULL },
	{ BYTES("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), NULL, NULL },
	{ BYTES("PROXY UNKNOWN \0\xff nonsense\r\n"), NULL, NULL },
	{ BYTES("PROXY UNKNOWN " X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), NULL, NULL },
	{ BYTES(SIG "\x21\x11\x00\x0c" V4_ADDRS), "192.0.2.1:40000", "198.51.100.2:80" },
	{ BYTES(SIG "\x21\x21\x00\x24" V6_ADDRS), "[2001:db8::1]:40000", "[2001:db8::2]:80" },
	{ BYTES(SIG "\x21\x11\x00\x10" V4_ADDRS "\x04\x00\x01x"), "192.0.2.1:40000",
	  "198.51.100.2:80" },
	{ BYTES(SIG "\x21\x21\x00\x27" V6_ADDRS "\x04\x00\x00"), "[2001:db8::1]:40000",
	  "[2001:db8::2]:80" },
	{ BYTES(SIG "\x20\x00\x00\x00"), NULL, NULL },
	{ BYTES(SIG "\x20\x11\x00\x0c" V4_ADDRS), NULL, NULL },
	{ BYTES(SIG "\x20\xff\x00\x03xyz"), NULL, NULL },
	{ BYTES(SIG "\x21\x00\x00\x00"), NULL, NULL },
	{ BYTES(SIG "\x21\x12\x00\x0c" V4_ADDRS), NULL, NULL },
	{ BYTES(SIG "\x21\x22\x00\x24" V6_ADDRS), NULL, NULL },
	{ BYTES(SIG "\x21\x31\x00\x03xyz"), NULL, NULL },
};

static const struct { const char *bytes; size_t len; const char *why; } bads[] = {
	{ BYTES("GET / HTTP/1.1\r\n"), "no PROXY header" },
	{ BYTES("PUT / HTTP/1.1\r\n"), "no PROXY header" },
	{ BYTES("proxy TCP4"), "no PROXY header" },
	{ BYTES("PROXY  TCP4"), "malformed protocol" },
	{ BYTES("\x16\x03\x01"), "no PROXY header" },
	{ BYTES("PROXY\r\n"), "no PROXY header" },
	{ BYTES("PROXY TCP5 "), "malformed protocol" },
	{ BYTES("PROXY TCP44 "), "malformed protocol" },
	{ BYTES("PROXY UDP4 "), "malformed protocol" },
	{ BYTES("PROXY UNKNOWN2\r\n"), "malformed protocol" },
	{ BYTES("PROXY UNKNOWN\n"), "malformed protocol" },
	{ BYTES("PROXY UNKNOWN x\n"), "LF without CR" },
	{ BYTES("PROXY UNKNOWN x\rx"), "CR without LF" },
	{ BYTES("PROXY UNKNOWN " X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), "line too long" },
	{ BYTES("PROXY UNKNOWN " X50 X50), "line too long" },
	{ BYTES("PROXY TCP4 192.0.2.01 "), "malformed address" },
	{ BYTES("PROXY TCP4 192.0.2 "), "malformed address" },
	{ BYTES("PROXY TCP4 192.0.2.256 "), "malformed address" },
	{ BYTES("PROXY TCP4  "), "malformed address" },
	{ BYTES("PROXY TCP4 192.0.2.1\t"), "malformed address" },
	{ BYTES("PROXY TCP4 192.000.002.0001"), "malformed address" },
	{ BYTES("PROXY TCP4 ::1 "), "malformed address" },
	{ BYTES("PROXY TCP4 192.0.2.1\0"), "malformed address" },
	{ BYTES("PROXY TCP6 192.0.2.1 "), "malformed address" },
	{ BYTES("PROXY TCP6 ::1%lo "), "malformed address" },
	{ BYTES("PROXY TCP6 2001:db8::1::2 "), "malformed address" },
	{ BYTES("PROXY TCP6 00000000000000000000000000000000000000000000000"),
	  "malformed address" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 65536 "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 080 "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 00 "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 -1 "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2  "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 100000"), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000\r"), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80 "), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\n"), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 \r"), "malformed port" },
	{ BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\rG"), "CR without LF" },
	{ BYTES("PROXY TCP6 1111:2222:3333:4444:5555:6666:111.111.111.111 "
		"1111:2222:3333:4444:5555:6666:111.111.111.111 65535 65535\r\n"), "line too long" },
	{ BYTES("\r\n\r\n\0\r\nQUIT\r"), "no PROXY header" },
	{ BYTES("\r\nGET / HTTP/1.1\r\n"), "no PROXY header" },
	{ BYTES(SIG "\x11"), "not version 2, or not a known command" },
	{ BYTES(SIG "\x22"), "not version 2, or not a known command" },
	{ BYTES(SIG "\x31"), "not version 2, or not a known command" },
	{ BYTES(SIG "\x21\x41"), "not a known protocol" },
	{ BYTES(SIG "\x21\x13"), "not a known protocol" },
	{ BYTES(SIG "\x21\xff"), "not a known protocol" },
	{ BYTES(SIG "\x21\x11\x00\x0b"), "header too short for its addresses" },
	{ BYTES(SIG "\x21\x21\x00\x23"), "header too short for its addresses" },
	{ BYTES(SIG "\x21\x11\x02\x09"), "header too long" },
	{ BYTES(SIG "\x20\x00\x03"), "header too long" },
	{ BYTES(SIG "\x20\x00\xff"), "header too long" },
};

/* An exact copy on the heap: the sanitizer sees a read behind the input. */
static enum sp_parse_verdict parse_copy(const char *bytes, size_t len, struct sp_proxy_header *ret)
{
	char *copy = malloc(len ? len : 1);
	enum sp_parse_verdict v;

	memcpy(copy, bytes, len);
	v = sp_proxy_header_parse(copy, len, ret);
	assert_int_equal(ret->why != NULL, v == SP_PARSE_BAD);
	free(copy);
	return v;
}

static void check_endpoint(const struct sp_endpoint *at, const char *expected)
{
	char text[SP_ENDPOINT_STRLEN];

	if (expected)
		assert_string_equal(sp_endpoint_format(&at->addr, at->port_be, text), expected);
	else
		assert_true(!at->port_be && !at->addr.w[0] && !at->addr.w[2] && !at->addr.w[3]);
}

static void check_good(const struct good *good)
{
	struct sp_proxy_header header;
	char *longer = malloc(good->len + 4);

	for (size_t len = 0; len < good->len; len++)
		if (parse_copy(good->bytes, len, &header) != SP_PARSE_INCOMPLETE)
			fail_msg("%s, of length %zu, is complete", good->bytes, len);
	if (parse_copy(good->bytes, good->len, &header) != SP_PARSE_OK)
		fail_msg("%s is refused: %s", good->bytes, header.why);
	memcpy(longer, good->bytes, good->len);
	memcpy(longer + good->len, "GET ", 4);
	assert_int_equal(parse_copy(longer, good->len + 4, &header), SP_PARSE_OK);
	assert_int_equal(header.len, good->len);
	assert_int_equal(header.is_own, good->client == NULL);
	check_endpoint(&header.client, good->client);
	check_endpoint(&header.service, good->service);
	free(longer);
}

static void good_headers_are_parsed_at_every_split(void **state)
{
	for (size_t i = 0; i < COUNT(goods); i++)
		check_good(&goods[i]);
}

/* Refused by the last byte at the latest, and refused from then on. */
static void bad_headers_are_refused_at_once(void **state)
{
	struct sp_proxy_header header;

	for (size_t i = 0; i < COUNT(bads); i++) {
		enum sp_parse_verdict v, before = SP_PARSE_INCOMPLETE;

		for (size_t len = 0; len <= bads[i].len; len++, before = v) {
			v = parse_copy(bads[i].bytes, len, &header);
			if (v == SP_PARSE_OK || (before == SP_PARSE_BAD && v != SP_PARSE_BAD))
				fail_msg("%s, of length %zu: %d", bads[i].bytes, len, v);
		}
		if (v != SP_PARSE_BAD)
			fail_msg("%s is not refused", bads[i].bytes);
		if (strcmp(header.why, bads[i].why))
			fail_msg("%s is refused: %s", bads[i].bytes, header.why);
	}
}

static void longest_binary_header(void **state)
{
	char bytes[SP_PROXY_V2_MAX + 1] = SIG "\x21\x11\x02\x08" V4_ADDRS;
	struct sp_proxy_header header;

	assert_int_equal(parse_copy(bytes, SP_PROXY_V2_MAX - 1, &header), SP_PARSE_INCOMPLETE);
	assert_int_equal(parse_copy(bytes, SP_PROXY_V2_MAX + 1, &header), SP_PARSE_OK);
	assert_int_equal(header.len, SP_PROXY_V2_MAX);
	check_endpoint(&header.client, "192.0.2.1:40000");
}

/* A line of the greatest length must have its end in it. */
static void line_without_end(void **state)
{
	char bytes[SP_PROXY_V1_MAX] = "PROXY UNKNOWN ";
	struct sp_proxy_header header;

	memset(bytes + 14, 'x', sizeof(bytes) - 14);
	assert_int_equal(parse_copy(bytes, sizeof(bytes) - 1, &header), SP_PARSE_INCOMPLETE);
	assert_int_equal(parse_copy(bytes, sizeof(bytes), &header), SP_PARSE_BAD);
}

static struct sp_endpoint endpoint_of(const char *text)
{
	struct sp_endpoint at;

	assert_int_equal(sp_endpoint_parse(text, &at.addr, &at.port_be), 0);
	return at;
}

static const struct {
	const char *client, *service, *line, *bytes;
	size_t len;
} written[] = {
	{ "192.0.2.1:40000", "198.51.100.2:80", "PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n",
	  BYTES(SIG "\x21\x11\x00\x0c" V4_ADDRS) },
	{ "[2001:db8::1]:40000", "[2001:db8::2]:80", "PROXY TCP6 2001:db8::1 2001:db8::2 40000 80\r\n",
	  BYTES(SIG "\x21\x21\x00\x24" V6_ADDRS) },
	{ "192.0.2.1:40000", "[2001:db8::2]:80",
	  "PROXY TCP6 0:0:0:0:0:ffff:c000:201 2001:db8::2 40000 80\r\n",
	  BYTES(SIG "\x21\x21\x00\x24" "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01" V6_SERVICE
		"\x9c\x40\x00\x50") },
	{ "[2001:db8::1]:40000", "198.51.100.2:80",
	  "PROXY TCP6 2001:db8::1 0:0:0:0:0:ffff:c633:6402 40000 80\r\n",
	  BYTES(SIG "\x21\x21\x00\x24" V6_CLIENT "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x02"
		"\x9c\x40\x00\x50") },
	{ "[::192.0.2.1]:1", "[2001:db8::2]:80", "PROXY TCP6 0:0:0:0:0:0:c000:201 2001:db8::2 1 80\r\n",
	  BYTES(SIG "\x21\x21\x00\x24" "\0\0\0\0\0\0\0\0\0\0\0\0\xc0\x00\x02\x01" V6_SERVICE
		"\x00\x01\x00\x50") },
	{ "[" V6_LONG "]:65535", "[" V6_LONG "]:65535",
	  "PROXY TCP6 " V6_LONG " " V6_LONG " 65535 65535\r\n",
	  BYTES(SIG "\x21\x21\x00\x24" "\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88"
		"\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\xff\xff\xff\xff") },
};

static void check_written(enum sp_proxy_protocol version, size_t i, const char *bytes, size_t len)
{
	struct sp_endpoint client = endpoint_of(written[i].client);
	struct sp_endpoint service = endpoint_of(written[i].service);
	struct sp_proxy_header header;
	char buf[SP_PROXY_WRITE_MAX];

	assert_int_equal(sp_proxy_header_write(version, &client, &service, buf), len);
	assert_memory_equal(buf, bytes, len);
	assert_int_equal(parse_copy(buf, len, &header), SP_PARSE_OK);
	assert_int_equal(header.len, len);
	check_endpoint(&header.client, written[i].client);
	check_endpoint(&header.service, written[i].service);
}

static void written_headers_parse_again(void **state)
{
	for (size_t i = 0; i < COUNT(written); i++) {
		check_written(SP_PROXY_PROTOCOL_V1, i, written[i].line, strlen(written[i].line));
		check_written(SP_PROXY_PROTOCOL_V2, i, written[i].bytes, written[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_headers_are_parsed_at_every_split),
		cmocka_unit_test(bad_headers_are_refused_at_once),
		cmocka_unit_test(longest_binary_header),
		cmocka_unit_test(line_without_end),
		cmocka_unit_test(written_headers_parse_again),
	};

	return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
