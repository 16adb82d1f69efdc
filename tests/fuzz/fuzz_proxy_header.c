// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_proxy_header.c - any bytes into sp_proxy_header_parse(). Verdicts are monotone over
 * prefixes, and addresses that were parsed, written in each version and parsed again, are the same.
 */
#include "l7/proxy_header.h"

#include <string.h>

#include "fuzz_head.h"

static void check_again(const struct sp_proxy_header *h, enum sp_proxy_protocol version)
{
	char buf[SP_PROXY_WRITE_MAX];
	size_t len = sp_proxy_header_write(version, &h->client, &h->service, buf);
	struct sp_proxy_header again;

	PROMISE(len > 0 && len <= sizeof(buf));
	PROMISE(sp_proxy_header_parse(buf, len, &again) == SP_PARSE_OK);
	PROMISE(again.len == len && !again.is_own);
	PROMISE(!sp_endpoint_compare(&again.client, &h->client));
	PROMISE(!sp_endpoint_compare(&again.service, &h->service));
}

static enum sp_parse_verdict verdict_of(const uint8_t *data, size_t size)
{
	struct sp_proxy_header h;

	return sp_proxy_header_parse((const char *)data, size, &h);
}

static void check_ok(const struct sp_proxy_header *h, const uint8_t *data, size_t size)
{
	static const struct sp_endpoint none;
	struct sp_proxy_header again;

	PROMISE(h->len <= size);
	PROMISE(h->len <= (data[0] == 'P' ? SP_PROXY_V1_MAX : SP_PROXY_V2_MAX));
	PROMISE(sp_proxy_header_parse((const char *)data, h->len, &again) == SP_PARSE_OK);
	PROMISE(verdict_of(data, h->len - 1) == SP_PARSE_INCOMPLETE);
	if (h->is_own) {
		PROMISE(!sp_endpoint_compare(&h->client, &none));
		PROMISE(!sp_endpoint_compare(&h->service, &none));
		return;
	}
	check_again(h, SP_PROXY_PROTOCOL_V1);
	check_again(h, SP_PROXY_PROTOCOL_V2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_proxy_header h;
	enum sp_parse_verdict v = sp_proxy_header_parse((const char *)data, size, &h);

	PROMISE((h.why != NULL) == (v == SP_PARSE_BAD));
	PROMISE(v != SP_PARSE_INCOMPLETE || size < SP_PROXY_V2_MAX);
	if (v == SP_PARSE_OK)
		check_ok(&h, data, size);
	check_monotony(verdict_of, v, data, size);
	return 0;
}
