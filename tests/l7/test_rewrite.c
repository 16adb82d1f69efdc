// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_rewrite.c - changed heads: a table of rules, heads and results; bounds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "l7/rewrite.c"

#define GET "GET / HTTP/1.1\r\nHost: a.example\r\n"
#define NONE SP_FORWARDED_NONE
#define XFF SP_FORWARDED_X_FORWARDED_FOR
#define FWD SP_FORWARDED_FORWARDED
#define FWD_NEW "Forwarded: for=192.0.2.1;host=a.example;proto=http\r\n"

static struct sp_prefix trusted[] = {
	{ { { 0, 0, SP_V4_MAPPED, 0 } }, 96 + 1 },	/* 0.0.0.0/1 */
};

/* @sets: name, value, ...; @out: NULL: -EBADMSG */
struct rewritten {
	enum sp_forwarded	forwarded;
	const char		*client;
	char			*sets[7];
	char			*removes[4];
	const char		*in, *out;
};

/* Clients are trusted if their address is below 128.0.0.0. */
static const struct rewritten cases[] = {
	{ NONE, "192.0.2.1", {}, {}, GET "\r\n", GET "\r\n" },
	{ NONE, "192.0.2.1", {}, {}, GET "X-Forwarded-For: 1\r\n\r\n",
	  GET "X-Forwarded-For: 1\r\n\r\n" },
	/* written anew, behind all old headers */
	{ XFF, "192.0.2.1", {}, {}, GET "\r\n", GET "X-Forwarded-For: 192.0.2.1\r\n\r\n" },
	{ XFF, "2001:db8::1", {}, {}, GET "\r\n", GET "X-Forwarded-For: 2001:db8::1\r\n\r\n" },
	{ XFF, "192.0.2.1", {}, {}, "GET / HTTP/1.0\r\n\r\n",
	  "GET / HTTP/1.0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" },
	{ XFF, "192.0.2.1", {}, {}, "\r\nGET / HTTP/1.0\r\n\r\n",
	  "\r\nGET / HTTP/1.0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" },
	/* without trust: replaced in any spelling */
	{ XFF, "192.0.2.1", {}, {}, GET "X-Forwarded-For: 1\r\nA: b\r\nx-forwarded-FOR:2, 3\r\n\r\n",
	  GET "A: b\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" },
	{ XFF, "192.0.2.1", {}, {}, GET "X_Forwarded_For: 1\r\nX-Forwarded_For: 1\r\nA: b\r\n\r\n",
	  GET "A: b\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n" },
	{ XFF, "2001:db8::1", {}, {}, GET "X-Forwarded-For: 1\r\n\r\n",
	  GET "X-Forwarded-For: 2001:db8::1\r\n\r\n" },
	{ XFF, "192.0.2.1", {}, {}, GET "X-Forwarded-Fo: 1\r\nX-Forwarded-Form: 2\r\nForwarded: 3\r\n\r\n",
	  GET "X-Forwarded-Fo: 1\r\nX-Forwarded-Form: 2\r\nForwarded: 3\r\n"
	  "X-Forwarded-For: 192.0.2.1\r\n\r\n" },
	/* with trust: appended to the last header */
	{ XFF, "10.0.0.1", {}, {}, GET "\r\n", GET "X-Forwarded-For: 10.0.0.1\r\n\r\n" },
	{ XFF, "10.0.0.1", {}, {}, GET "x-forwarded-for:192.0.2.7 \t\r\nA: b\r\n\r\n",
	  GET "x-forwarded-for:192.0.2.7, 10.0.0.1\r\nA: b\r\n\r\n" },
	{ XFF, "10.0.0.1", {}, {},
	  GET "X-Forwarded-For: 1\r\nA: b\r\nX-Forwarded-For: 2\r\nX_Forwarded_For: 3\r\nC: d\r\n\r\n",
	  GET "X-Forwarded-For: 1\r\nA: b\r\nX-Forwarded-For: 2, 10.0.0.1\r\nC: d\r\n\r\n" },
	{ XFF, "10.0.0.1", {}, {}, GET "X-Forwarded-For:\r\n\r\n",
	  GET "X-Forwarded-For:10.0.0.1\r\n\r\n" },
	{ XFF, "10.0.0.1", {}, {}, GET "X-Forwarded-For:  \r\n\r\n",
	  GET "X-Forwarded-For:  10.0.0.1\r\n\r\n" },
	{ XFF, "10.0.0.1", {}, {}, GET "X_Forwarded_For: 3\r\n\r\n",
	  GET "X-Forwarded-For: 10.0.0.1\r\n\r\n" },
	/* RFC 7239 */
	{ FWD, "192.0.2.1", {}, {}, GET "\r\n", GET FWD_NEW "\r\n" },
	{ FWD, "192.0.2.1", {}, {}, GET "Forwarded: for=x\r\nX-Forwarded-For: y\r\n\r\n",
	  GET "X-Forwarded-For: y\r\n" FWD_NEW "\r\n" },
	{ FWD, "10.0.0.1", {}, {}, GET "Forwarded: for=x\r\n\r\n",
	  GET "Forwarded: for=x, for=10.0.0.1;host=a.example;proto=http\r\n\r\n" },
	{ FWD, "2001:db8::1", {}, {}, "GET / HTTP/1.1\r\nHost: [2001:db8::2]:80\r\n\r\n",
	  "GET / HTTP/1.1\r\nHost: [2001:db8::2]:80\r\n"
	  "Forwarded: for=\"[2001:db8::1]\";host=\"[2001:db8::2]:80\";proto=http\r\n\r\n" },
	{ FWD, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", {}, {}, "GET / HTTP/1.0\r\n\r\n",
	  "GET / HTTP/1.0\r\nForwarded: for=\"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]\";proto=http\r\n\r\n" },
	{ FWD, "192.0.2.1", {}, {}, "GET / HTTP/1.1\r\nhost:a.example:8080\r\n\r\n",
	  "GET / HTTP/1.1\r\nhost:a.example:8080\r\n"
	  "Forwarded: for=192.0.2.1;host=\"a.example:8080\";proto=http\r\n\r\n" },
	{ FWD, "192.0.2.1", {}, {}, "GET / HTTP/1.1\r\nHost: a(b;c,d)=e\r\n\r\n",
	  "GET / HTTP/1.1\r\nHost: a(b;c,d)=e\r\n"
	  "Forwarded: for=192.0.2.1;host=\"a(b;c,d)=e\";proto=http\r\n\r\n" },
	{ FWD, "192.0.2.1", {}, {}, "GET http://b.example/ HTTP/1.0\r\n\r\n",
	  "GET http://b.example/ HTTP/1.0\r\nForwarded: for=192.0.2.1;host=b.example;proto=http\r\n\r\n" },
	{ FWD, "192.0.2.1", {}, {}, "GET / HTTP/1.0\r\n\r\n",
	  "GET / HTTP/1.0\r\nForwarded: for=192.0.2.1;proto=http\r\n\r\n" },
	/* set and removed */
	{ NONE, "192.0.2.1", { "A", "1", "B", "2" }, {}, GET "\r\n", GET "A: 1\r\nB: 2\r\n\r\n" },
	{ NONE, "192.0.2.1", { "A", "" }, {}, GET "\r\n", GET "A: \r\n\r\n" },
	{ NONE, "192.0.2.1", { "X-A", "1" }, {}, GET "x-a: 7\r\nX_A: 8\r\nX-AB: 9\r\n\r\n",
	  GET "X-AB: 9\r\nX-A: 1\r\n\r\n" },
	{ NONE, "192.0.2.1", {}, { "X-A", "x-b" }, GET "X-C: \t1 \r\nx_a: 7\r\nX-B:\r\nX-A: 1\r\n\r\n",
	  GET "X-C: \t1 \r\n\r\n" },
	{ NONE, "192.0.2.1", {}, { "X-A" }, GET "X-B: 1\r\n\r\n", GET "X-B: 1\r\n\r\n" },
	{ NONE, "192.0.2.1", {}, { "X-A" }, "GET / HTTP/1.0\r\nX-A: 1\r\n\r\n",
	  "GET / HTTP/1.0\r\n\r\n" },
	{ XFF, "192.0.2.1", { "A", "1", "B", "2", "C", "3" }, { "X", "Y", "Z" },
	  "POST /p?q HTTP/1.1\r\nX: 1\r\nB: 0\r\nContent-Length: 3\r\nX-Forwarded-For: 0\r\n"
	  "Y: 1\r\nHost: a.example\r\nZ: 1\r\n\r\n",
	  "POST /p?q HTTP/1.1\r\nContent-Length: 3\r\nHost: a.example\r\n"
	  "X-Forwarded-For: 192.0.2.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n" },
	/* a header of a rule, named in Connection */
	{ XFF, "192.0.2.1", {}, {}, GET "Connection: close, x-forwarded-for\r\n\r\n", NULL },
	{ XFF, "10.0.0.1", {}, {}, GET "Connection: X_Forwarded-For\r\n\r\n", NULL },
	{ XFF, "192.0.2.1", {}, {}, GET "connection: a\r\nConnection:,,X-Forwarded-For,\r\n\r\n", NULL },
	{ NONE, "192.0.2.1", { "A", "1" }, {}, GET "Connection:\tb\ta\tc\r\n\r\n", NULL },
	{ XFF, "192.0.2.1", { "A", "1" }, { "B" }, GET "Connection: close, B, AA, Forwarded\r\n\r\n",
	  GET "Connection: close, B, AA, Forwarded\r\nX-Forwarded-For: 192.0.2.1\r\nA: 1\r\n\r\n" },
};

/* The rules of a case, in memory that the next call overwrites. */
static const struct sp_rewrite *rules_of(const struct rewritten *c)
{
	static struct sp_rewrite_header sets[3];
	static struct sp_rewrite rules;

	rules = (struct sp_rewrite){
		.forwarded = c->forwarded, .trusts = trusted, .trust_count = 1,
		.sets = sets, .removes = (char **)c->removes,
	};
	for (; c->sets[2 * rules.set_count]; rules.set_count++)
		sets[rules.set_count] = (struct sp_rewrite_header){
			c->sets[2 * rules.set_count], c->sets[2 * rules.set_count + 1],
		};
	while (c->removes[rules.remove_count])
		rules.remove_count++;
	return &rules;
}

/* An exact size on the heap, so that the sanitizer sees a write behind the output. */
static int rewrite_into(const struct rewritten *c, const struct sp_rewrite *rules, size_t size,
			char **ret_text)
{
	static struct sp_http1 head;
	char *buf = malloc(size + 1), *in = malloc(strlen(c->in) + 4);
	struct sp_addr client;
	size_t len = 0;
	int err;

	memcpy(mempcpy(in, c->in, strlen(c->in)), "body", 4);
	assert_int_equal(sp_addr_parse(c->client, &client), 0);
	if (sp_http1_parse(in, strlen(c->in) + 4, &head) != SP_PARSE_OK)
		fail_msg("%s: %s", c->in, head.why);
	err = sp_rewrite_head(rules, in, &head, &client, buf, size, &len);
	assert_true(len <= size);
	buf[len] = 0;
	*ret_text = buf;
	free(in);
	return err;
}

static void check_case(const struct rewritten *c)
{
	size_t len = c->out ? strlen(c->out) : 0;
	char *text;

	if (!c->out) {
		assert_int_equal(rewrite_into(c, rules_of(c), 4096, &text), -EBADMSG);
		free(text);
		return;
	}
	assert_int_equal(rewrite_into(c, rules_of(c), len, &text), 0);
	assert_string_equal(text, c->out);
	free(text);
	for (size_t size = 0; size < len; size++) {
		assert_int_equal(rewrite_into(c, rules_of(c), size, &text), -E2BIG);
		free(text);
	}
}

static void heads_are_changed(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(&cases[i]);
}

/* As many headers as a client may send: the header of the rule is too many. */
static void number_of_headers_is_bounded(void **state)
{
	char in[4096], *text;
	struct rewritten c = { XFF, "192.0.2.1", {}, {}, in, NULL };
	size_t len = 0;

	for (int count = SP_HTTP1_HEADERS_MAX - 1; count <= SP_HTTP1_HEADERS_MAX; count++) {
		len = sprintf(in, GET);
		for (int i = 1; i < count; i++)
			len += sprintf(in + len, "H%d: 1\r\n", i);
		strcpy(in + len, "\r\n");
		assert_int_equal(rewrite_into(&c, rules_of(&c), sizeof(in) + 99, &text),
				 count < SP_HTTP1_HEADERS_MAX ? 0 : -E2BIG);
		free(text);
	}
}

static void rules_are_needed_if_they_can_change_a_head(void **state)
{
	struct sp_rewrite_header set = { "A", "1" };
	char *name = "A";
	const struct sp_rewrite no_rules = { .trust_count = 1, .trusts = trusted };
	const struct sp_rewrite removed = { .remove_count = 1, .removes = &name };

	assert_false(sp_rewrite_is_needed(&no_rules));
	assert_true(sp_rewrite_is_needed(&(struct sp_rewrite){ .forwarded = FWD }));
	assert_true(sp_rewrite_is_needed(&(struct sp_rewrite){ .set_count = 1, .sets = &set }));
	assert_true(sp_rewrite_is_needed(&removed));
}

static void framing_is_protected(void **state)
{
	static const char *const names[] = { "host", "CONTENT_LENGTH", "Transfer-Encoding", "te",
					     "upgrade", "Keep_Alive", "http2-settings" };

	for (size_t i = 0; i < COUNT(names); i++)
		assert_true(sp_rewrite_is_protected(names[i]));
	assert_false(sp_rewrite_is_protected("Hos"));
	assert_false(sp_rewrite_is_protected("Cookie"));
	assert_false(sp_rewrite_is_protected(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_changed),
		cmocka_unit_test(number_of_headers_is_bounded),
		cmocka_unit_test(rules_are_needed_if_they_can_change_a_head),
		cmocka_unit_test(framing_is_protected),
	};

	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
