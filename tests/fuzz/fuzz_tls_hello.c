// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_tls_hello.c - any bytes into sp_tls_hello_parse(): verdicts are monotone over prefixes,
 * names and protocols are well formed, and the same hello cut into other records yields the same
 * result.
 */
#include "l7/tls_hello.h"

#include <string.h>

#include "fuzz_head.h"

#define HEADER 5 /* of a record */
#define BODY_MAX 8192
#define INPUT_MAX (1 << 16)
#define RECORD_MAX (HEADER + 16384)

static void check_name(const char *sni)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t len = strlen(sni);

	PROMISE(len <= SP_TLS_SNI_MAX && strspn(sni, allowed) == len);
	PROMISE(!strstr(sni, "..") && sni[0] != '.');
	PROMISE(len == 0 || sni[len - 1] != '.');
}

static void check_protocols(const struct sp_tls_hello *h)
{
	char name[256];
	size_t at, len;

	PROMISE(h->alpn_len <= SP_TLS_ALPN_MAX);
	for (at = 0; at < h->alpn_len; at += 1 + len) {
		len = h->alpn[at];
		PROMISE(len > 0 && at + 1 + len <= h->alpn_len);
		memcpy(name, &h->alpn[at + 1], len);
		name[len] = '\0';
		if (strlen(name) == len)
			PROMISE(sp_tls_hello_has_alpn(h, name));
	}
}

/* Return: length of the message in @body, 0 if the message is longer than BODY_MAX */
static size_t unpack(const uint8_t *data, uint8_t *body)
{
	size_t len = 0, want = 4;

	while (len < want) {
		size_t record = data[3] << 8 | data[4];

		if (len + record > BODY_MAX)
			return 0;
		memcpy(body + len, data + HEADER, record);
		len += record;
		data += HEADER + record;
		if (len >= 4)
			want = 4 + (body[2] << 8 | body[3]);
	}
	return want;
}

static size_t pack(const uint8_t *body, size_t len, size_t record, uint8_t *ret)
{
	size_t at, out = 0;

	for (at = 0; at < len; at += record) {
		if (record > len - at)
			record = len - at;
		memcpy(ret + out, "\x16\x03\x03", 3);
		ret[out + 3] = record >> 8;
		ret[out + 4] = record;
		memcpy(ret + out + HEADER, body + at, record);
		out += HEADER + record;
	}
	return out;
}

static void check_other_cut(const struct sp_tls_hello *h, const uint8_t *body, size_t len,
			    size_t record)
{
	static uint8_t packed[BODY_MAX * (HEADER + 1)];
	static struct sp_tls_hello other;
	size_t size = pack(body, len, record, packed);

	PROMISE(sp_tls_hello_parse(packed, size, &other) == SP_PARSE_OK);
	PROMISE(strcmp(other.sni, h->sni) == 0);
	PROMISE(other.alpn_len == h->alpn_len);
	PROMISE(memcmp(other.alpn, h->alpn, h->alpn_len) == 0);
	PROMISE(sp_tls_hello_parse(packed, size - 1, &other) == SP_PARSE_INCOMPLETE);
}

/* If the last record is incomplete, the missing bytes lie behind the hello and are not needed. */
static void check_cuts(const struct sp_tls_hello *h, const uint8_t *data, size_t size)
{
	static uint8_t padded[INPUT_MAX + RECORD_MAX], body[BODY_MAX];
	size_t len;

	if (size > INPUT_MAX)
		return;
	memcpy(padded, data, size);
	memset(padded + size, 0, RECORD_MAX);
	len = unpack(padded, body);
	if (len == 0)
		return;
	check_other_cut(h, body, len, 1);
	check_other_cut(h, body, len, 1 + len / 3);
	check_other_cut(h, body, len, len);
}

static enum sp_parse_verdict verdict_of(const uint8_t *data, size_t size)
{
	static struct sp_tls_hello h;

	return sp_tls_hello_parse(data, size, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sp_tls_hello h;
	enum sp_parse_verdict v = sp_tls_hello_parse(data, size, &h);

	PROMISE((h.why != NULL) == (v == SP_PARSE_BAD));
	if (v == SP_PARSE_OK) {
		check_name(h.sni);
		check_protocols(&h);
		check_cuts(&h, data, size);
	}
	check_monotony(verdict_of, v, data, size);
	return 0;
}
