// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_tls_hello.c - hellos built field by field, and a hello of OpenSSL, cut into records of any
 * size, with all their prefixes. Every input lies in a heap block of its exact length: ASan sees a
 * read behind the block.
 */
#include "l7/tls_hello.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A literal with its length, since it may hold NULs */
#define LIT(text) (text), sizeof(text) - 1

#define MESSAGE_MAX (4 + SP_TLS_HELLO_MAX)

struct bytes {
	unsigned char at[MESSAGE_MAX + 1024];
	size_t len;
};

/* GREASE, an SNI extension for "a", ALPN with h2, and the list of the versions 1.3 and 1.2 */
#define GREASE "\x1a\x1a\x00\x01\x00"
#define SNI_A                                                                                      \
	"\x00\x00\x00\x06\x00\x04\x00\x00\x01"                                                     \
	"a"
#define ALPN_H2 "\x00\x10\x00\x05\x00\x03\x02h2"
#define VERSIONS "\x00\x2b\x00\x05\x04\x03\x04\x03\x03"

static void put(struct bytes *b, const void *from, size_t len)
{
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

static void put_uint(struct bytes *b, size_t width, size_t value)
{
	while (width--)
		b->at[b->len++] = value >> (8 * width);
}

static void put_filler(struct bytes *b, size_t len)
{
	while (len--)
		b->at[b->len++] = 0xa0 + len % 7;
}

/* Everything up to the compression methods; the length in front is for finish(). */
static void start(struct bytes *b)
{
	b->len = 0;
	put_uint(b, 4, CLIENT_HELLO << 24);
	put_uint(b, 2, 0x0303);
	put_filler(b, RANDOM_LEN);
	put_uint(b, 1, 32);
	put_filler(b, 32);
	put(b, LIT("\x00\x06\x0a\x0a\x13\x01\xc0\x2b\x01\x00"));
}

static void finish(struct bytes *b)
{
	size_t len = b->len;

	b->len = 1;
	put_uint(b, 3, len - 4);
	b->len = len;
}

static void build(struct bytes *b, const char *extensions, size_t len)
{
	start(b);
	put_uint(b, 2, len);
	put(b, extensions, len);
	finish(b);
}

/* A hello as of a current browser: GREASE at both ends, and a hybrid key share of 1216 bytes */
static void build_post_quantum(struct bytes *b)
{
	start(b);
	put_uint(b, 2, sizeof(GREASE VERSIONS SNI_A ALPN_H2) - 1 + 4 + 2 + 4 + 1 + 4 + 1216 + 500);
	put(b, LIT(GREASE VERSIONS));
	put_uint(b, 2, 51);
	put_uint(b, 2, 2 + 4 + 1 + 4 + 1216);
	put_uint(b, 2, 4 + 1 + 4 + 1216);
	put(b, LIT("\x3a\x3a\x00\x01\x00\x11\xec"));
	put_uint(b, 2, 1216);
	put_filler(b, 1216);
	put(b, LIT(SNI_A ALPN_H2));
	put_uint(b, 2, 0xfe0d);
	put_uint(b, 2, 496);
	put_filler(b, 496);
	finish(b);
}

/* Return: length in @ret, which must have room for five bytes more per record. */
static size_t cut(const struct bytes *b, size_t record, unsigned char *ret)
{
	size_t at, len = 0, step;

	for (at = 0; at < b->len; at += step) {
		step = b->len - at < record ? b->len - at : record;
		ret[len++] = RECORD_HANDSHAKE;
		ret[len++] = 3;
		ret[len++] = at ? 3 : 1;
		ret[len++] = step >> 8;
		ret[len++] = step;
		memcpy(ret + len, b->at + at, step);
		len += step;
	}
	return len;
}

static enum sp_parse_verdict verdict(const unsigned char *input, size_t len,
				    struct sp_tls_hello *hello)
{
	unsigned char *copy = malloc(len ? len : 1);
	enum sp_parse_verdict v;

	assert_non_null(copy);
	memcpy(copy, input, len);
	memset(hello, 0x5a, sizeof(*hello));
	v = sp_tls_hello_parse(copy, len, hello);
	free(copy);
	return v;
}

/* All prefixes are INCOMPLETE, the whole is OK, and bytes behind the whole change no field. */
static void assert_good(const unsigned char *input, size_t len, const char *sni, const char *alpn)
{
	static unsigned char longer[8 * MESSAGE_MAX];
	struct sp_tls_hello hello;
	size_t n;

	for (n = 0; n < len; n += len < 4096 ? 1 : 97)
		assert_int_equal(verdict(input, n, &hello), SP_PARSE_INCOMPLETE);
	assert_int_equal(verdict(input, len - 1, &hello), SP_PARSE_INCOMPLETE);
	memcpy(longer, input, len);
	memcpy(longer + len, "GET /", 5);
	for (n = 0; n <= 5; n++) {
		assert_int_equal(verdict(longer, len + n, &hello), SP_PARSE_OK);
		assert_string_equal(hello.sni, sni);
		assert_int_equal(hello.alpn_len, strlen(alpn));
		assert_memory_equal(hello.alpn, alpn, strlen(alpn));
	}
}

static void assert_good_in_records(const struct bytes *b, const char *sni, const char *alpn)
{
	static const size_t sizes[] = {1, 2, 3, 5, 41, 512, RECORD_MAX};
	static unsigned char input[6 * MESSAGE_MAX];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		assert_good(input, cut(b, sizes[i], input), sni, alpn);
}

struct good {
	const char *extensions;
	size_t len;
	const char *sni;
	const char *alpn;
};

static const struct good goods[] = {
	{LIT(""), "", ""},
	{LIT(SNI_A), "a", ""},
	{LIT(ALPN_H2), "", "\x02h2"},
	{LIT(GREASE SNI_A VERSIONS ALPN_H2 "\xfa\xfa\x00\x00"), "a", "\x02h2"},
	{LIT(ALPN_H2 VERSIONS SNI_A), "a", "\x02h2"},		   /* in any order: RFC 8446, 4.2 */
	/* session ticket: RFC 5077, 3.2 */
	{LIT("\x00\x23\x00\x04tick" SNI_A), "a", ""},
	{LIT("\x00\x23\x00\x00" SNI_A), "a", ""},
	/* early data, a ticket: RFC 8446, 4.2.10 */
	{LIT(SNI_A "\x00\x2a\x00\x00"
		   "\x00\x2d\x00\x02\x01\x01"
		   "\x00\x29\x00\x0f\x00\x07\x00\x01t\x00\x00\x00\x01\x00\x04\x03mac"),
	 "a", ""},
	{LIT(SNI_A "\x00\x2c\x00\x03\x00\x01\x63"), "a", ""},	   /* a cookie: RFC 8446, 4.2.2 */
	/* ECH, outer */
	{LIT("\xfe\x0d\x00\x12\x00\x00\x01\x00\x01\x07\x00\x04keys\x00\x04load" SNI_A), "a", ""},
	/* padding: RFC 7685, and not last */
	{LIT("\x00\x15\x00\x03\x00\x00\x00" SNI_A), "a", ""},
	{LIT("\x00\x01\x00\x01\x04\x00\x16\x00\x00\x00\x17\x00\x00\xff\x01\x00\x01\x00" SNI_A), "a",
		""},
	{LIT("\x00\x00\x00\x0e\x00\x0c\x00\x00\x09"
	     "192.0.2.1"),
	 "192.0.2.1", ""}, /* RFC 6066, 3 forbids it, and clients do it */
	{LIT("\x00\x00\x00\x11\x00\x0f\x00\x00\x0c"
	     "Ex-4_m.PLE.a"),
	 "ex-4_m.ple.a", ""},
	{LIT("\x00\x00\x00\x09\x00\x07\x00\x00\x04"
	     "a.b."),
	 "a.b", ""},
	{LIT("\x00\x10\x00\x10\x00\x0e\x02\x1a\x1a\x02h2\x01\xff\x05http/"), "",
	 "\x02\x1a\x1a\x02h2\x01\xff\x05http/"},
};

static void good_hello_yields_name_and_protocols(void **state)
{
	static struct bytes b;
	size_t i;

	for (i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
		build(&b, goods[i].extensions, goods[i].len);
		assert_good_in_records(&b, goods[i].sni, goods[i].alpn);
	}
}

static void hello_without_extensions_is_good(void **state)
{
	static struct bytes b;

	start(&b);
	finish(&b);
	assert_good_in_records(&b, "", "");
}

static void least_hello_is_good(void **state)
{
	static struct bytes b;

	b.len = 0;
	put_uint(&b, 4, CLIENT_HELLO << 24);
	put_uint(&b, 2, 0x0301);
	put_filler(&b, RANDOM_LEN);
	put(&b, LIT("\x00\x00\x02\x00\x2f\x01\x00"));
	finish(&b);
	assert_int_equal(b.len, 4 + HELLO_MIN);
	assert_good_in_records(&b, "", "");
}

static void post_quantum_hello_is_good(void **state)
{
	static struct bytes b;

	build_post_quantum(&b);
	assert_true(b.len > 1800);
	assert_good_in_records(&b, "a", "\x02h2");
}

static void longest_hello_is_good(void **state)
{
	static struct bytes b;
	size_t left;

	start(&b);
	left = MESSAGE_MAX - b.len - 2;
	put_uint(&b, 2, left);
	put_uint(&b, 2, 0x2a2a);
	put_uint(&b, 2, left - 4 - (sizeof(SNI_A) - 1));
	put_filler(&b, left - 4 - (sizeof(SNI_A) - 1));
	put(&b, LIT(SNI_A));
	finish(&b);
	assert_int_equal(b.len, MESSAGE_MAX);
	assert_good_in_records(&b, "a", "");
}

static void openssl_hello_is_good(void **state)
{
	/* openssl 3.0 s_client -servername www.example.org -alpn h2,http/1.1 */
	static const unsigned char input[] = {
		0x16, 0x03, 0x01, 0x01, 0x4e, 0x01, 0x00, 0x01, 0x4a, 0x03, 0x03, 0xec, 0xcc, 0x39,
			0x02,
		0x4b, 0xf6, 0x94, 0x72, 0x91, 0x53, 0x49, 0x1b, 0xea, 0xa1, 0x97, 0xa7, 0x25, 0x60,
		0xcc,
		0xc7, 0x45, 0xb3, 0xee, 0x0b, 0x4b, 0x5f, 0x2c, 0x52, 0xd5, 0x8d, 0x3a, 0x4c, 0x20,
		0x22,
		0xe5, 0xf4, 0xdb, 0xb7, 0xd5, 0xf0, 0xbe, 0xec, 0x0b, 0x78, 0xb7, 0x79, 0x33, 0x56,
		0xfe,
		0x1f, 0x06, 0x93, 0x48, 0x6e, 0xb0, 0xc9, 0x9b, 0xd6, 0x88, 0x5b, 0x00, 0x64, 0x40,
		0x31,
		0x6e, 0x00, 0x3e, 0x13, 0x02, 0x13, 0x03, 0x13, 0x01, 0xc0, 0x2c, 0xc0, 0x30, 0x00,
		0x9f,
		0xcc, 0xa9, 0xcc, 0xa8, 0xcc, 0xaa, 0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0x9e, 0xc0, 0x24,
		0xc0,
		0x28, 0x00, 0x6b, 0xc0, 0x23, 0xc0, 0x27, 0x00, 0x67, 0xc0, 0x0a, 0xc0, 0x14, 0x00,
		0x39,
		0xc0, 0x09, 0xc0, 0x13, 0x00, 0x33, 0x00, 0x9d, 0x00, 0x9c, 0x00, 0x3d, 0x00, 0x3c,
		0x00,
		0x35, 0x00, 0x2f, 0x00, 0xff, 0x01, 0x00, 0x00, 0xc3, 0x00, 0x00, 0x00, 0x14, 0x00,
		0x12,
		0x00, 0x00, 0x0f, 0x77, 0x77, 0x77, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65,
		0x2e,
		0x6f, 0x72, 0x67, 0x00, 0x0b, 0x00, 0x04, 0x03, 0x00, 0x01, 0x02, 0x00, 0x0a, 0x00,
		0x16,
		0x00, 0x14, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x1e, 0x00, 0x19, 0x00, 0x18, 0x01, 0x00,
		0x01,
		0x01, 0x01, 0x02, 0x01, 0x03, 0x01, 0x04, 0x00, 0x23, 0x00, 0x00, 0x00, 0x10, 0x00,
		0x0e,
		0x00, 0x0c, 0x02, 0x68, 0x32, 0x08, 0x68, 0x74, 0x74, 0x70, 0x2f, 0x31, 0x2e, 0x31,
		0x00,
		0x16, 0x00, 0x00, 0x00, 0x17, 0x00, 0x00, 0x00, 0x0d, 0x00, 0x2a, 0x00, 0x28, 0x04,
		0x03,
		0x05, 0x03, 0x06, 0x03, 0x08, 0x07, 0x08, 0x08, 0x08, 0x09, 0x08, 0x0a, 0x08, 0x0b,
		0x08,
		0x04, 0x08, 0x05, 0x08, 0x06, 0x04, 0x01, 0x05, 0x01, 0x06, 0x01, 0x03, 0x03, 0x03,
		0x01,
		0x03, 0x02, 0x04, 0x02, 0x05, 0x02, 0x06, 0x02, 0x00, 0x2b, 0x00, 0x09, 0x08, 0x03,
		0x04,
		0x03, 0x03, 0x03, 0x02, 0x03, 0x01, 0x00, 0x2d, 0x00, 0x02, 0x01, 0x01, 0x00, 0x33,
		0x00,
		0x26, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20, 0x3d, 0x44, 0xe8, 0x70, 0x1c, 0x3d, 0x6c,
		0xc5,
		0x1b, 0x6a, 0xf5, 0x73, 0xad, 0xde, 0x39, 0xbe, 0x6c, 0xdf, 0x8d, 0x3c, 0xa8, 0x43,
		0xb6,
		0xe5, 0xaf, 0x2f, 0x11, 0x47, 0xdf, 0xb4, 0x81, 0x0d,
	};

	assert_good(input, sizeof(input), "www.example.org", "\x02h2\x08http/1.1");
}

/*
 * @decisive: bytes of the message (see build()) that decide, counted from the first extension's
 *		first byte
 */
struct wrong {
	const char *extensions;
	size_t len;
	const char *why;
	size_t decisive;
};

#define FIELD "a field crosses the end of what it is in"
#define LENGTH "a length crosses the end of what it is in"
#define FILL "a list does not fill what it is in"
#define CHARACTER "invalid character in server name"

static const struct wrong wrongs[] = {
	{LIT("\x1a"), FIELD, 1},
	{LIT("\x1a\x1a\x00"), LENGTH, 3},
	{LIT("\x1a\x1a\x00\x01"), LENGTH, 4},
	{LIT("\x1a\x1a\x01\x00\x00\x00"), LENGTH, 3},
	{LIT("\x00\x00\x00\x00"), FIELD, 4},
	{LIT("\x00\x00\x00\x02\x00\x00"), FIELD, 6},
	{LIT("\x00\x00\x00\x05\x00\x03\x00\x00\x00"), "server name empty or too long", 9},
	{LIT("\x00\x00\x00\x06\x00\x05\x00\x00\x01"
	     "a"),
	 LENGTH, 6},
	{LIT("\x00\x00\x00\x06\x00\x03\x00\x00\x01"
	     "a"),
	 FILL, 6},
	{LIT("\x00\x00\x00\x06\x00\x04\x01\x00\x01"
	     "a"),
	 "server name is not a host name", 7},
	{LIT("\x00\x00\x00\x06\x00\x04\x00\x00\x02"
	     "a"),
	 LENGTH, 9},
	{LIT("\x00\x00\x00\x06\x00\x04\x00\x00\x00"
	     "a"),
	 FILL, 9},
	{LIT("\x00\x00\x00\x0a\x00\x08\x00\x00\x01"
	     "a\x00\x00\x01"
	     "b"),
	 FILL, 9},
	{LIT(SNI_A SNI_A), "server name given twice", sizeof(SNI_A) - 1 + 4},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a\0b"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a b"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a/b"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a*b"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a:b"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a\xc3\xa4"),
	 CHARACTER, 11},
	{LIT("\x00\x00\x00\x06\x00\x04\x00\x00\x01"
	     "."),
	 "empty label in server name", 10},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     ".ab"),
	 "empty label in server name", 10},
	{LIT("\x00\x00\x00\x08\x00\x06\x00\x00\x03"
	     "a.."),
	 "empty label in server name", 12},
	{LIT("\x00\x10\x00\x00"), FIELD, 4},
	{LIT("\x00\x10\x00\x02\x00\x00"), "ALPN list empty or too long", 6},
	{LIT("\x00\x10\x00\x05\x00\x02\x02h2"), FILL, 6},
	{LIT("\x00\x10\x00\x05\x00\x04\x02h2"), LENGTH, 6},
	{LIT("\x00\x10\x00\x05\x00\x03\x03h2"), LENGTH, 7},
	{LIT("\x00\x10\x00\x06\x00\x04\x02h2\x00"), "empty protocol in ALPN list", 10},
	{LIT("\x00\x10\x00\x06\x00\x04\x02h2\x01"), LENGTH, 10},
	{LIT(ALPN_H2 ALPN_H2), "ALPN given twice", sizeof(ALPN_H2) - 1 + 4},
};

/* @decisive: length from which @input is BAD */
static void assert_bad(const unsigned char *input, size_t len, size_t decisive, const char *why)
{
	struct sp_tls_hello hello;
	size_t n;

	for (n = 0; n <= len; n++) {
		enum sp_parse_verdict v = verdict(input, n, &hello);

		if (v != (n < decisive ? SP_PARSE_INCOMPLETE : SP_PARSE_BAD))
			fail_msg("verdict %d on %zu of %zu bytes (%s)", v, n, len, why);
		if (v == SP_PARSE_BAD)
			assert_string_equal(hello.why, why);
	}
}

static void assert_bad_in_records(const struct bytes *b, size_t decisive, const char *why)
{
	static const size_t sizes[] = {1, 3, RECORD_MAX};
	static unsigned char input[8192];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t records = (decisive + sizes[i] - 1) / sizes[i];

		assert_bad(input, cut(b, sizes[i], input), decisive + 5 * records, why);
	}
}

static void bad_extension_is_refused_at_its_decisive_byte(void **state)
{
	static struct bytes b;
	size_t i, before;

	start(&b);
	before = b.len + 2;
	for (i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
		build(&b, wrongs[i].extensions, wrongs[i].len);
		assert_bad_in_records(&b, before + wrongs[i].decisive, wrongs[i].why);
	}
}

/* One byte of a good hello replaced: offset in the message, byte, decisive offset, reason */
static void bad_field_is_refused_at_its_decisive_byte(void **state)
{
	static const struct {
		size_t at;
		unsigned char byte;
		size_t decisive;
		const char *why;
	} cases[] = {
		{0, 2, 1, "not a ClientHello"},
		{0, 0, 1, "not a ClientHello"},
		{1, 1, 2, "ClientHello too long"},
		{3, 40, 4, "ClientHello too short"},
		{4, 2, 5, "not a version of TLS"},
		{38, 33, 39, "session id too long"},
		{38, 255, 39, LENGTH},
		{71, 1, 72, LENGTH},
		{72, 0, 73, "malformed cipher suites"},
		{72, 5, 73, "malformed cipher suites"},
		{79, 0, 80, "no compression method"},
		{79, 255, 80, LENGTH},
		{82, sizeof(SNI_A) - 2, 83, FILL},
		{82, sizeof(SNI_A), 83, LENGTH},
		{81, 1, 82, LENGTH},
	};
	static struct bytes b;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		build(&b, LIT(SNI_A));
		b.at[cases[i].at] = cases[i].byte;
		assert_bad_in_records(&b, cases[i].decisive, cases[i].why);
	}
}

static void bad_record_is_refused_at_its_decisive_byte(void **state)
{
	static const char type[] = "not a TLS handshake record", length[] = "record too long";
	static const char empty[] = "record empty or too long";
	static unsigned char input[1024], broken[1024];
	static const struct {
		size_t at;
		unsigned char byte;
		size_t decisive;
		const char *why;
	} cases[] = {
		{0, 'G', 1, type},
		{0, 0x80, 1, type},
		{0, 21, 1, type},
		{1, 2, 2, "not a version of TLS"},
		{3, 0x41, 4, length},
		{4, 0, 5, empty},
		/* the second record, behind 32 bytes of the first */
		{37, 23, 38, type},
		{37, 20, 38, type},
		{38, 4, 39, "not a version of TLS"},
		{40, 0xff, 41, length},
		{41, 0, 42, empty},
	};
	static struct bytes b;
	size_t i, len;

	build(&b, LIT(SNI_A));
	len = cut(&b, 32, input);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memcpy(broken, input, len);
		broken[cases[i].at] = cases[i].byte;
		assert_bad(broken, len, cases[i].decisive, cases[i].why);
	}
	assert_bad((const unsigned char *)"\x16\x03\x01\x40\x01", 5, 5, empty);
}

static void build_name(struct bytes *b, size_t label, size_t len)
{
	size_t i;

	start(b);
	put_uint(b, 2, len + 9);
	put_uint(b, 4, len + 5);
	put_uint(b, 2, len + 3);
	put_uint(b, 1, NAME_HOST);
	put_uint(b, 2, len);
	for (i = 1; i <= len; i++)
		put_uint(b, 1, i % (label + 1) ? 'a' : '.');
	finish(b);
}

static void length_of_name_is_limited(void **state)
{
	static unsigned char input[1024];
	static struct bytes b;
	struct sp_tls_hello hello;

	build_name(&b, 63, SP_TLS_SNI_MAX);
	assert_int_equal(verdict(input, cut(&b, 100, input), &hello), SP_PARSE_OK);
	assert_int_equal(strlen(hello.sni), SP_TLS_SNI_MAX);
	build_name(&b, 63, SP_TLS_SNI_MAX + 1);
	assert_int_equal(verdict(input, cut(&b, 100, input), &hello), SP_PARSE_BAD);
	assert_string_equal(hello.why, "server name empty or too long");
	build_name(&b, 64, 64);
	assert_int_equal(verdict(input, cut(&b, 100, input), &hello), SP_PARSE_BAD);
	assert_string_equal(hello.why, "label of server name too long");
}

static void build_protocols(struct bytes *b, size_t len)
{
	size_t step;

	start(b);
	put_uint(b, 2, len + 6);
	put_uint(b, 2, EXT_ALPN);
	put_uint(b, 2, len + 2);
	put_uint(b, 2, len);
	put(b, LIT("\x01x"));
	for (len -= 2; len; len -= step) {
		step = len < 256 ? len : 256;
		put_uint(b, 1, step - 1);
		put_filler(b, step - 1);
	}
	finish(b);
}

static void length_of_alpn_is_limited(void **state)
{
	static unsigned char input[2 * SP_TLS_ALPN_MAX];
	static struct bytes b;
	struct sp_tls_hello hello;

	build_protocols(&b, SP_TLS_ALPN_MAX);
	assert_int_equal(verdict(input, cut(&b, 100, input), &hello), SP_PARSE_OK);
	assert_int_equal(hello.alpn_len, SP_TLS_ALPN_MAX);
	assert_memory_equal(hello.alpn, "\x01x\xff", 3);
	build_protocols(&b, SP_TLS_ALPN_MAX + 1);
	assert_int_equal(verdict(input, cut(&b, 100, input), &hello), SP_PARSE_BAD);
	assert_string_equal(hello.why, "ALPN list empty or too long");
}

static void protocol_is_found_in_alpn(void **state)
{
	struct sp_tls_hello hello = {.alpn = "\x02h2\x08http/1.1", .alpn_len = 12};

	assert_true(sp_tls_hello_has_alpn(&hello, "h2"));
	assert_true(sp_tls_hello_has_alpn(&hello, "http/1.1"));
	assert_false(sp_tls_hello_has_alpn(&hello, "h"));
	assert_false(sp_tls_hello_has_alpn(&hello, "h3"));
	assert_false(sp_tls_hello_has_alpn(&hello, "http/1.0"));
	assert_false(sp_tls_hello_has_alpn(&hello, "http/1.1x"));
	assert_false(sp_tls_hello_has_alpn(&hello, ""));
	hello.alpn_len = 3;
	assert_true(sp_tls_hello_has_alpn(&hello, "h2"));
	assert_false(sp_tls_hello_has_alpn(&hello, "http/1.1"));
	hello.alpn_len = 0;
	assert_false(sp_tls_hello_has_alpn(&hello, "h2"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_hello_yields_name_and_protocols),
		cmocka_unit_test(hello_without_extensions_is_good),
		cmocka_unit_test(least_hello_is_good),
		cmocka_unit_test(post_quantum_hello_is_good),
		cmocka_unit_test(longest_hello_is_good),
		cmocka_unit_test(openssl_hello_is_good),
		cmocka_unit_test(bad_extension_is_refused_at_its_decisive_byte),
		cmocka_unit_test(bad_field_is_refused_at_its_decisive_byte),
		cmocka_unit_test(bad_record_is_refused_at_its_decisive_byte),
		cmocka_unit_test(length_of_name_is_limited),
		cmocka_unit_test(length_of_alpn_is_limited),
		cmocka_unit_test(protocol_is_found_in_alpn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
