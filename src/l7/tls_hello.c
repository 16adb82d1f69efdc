// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tls_hello.c - SNI and ALPN out of a TLS ClientHello
 *
 * Theory of operation. A reader hands out the bytes of the handshake message, stepping over the
 * record headers between, so the rest need not know how the hello was cut. The reader has a limit
 * (the end of the innermost vector) that no field may cross, and a sticky verdict: once the verdict
 * is INCOMPLETE or BAD, reads yield 0 and change nothing more. The code above therefore reads on
 * without checks; only loops check the verdict. A length that cannot fit is BAD as soon as it is
 * read, before its bytes have arrived.
 *
 * Only fields for routing are understood: values of GREASE, unknown extensions and key shares of
 * any size are skipped. With an encrypted ClientHello the name is the outer name. Bytes behind the
 * hello (early data) are not read.
 *
 * Refused beside broken lengths: records of another type in between, empty records, server_name
 * or ALPN given twice, a server_name list with anything but one host_name, names that are no
 * host names (letters, digits, '-', '.', and '_', which is no host name's but lives in many),
 * ALPN lists above SP_TLS_ALPN_MAX.
 */
#include "l7/tls_hello.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384
#define CLIENT_HELLO 1
#define TLS_MAJOR 3
#define RANDOM_LEN 32
#define SESSION_ID_MAX 32
#define LABEL_MAX 63
#define EXT_SERVER_NAME 0
#define EXT_ALPN 16
#define NAME_HOST 0

/*
 * version, random, and the least session id, cipher suites and compression methods with their
 * lengths
 */
#define HELLO_MIN (2 + RANDOM_LEN + 1 + 2 + 2 + 1 + 1)

struct reader {
	const unsigned char *p; /* next byte of the input */
	const unsigned char *end;
	size_t record_left; /* bytes of the record at @p not read yet */
	size_t left;        /* bytes of the innermost vector not read yet */
	enum sp_parse_verdict verdict;
	const char *why;
	bool has_server_name;
	bool has_alpn;
};

static void reject_hello(struct reader *r, const char *why)
{
	if (r->verdict != SP_PARSE_OK)
		return;
	r->verdict = SP_PARSE_BAD;
	r->why = why;
}

static bool has_more(const struct reader *r)
{
	return r->verdict == SP_PARSE_OK && r->left > 0;
}

static unsigned int get_input(struct reader *r)
{
	if (r->verdict != SP_PARSE_OK)
		return 0;
	if (r->p == r->end) {
		r->verdict = SP_PARSE_INCOMPLETE;
		return 0;
	}
	return *r->p++;
}

static void get_record(struct reader *r)
{
	unsigned int len;

	if (get_input(r) != RECORD_HANDSHAKE)
		reject_hello(r, "not a TLS handshake record");
	if (get_input(r) != TLS_MAJOR)
		reject_hello(r, "not a version of TLS");
	get_input(r);
	len = get_input(r) << 8;
	if (len > RECORD_MAX)
		reject_hello(r, "record too long");
	len |= get_input(r);
	if (len == 0 || len > RECORD_MAX)
		reject_hello(r, "record empty or too long");
	r->record_left = len;
}

static unsigned int read_u8(struct reader *r)
{
	unsigned int byte;

	if (r->left == 0)
		reject_hello(r, "a field crosses the end of what it is in");
	if (r->record_left == 0)
		get_record(r);
	byte = get_input(r);
	if (r->verdict != SP_PARSE_OK)
		return 0;
	r->record_left--;
	r->left--;
	return byte;
}

static unsigned int read_u16(struct reader *r)
{
	unsigned int high = read_u8(r);

	return high << 8 | read_u8(r);
}

/* @count: never more than is left; get_length() and HELLO_MIN see to that. */
static void skip_bytes(struct reader *r, size_t count)
{
	while (count && r->verdict == SP_PARSE_OK) {
		size_t step = r->end - r->p;

		if (r->record_left == 0) {
			get_record(r);
			continue;
		}
		if (step > r->record_left)
			step = r->record_left;
		if (step > count)
			step = count;
		if (step == 0)
			r->verdict = SP_PARSE_INCOMPLETE;
		r->p += step;
		r->record_left -= step;
		r->left -= step;
		count -= step;
	}
}

/* The length of a vector, in @width bytes: never more than the bytes left. */
static size_t get_length(struct reader *r, unsigned int width)
{
	size_t len = 0;

	while (width--) {
		len |= (size_t)read_u8(r) << (8 * width);
		if (len + width > r->left)
			reject_hello(r, "a length crosses the end of what it is in");
	}
	return r->verdict == SP_PARSE_OK ? len : 0;
}

/* The length of a vector that has to fill the bytes left. */
static void get_length_filling(struct reader *r)
{
	if (get_length(r, 2) != r->left)
		reject_hello(r, "a list does not fill what it is in");
}

static bool is_host_char(unsigned int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static void get_host_name(struct reader *r, char *sni)
{
	size_t len = 0, label = 0;

	if (r->left == 0 || r->left > SP_TLS_SNI_MAX)
		reject_hello(r, "server name empty or too long");
	while (has_more(r)) {
		unsigned int c = read_u8(r);

		if (c == '.' && label == 0)
			reject_hello(r, "empty label in server name");
		if (c != '.' && !is_host_char(c))
			reject_hello(r, "invalid character in server name");
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			reject_hello(r, "label of server name too long");
		sni[len++] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
	}
	if (len && sni[len - 1] == '.')
		len--;
	sni[len] = '\0';
}

static void get_server_name(struct reader *r, struct sp_tls_hello *ret)
{
	if (r->has_server_name)
		reject_hello(r, "server name given twice");
	r->has_server_name = true;
	get_length_filling(r);
	if (read_u8(r) != NAME_HOST)
		reject_hello(r, "server name is not a host name");
	get_length_filling(r);
	get_host_name(r, ret->sni);
}

static void get_alpn(struct reader *r, struct sp_tls_hello *ret)
{
	if (r->has_alpn)
		reject_hello(r, "ALPN given twice");
	r->has_alpn = true;
	get_length_filling(r);
	if (r->left == 0 || r->left > SP_TLS_ALPN_MAX)
		reject_hello(r, "ALPN list empty or too long");
	while (has_more(r)) {
		size_t len = get_length(r, 1);

		if (len == 0)
			reject_hello(r, "empty protocol in ALPN list");
		ret->alpn[ret->alpn_len++] = len;
		while (len-- && has_more(r))
			ret->alpn[ret->alpn_len++] = read_u8(r);
	}
}

static void get_extension(struct reader *r, struct sp_tls_hello *ret)
{
	unsigned int type = read_u16(r);
	size_t len = get_length(r, 2);
	size_t behind = r->left - len;

	r->left = len;
	if (type == EXT_SERVER_NAME)
		get_server_name(r, ret);
	else if (type == EXT_ALPN)
		get_alpn(r, ret);
	else
		skip_bytes(r, len);
	r->left += behind;
}

static void get_message_header(struct reader *r)
{
	size_t len;

	r->left = 4;
	if (read_u8(r) != CLIENT_HELLO)
		reject_hello(r, "not a ClientHello");
	if (read_u8(r) != 0)
		reject_hello(r, "ClientHello too long");
	len = read_u16(r);
	if (len < HELLO_MIN)
		reject_hello(r, "ClientHello too short");
	r->left = len;
}

static void get_hello(struct reader *r, struct sp_tls_hello *ret)
{
	size_t len;

	get_message_header(r);
	if (read_u8(r) != TLS_MAJOR)
		reject_hello(r, "not a version of TLS");
	skip_bytes(r, 1 + RANDOM_LEN);
	len = get_length(r, 1);
	if (len > SESSION_ID_MAX)
		reject_hello(r, "session id too long");
	skip_bytes(r, len);
	len = get_length(r, 2);
	if (len == 0 || len % 2)
		reject_hello(r, "malformed cipher suites");
	skip_bytes(r, len);
	len = get_length(r, 1);
	if (len == 0)
		reject_hello(r, "no compression method");
	skip_bytes(r, len);
	if (has_more(r))
		get_length_filling(r);
	while (has_more(r))
		get_extension(r, ret);
}

enum sp_parse_verdict sp_tls_hello_parse(const unsigned char *buf, size_t len,
					struct sp_tls_hello *ret)
{
	struct reader r = {.p = buf, .end = buf + len, .verdict = SP_PARSE_OK};

	ret->sni[0] = '\0';
	ret->alpn_len = 0;
	get_hello(&r, ret);
	ret->why = r.why;
	return r.verdict;
}

int sp_tls_hello_has_alpn(const struct sp_tls_hello *hello, const char *protocol)
{
	size_t len = strlen(protocol), at;

	for (at = 0; at < hello->alpn_len; at += 1 + hello->alpn[at])
		if (hello->alpn[at] == len && memcmp(&hello->alpn[at + 1], protocol, len) == 0)
			return 1;
	return 0;
}
