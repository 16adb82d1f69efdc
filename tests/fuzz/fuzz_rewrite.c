// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_rewrite.c - any rules and any head into sp_rewrite_head(). The new head parses to the same
 * request with the same framing. Headers without a rule are all there, in order. The first byte of
 * the input chooses rules and client.
 */
#include "l7/rewrite.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "fuzz.h"

#define OUT_MAX (1 << 16)

static struct sp_prefix trusts[] = { { { { 0, 0, SP_V4_MAPPED, 0 } }, 96 } };
static struct sp_rewrite_header sets[] = { { "X-A", "1" }, { "a", "" }, { "Cookie", "b=c; d" } };
static char *removes[] = { "X-B", "b", "Accept" };

static struct sp_rewrite rules_of(uint8_t choice)
{
	return (struct sp_rewrite){
		.forwarded = (choice & 3) % 3,
		.trusts = trusts, .trust_count = choice >> 2 & 1,
		.sets = sets, .set_count = (choice >> 3 & 3),
		.removes = removes, .remove_count = choice >> 5 & 3,
	};
}

static struct sp_addr client_of(uint8_t choice)
{
	struct sp_addr addr;

	PROMISE(!sp_addr_parse(choice & 0x80 ? "2001:db8::1" : "192.0.2.1", &addr));
	return addr;
}

static int is_ruled(const struct sp_rewrite *rules, struct sp_str name)
{
	const char *forwarded = sp_rewrite_forwarded_name(rules->forwarded);

	if (forwarded && sp_rewrite_is_same_name(name, forwarded))
		return 1;
	for (size_t i = 0; i < rules->set_count; i++)
		if (sp_rewrite_is_same_name(name, rules->sets[i].name))
			return 1;
	for (size_t i = 0; i < rules->remove_count; i++)
		if (sp_rewrite_is_same_name(name, rules->removes[i]))
			return 1;
	return 0;
}

static int is_same(struct sp_str a, struct sp_str b)
{
	return !a.p == !b.p && a.len == b.len && (!a.p || !memcmp(a.p, b.p, a.len));
}

/* The next header without a rule; NULL: none. */
static const struct sp_http1_header *next_free(const struct sp_rewrite *rules,
					       const struct sp_http1 *h, size_t *idx)
{
	while (*idx < h->header_count && is_ruled(rules, h->headers[*idx].name))
		++*idx;
	return *idx < h->header_count ? &h->headers[(*idx)++] : NULL;
}

static void check_free(const struct sp_rewrite *rules, const struct sp_http1 *in,
		       const struct sp_http1 *out)
{
	const struct sp_http1_header *before, *after;
	size_t i = 0, k = 0;

	do {
		before = next_free(rules, in, &i);
		after = next_free(rules, out, &k);
		PROMISE(!before == !after);
		PROMISE(!before || (is_same(before->name, after->name) &&
				    is_same(before->value, after->value)));
	} while (before);
}

static size_t count_same(const struct sp_http1 *h, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < h->header_count; i++)
		count += sp_rewrite_is_same_name(h->headers[i].name, name);
	return count;
}

/* A set header is there once, a removed header never. */
static void check_ruled(const struct sp_rewrite *rules, const struct sp_http1 *out,
			const struct sp_addr *client)
{
	const char *forwarded = sp_rewrite_forwarded_name(rules->forwarded);
	int is_trusted = sp_prefixes_have(rules->trusts, rules->trust_count, client);
	char text[SP_ADDR_STRLEN];
	const struct sp_http1_header *h;

	for (size_t i = 0; i < rules->set_count; i++)
		PROMISE(count_same(out, rules->sets[i].name) == 1);
	for (size_t i = 0; i < rules->remove_count; i++)
		PROMISE(count_same(out, rules->removes[i]) == 0);
	if (!forwarded)
		return;
	PROMISE(is_trusted ? count_same(out, forwarded) >= 1 : count_same(out, forwarded) == 1);
	for (h = out->headers + out->header_count - 1; h >= out->headers; h--)
		if (sp_rewrite_is_same_name(h->name, forwarded))
			break;
	PROMISE(memmem(h->value.p, h->value.len, sp_addr_format(client, text), strlen(text)));
	PROMISE(!memchr(h->name.p, '_', h->name.len));
}

static void check_framing(const struct sp_http1_framing *in, const struct sp_http1_framing *out)
{
	PROMISE(in->body == out->body && in->length == out->length);
	PROMISE(in->is_persistent == out->is_persistent && in->is_upgrade == out->is_upgrade);
	PROMISE(in->expects_continue == out->expects_continue);
	PROMISE(in->is_head == out->is_head && in->is_connect == out->is_connect);
}

static void check_request(const struct sp_http1 *in, const struct sp_http1 *out)
{
	PROMISE(is_same(in->method, out->method) && is_same(in->target, out->target));
	PROMISE(is_same(in->path, out->path) && is_same(in->host, out->host));
	PROMISE(in->minor == out->minor);
	check_framing(&in->framing, &out->framing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sp_http1 in, out;
	static char buf[OUT_MAX], again[OUT_MAX];
	const char *bytes = (const char *)data + 1;
	struct sp_rewrite rules;
	struct sp_addr client;
	size_t len, len_again;
	int err;

	if (size < 1 || sp_http1_parse(bytes, size - 1, &in) != SP_PARSE_OK)
		return 0;
	rules = rules_of(data[0]);
	client = client_of(data[0]);
	err = sp_rewrite_head(&rules, bytes, &in, &client, buf, OUT_MAX, &len);
	PROMISE(!err || err == -E2BIG || err == -EBADMSG);
	if (err)
		return 0;
	PROMISE(len <= OUT_MAX && sp_http1_parse(buf, len, &out) == SP_PARSE_OK);
	PROMISE(out.head_len == len);
	check_request(&in, &out);
	check_free(&rules, &in, &out);
	check_ruled(&rules, &out, &client);
	PROMISE(!sp_rewrite_head(&rules, bytes, &in, &client, again, len, &len_again));
	PROMISE(len == len_again && !memcmp(buf, again, len));
	PROMISE(sp_rewrite_head(&rules, bytes, &in, &client, again, len - 1, &len_again) == -E2BIG);
	return 0;
}
