// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_answer.c - any bytes as the answer of a resolver: refused, or records that can be used. The
 * first byte chooses the type.
 */
#include <string.h>

#include "fuzz.h"
#include "names/answer.h"

#define HOST "_http._tcp.app.example.internal"

static void check_record(const struct sp_dns_record *r, enum sp_dns_type type)
{
	if (type != SP_DNS_SRV) {
		PROMISE(!r->target[0] && !r->port);
		PROMISE(sp_addr_is_v4(&r->addr) == (type == SP_DNS_A));
		return;
	}
	PROMISE(r->port && r->target[0] && !strchr(r->target, '?'));
	PROMISE(strlen(r->target) <= SP_HOST_MAX && r->target[strlen(r->target) - 1] != '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sp_dns_type types[] = { SP_DNS_A, SP_DNS_AAAA, SP_DNS_SRV };
	static struct sp_answer answer;
	enum sp_dns_type type;

	if (!size)
		return 0;
	type = types[data[0] % 3];
	if (sp_answer_parse(data + 1, size - 1, HOST, type, &answer))
		return 0;
	PROMISE(answer.count <= SP_ANSWER_RECORDS_MAX && answer.ttl_s <= 0x7fffffff);
	for (size_t i = 0; i < answer.count; i++)
		check_record(&answer.records[i], type);
	return 0;
}
