// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * test_route.c - conditions over heads as parsed, first separately, then their conjunction and
 * order
 */
#include "l7/route.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The head borrows from the text: the text must outlive the head. */
static void parse(const char *text, struct sp_http1 *head)
{
	if (sp_http1_parse(text, strlen(text), head) != SP_PARSE_OK)
		fail_msg("%s: %s", head->why ? head->why : "incomplete", text);
}

static int route(const struct sp_route *routes, size_t count, const struct sp_http1 *head)
{
	return sp_route_http1(routes, count, SP_AMBIGUOUS_PATHS_REJECT, head);
}

static bool matches(const struct sp_route *rule, const char *text)
{
	struct sp_http1 head;
	int at;

	parse(text, &head);
	at = route(rule, 1, &head);
	assert_in_range(at + 1, 0, 1);
	return at == 0;
}

static void host_rule(void **state)
{
	static const struct {
		char *rule;
		const char *host;
		bool matches;
	} cases[] = {
		{NULL, "a", true},
		{"example.org", "example.org", true},
		{"example.org", "EXAMPLE.Org:8080", true},
		{"Example.ORG", "example.org", true},
		{"example.org", "example.org.", true},
		{"example.org.", "example.org", true},
		{"example.org", "www.example.org", false},
		{"example.org", "example.or", false},
		{"example.org", "example.orgx", false},
		{"*.example.org", "www.example.org", true},
		{"*.example.org", "a.B.EXAMPLE.org.:80", true},
		{"*.Example.org", "www.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", "xexample.org", false},
		{"*.example.org", "www.example.net", false},
		{"*.example.org", "www.example.org.net", false},
		{"*.org", "org", false},
		{"[2001:db8::A]", "[2001:DB8::a]:80", true},
		{"[2001:db8::a]", "[2001:0db8:0:0::000a]", true},
		{"[2001:db8:0:0:1::]", "[2001:db8::1:0:0:0]", true},
		{"[2001:0DB8:0:0:0:0:0:1]", "[2001:db8::1]:8080", true},
		{"[::ffff:192.0.2.1]", "[::FFFF:c000:201]", true},
		{"[::ffff:192.0.2.1]", "192.0.2.1", false},
		{"[2001:db8::a]", "[2001:db8::b]", false},
		{"*.example.org", "[2001:db8::a]", false},
		{"192.0.2.1", "192.0.2.1", true},
	};
	char text[256];
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		struct sp_route rule = {.host = cases[i].rule};

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
		if (matches(&rule, text) != cases[i].matches)
			fail_msg("%s, %s", cases[i].rule, cases[i].host);
	}
}

static void host_rule_needs_a_host(void **state)
{
	struct sp_route any = {}, exact = {.host = "a"}, below = {.host = "*.a"};

	assert_true(matches(&any, "GET / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&exact, "GET / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&below, "GET / HTTP/1.0\r\n\r\n"));
	assert_true(matches(&exact, "GET http://a/ HTTP/1.0\r\n\r\n"));
}

static void path_rule(void **state)
{
	static const struct {
		char *rule;
		const char *target;
		bool matches;
	} cases[] = {
		{NULL, "/x", true},         {"/", "/", true},
		{"/", "/x/y", true},        {"/", "/?q", true},
		{"/", "http://a", true},    {"/", "http://a?q", true},
		{"/v1", "/v1", true},       {"/v1", "/v1/", true},
		{"/v1", "/v1/x", true},     {"/v1", "/v1?x", true},
		{"/v1", "/v1?/v2", true},   {"/v1", "http://a/v1/x", true},
		{"/v1", "/v10", false},     {"/v1", "/v", false},
		{"/v1", "/", false},        {"/v1", "/V1", false},
		{"/v1", "/x/v1", false},    {"/v1", "/?/v1", false},
		{"/v1", "http://a", false}, {"/v1/", "/v1/", true},
		{"/v1/", "/v1/x", true},    {"/v1/", "/v1/?q", true},
		{"/v1/", "/v1", false},     {"/v1/", "/v1?/", false},
		{"/v1/", "/v10/", false},   {"/v1/x", "/v1/x/y", true},
		{"/v1/x", "/v1/xy", false}, {"/v1", "/%761", true},
		{"/v1", "//v1", true},      {"/v1", "/./v1/x", true},
		{"/v1", "/x/../v1", true},  {"/v1", "http://a//v1", true},
		{"/v1", "/v1/../x", false}, {"/v1", "/x?/../v1", false},
		{"/", "/x/..", true},       {"/v1", "/v1;a=b", true},
		{"/v1", "/v1;a/x", true},   {"/v1/x", "/v1;a=b;c/x", true},
		{"/v1/x", "/v1;/x", true},  {"/v1/x", "/v1;/y/x", false},
		{"/v1/x", "/v1;", false},   {"/v1/", "/v1;a", false},
		{"/v1/", "/v1;a/", true},   {"/v1;a", "/v1;a/x", true},
		{"/v1;a", "/v1", false},    {"/v1;a", "/v1;b", false},
		{"/v1;a/x", "/v1;a/x", true},
	};
	char text[256];
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		struct sp_route rule = {.path = cases[i].rule};

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target);
		if (matches(&rule, text) != cases[i].matches)
			fail_msg("%s, %s", cases[i].rule, cases[i].target);
	}
}

static void ambiguous_path_follows_the_policy(void **state)
{
	static const char text[] = "GET /v1%2fx HTTP/1.1\r\nHost: a\r\n\r\n";
	struct sp_route v1 = {.path = "/v1"}, encoded = {.path = "/v1%2Fx"}, last = {.path = "/x"};
	struct sp_http1 head;

	parse(text, &head);
	assert_int_equal(route(&v1, 1, &head), SP_ROUTE_AMBIGUOUS);
	assert_int_equal(route(&last, 1, &head), SP_ROUTE_AMBIGUOUS);
	assert_int_equal(sp_route_http1(&v1, 1, SP_AMBIGUOUS_PATHS_PASS, &head), -1);
	assert_int_equal(sp_route_http1(&encoded, 1, SP_AMBIGUOUS_PATHS_PASS, &head), 0);
}

/* Many services send encoded slashes on purpose. Without a rule for the path, any path passes. */
static void ambiguous_path_matters_only_to_a_rule_with_a_path(void **state)
{
	static const char text[] = "GET /v1%2fx HTTP/1.1\r\nHost: a\r\n\r\n";
	char *post[] = {"POST", NULL};
	struct sp_route before[] = {{.host = "a"}, {.path = "/v1"}},
		other = {.host = "b", .path = "/v1"};
	struct sp_route method = {.methods = post, .path = "/v1"},
		header = {.header = "X", .path = "/v1"};
	struct sp_http1 head;

	parse(text, &head);
	assert_int_equal(route(before, COUNT(before), &head), 0);
	assert_int_equal(route(before + 1, 1, &head), SP_ROUTE_AMBIGUOUS);
	assert_int_equal(route(&other, 1, &head), -1);
	assert_int_equal(route(&method, 1, &head), -1);
	assert_int_equal(route(&header, 1, &head), -1);
	assert_int_equal(route(NULL, 0, &head), -1);
}

static void query_is_not_looked_at(void **state)
{
	struct sp_route v1 = {.path = "/v1"};

	assert_true(matches(&v1, "GET /v1?/../%2f\\%00%zz HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_false(matches(&v1, "GET /?/../%2f\\%00%zz HTTP/1.1\r\nHost: a\r\n\r\n"));
}

static void path_rule_needs_a_path(void **state)
{
	struct sp_route root = {.path = "/"}, any = {};

	assert_false(matches(&root, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_true(matches(&any, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_false(matches(&root, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"));
	assert_true(matches(&any, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"));
}

static void method_rule(void **state)
{
	char *reads[] = {"GET", "HEAD", NULL}, *none[] = {NULL};
	struct sp_route rule = {.methods = reads}, never = {.methods = none};

	assert_true(matches(&rule, "GET / HTTP/1.0\r\n\r\n"));
	assert_true(matches(&rule, "HEAD / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&rule, "POST / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&rule, "get / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&rule, "GE / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&rule, "GETX / HTTP/1.0\r\n\r\n"));
	assert_false(matches(&never, "GET / HTTP/1.0\r\n\r\n"));
}

static void header_rule(void **state)
{
	struct sp_route there = {.header = "X-Beta"}, one = {.header = "X-Beta", .value = "1"};
	struct sp_route empty = {.header = "X-Beta", .value = ""};

	assert_true(matches(&there, "GET / HTTP/1.0\r\nx-BETA: 2\r\n\r\n"));
	assert_true(matches(&there, "GET / HTTP/1.0\r\nX-Beta:\r\n\r\n"));
	assert_false(matches(&there, "GET / HTTP/1.0\r\nX-Betas: 1\r\n\r\n"));
	assert_false(matches(&there, "GET / HTTP/1.0\r\n\r\n"));
	assert_true(matches(&one, "GET / HTTP/1.0\r\nx-beta: \t1 \r\n\r\n"));
	assert_true(matches(&one, "GET / HTTP/1.0\r\nX-Beta: 2\r\nX-Beta: 1\r\n\r\n"));
	assert_false(matches(&one, "GET / HTTP/1.0\r\nX-Beta: 11\r\nX-Other: 1\r\n\r\n"));
	assert_false(matches(&one, "GET / HTTP/1.0\r\nX-Beta:\r\n\r\n"));
	assert_true(matches(&empty, "GET / HTTP/1.0\r\nX-Beta: \r\n\r\n"));
	assert_false(matches(&empty, "GET / HTTP/1.0\r\nX-Beta: 1\r\n\r\n"));
}

static void value_of_header_matters_in_case(void **state)
{
	struct sp_route rule = {.header = "X-Beta", .value = "Yes"};

	assert_true(matches(&rule, "GET / HTTP/1.0\r\nX-Beta: Yes\r\n\r\n"));
	assert_false(matches(&rule, "GET / HTTP/1.0\r\nX-Beta: yes\r\n\r\n"));
}

static void all_conditions_must_hold(void **state)
{
	char *get[] = {"GET", NULL};
	struct sp_route rule = {.host = "a", .path = "/v1", .methods = get, .header = "X"};

	assert_true(matches(&rule, "GET /v1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"));
	assert_false(matches(&rule, "GET /v1 HTTP/1.1\r\nHost: b\r\nX: 1\r\n\r\n"));
	assert_false(matches(&rule, "GET /v2 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"));
	assert_false(matches(&rule, "PUT /v1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"));
	assert_false(matches(&rule, "GET /v1 HTTP/1.1\r\nHost: a\r\nY: 1\r\n\r\n"));
	rule.alpn = "h2";
	assert_false(matches(&rule, "GET /v1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"));
}

static void first_match_wins(void **state)
{
	struct sp_route routes[] = {
		{.host = "b"}, {.host = "a", .path = "/x"}, {.host = "a"}, {.path = "/x"}, {},
	};
	struct sp_http1 head;

	parse("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", &head);
	assert_int_equal(route(routes, COUNT(routes), &head), 1);
	parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &head);
	assert_int_equal(route(routes, COUNT(routes), &head), 2);
	parse("GET /x HTTP/1.1\r\nHost: c\r\n\r\n", &head);
	assert_int_equal(route(routes, COUNT(routes), &head), 3);
	parse("GET / HTTP/1.1\r\nHost: c\r\n\r\n", &head);
	assert_int_equal(route(routes, COUNT(routes), &head), 4);
	assert_int_equal(route(routes, COUNT(routes) - 1, &head), -1);
	assert_int_equal(route(NULL, 0, &head), -1);
}

static void tls_rule(void **state)
{
	char *get[] = {"GET", NULL};
	struct sp_route any = {}, exact = {.host = "A.example.org."},
			below = {.host = "*.example.org"};
	struct sp_route h2 = {.host = "*.example.org", .alpn = "h2"}, h3 = {.alpn = "h3"};
	struct sp_route path = {.path = "/"}, method = {.methods = get}, header = {.header = "X"};
	struct sp_tls_hello hello = {
		.sni = "a.example.org", .alpn = "\x02h2\x08http/1.1", .alpn_len = 12};
	struct sp_tls_hello bare = {.sni = "", .alpn_len = 0};

	assert_int_equal(sp_route_tls(&any, 1, &hello), 0);
	assert_int_equal(sp_route_tls(&exact, 1, &hello), 0);
	assert_int_equal(sp_route_tls(&below, 1, &hello), 0);
	assert_int_equal(sp_route_tls(&h2, 1, &hello), 0);
	assert_int_equal(sp_route_tls(&h3, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&path, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&method, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&header, 1, &hello), -1);
	strcpy(hello.sni, "b.example.net");
	assert_int_equal(sp_route_tls(&exact, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&below, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&h2, 1, &hello), -1);
	strcpy(hello.sni, ".example.org");
	assert_int_equal(sp_route_tls(&below, 1, &hello), -1);
	assert_int_equal(sp_route_tls(&any, 1, &bare), 0);
	assert_int_equal(sp_route_tls(&below, 1, &bare), -1);
	assert_int_equal(sp_route_tls(&h3, 1, &bare), -1);
}

static void first_tls_match_wins(void **state)
{
	struct sp_route routes[] = {{.host = "b"}, {.alpn = "h2"}, {.host = "a"}};
	struct sp_tls_hello hello = {.sni = "a", .alpn = "\x02h2", .alpn_len = 3};

	assert_int_equal(sp_route_tls(routes, COUNT(routes), &hello), 1);
	hello.alpn_len = 0;
	assert_int_equal(sp_route_tls(routes, COUNT(routes), &hello), 2);
	strcpy(hello.sni, "b");
	assert_int_equal(sp_route_tls(routes, COUNT(routes), &hello), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_rule),
		cmocka_unit_test(host_rule_needs_a_host),
		cmocka_unit_test(path_rule),
		cmocka_unit_test(ambiguous_path_follows_the_policy),
		cmocka_unit_test(ambiguous_path_matters_only_to_a_rule_with_a_path),
		cmocka_unit_test(query_is_not_looked_at),
		cmocka_unit_test(path_rule_needs_a_path),
		cmocka_unit_test(method_rule),
		cmocka_unit_test(header_rule),
		cmocka_unit_test(value_of_header_matters_in_case),
		cmocka_unit_test(all_conditions_must_hold),
		cmocka_unit_test(first_match_wins),
		cmocka_unit_test(tls_rule),
		cmocka_unit_test(first_tls_match_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
