// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_lookup.c - rounds of a look-up, their ends and times; places out of records */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "names/lookup.c"
#include "names/places.c"

#define S		SECOND_NS
#define BOTH		3u

static struct sp_listen_conf listens[1];
static struct sp_addr sources[2];
static struct sp_config config = {
	.listen_count = 1, .listens = listens, .snat_count = 2, .snat_addrs = sources,
	.resolvers = { .ttl_min_ns = 2 * S, .ttl_max_ns = 60 * S },
};
static struct sp_answer answer;
static struct sp_lookup *l;
static struct sp_lookup *targets[2];
static __u64 now_ns;

/* ---- doubles ---- */

struct sp_lookup *sp_names_lookup(struct sp_names *n, enum sp_name_type type, const char *host)
{
	for (int i = 0; i < 2; i++)
		if (targets[i] && !strcmp(targets[i]->host, host))
			return targets[i];
	return NULL;
}

/* ---- steps ---- */

static struct sp_addr addr_of(const char *text)
{
	struct sp_addr addr;

	assert_int_equal(sp_addr_parse(text, &addr), 0);
	return addr;
}

static int begin(void **state)
{
	now_ns = 1000 * S;
	listens[0].at.addr = addr_of("192.0.2.1");
	sources[0] = addr_of("10.0.0.1");
	sources[1] = addr_of("2001:db8::1");
	config.resolvers.hold_ns = 0;
	l = sp_lookup_new(SP_NAME_HOST, "app", NULL);
	return 0;
}

static int end(void **state)
{
	sp_lookup_free(l);
	for (int i = 0; i < 2; i++) {
		sp_lookup_free(targets[i]);
		targets[i] = NULL;
	}
	return 0;
}

/* @addrs: with blanks between; "" none */
static void fill_answer(const char *addrs, __u32 ttl_s)
{
	char text[4096], *at = text, *one;

	answer = (struct sp_answer){ .ttl_s = ttl_s };
	strcpy(text, addrs);
	while ((one = strsep(&at, " ")))
		if (*one)
			answer.records[answer.count++].addr = addr_of(one);
}

/* @end4, @end6: SP_LOOKUP_GOOD: with addresses. Return: whether records have changed. */
static int round_of(const char *four, enum sp_lookup_end end4, const char *six,
		    enum sp_lookup_end end6, __u32 ttl_s)
{
	sp_lookup_begin(l, BOTH);
	fill_answer(four, ttl_s);
	assert_int_equal(sp_lookup_answer(l, SP_DNS_A, end4, &answer, &config), 0);
	fill_answer(six, ttl_s);
	assert_int_equal(sp_lookup_answer(l, SP_DNS_AAAA, end6, &answer, &config), 1);
	return sp_lookup_finish(l, &config.resolvers, now_ns);
}

static int good(const char *four, const char *six)
{
	return round_of(four, SP_LOOKUP_GOOD, six, SP_LOOKUP_GOOD, 10);
}

static int failed(enum sp_lookup_end why)
{
	return round_of("", why, "", why, 0);
}

static const char *records(void)
{
	static char text[4096];
	char addr[SP_ADDR_STRLEN];

	text[0] = 0;
	for (int q = 0; q < 2; q++)
		for (size_t i = 0; i < l->questions[q].now.count; i++)
			sprintf(text + strlen(text), "%s%s", *text ? " " : "",
				sp_addr_format(&l->questions[q].now.records[i].addr, addr));
	return text;
}

/* ---- rounds ---- */

static void answers_in_any_order_are_equal(void **state)
{
	assert_int_equal(good("10.0.0.3 10.0.0.2", "2001:db8::2"), 1);
	assert_string_equal(records(), "10.0.0.2 10.0.0.3 2001:db8::2");
	assert_int_equal(good("10.0.0.2 10.0.0.3 10.0.0.2", "2001:db8::2"), 0);
	assert_int_equal(good("10.0.0.3", "2001:db8::2"), 1);
	assert_string_equal(records(), "10.0.0.3 2001:db8::2");
	assert_int_equal(l->changes, 2);
}

static void ttl_has_bounds(void **state)
{
	static const struct { __u32 ttl_s, pause_s; } rows[] = {
		{ 0, 2 }, { 2, 2 }, { 17, 17 }, { 60, 60 }, { 0x7fffffff, 60 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		round_of("10.0.0.2", SP_LOOKUP_GOOD, "", SP_LOOKUP_NO_RECORDS, rows[i].ttl_s);
		assert_int_equal(l->next_ns - now_ns, rows[i].pause_s * S);
	}
}

static void failures_change_nothing_and_wait_longer(void **state)
{
	static const unsigned int pauses_s[] = { 1, 2, 4, 8, 16, 30, 30 };

	good("10.0.0.2", "");
	for (size_t i = 0; i < sizeof(pauses_s) / sizeof(pauses_s[0]); i++) {
		assert_int_equal(failed(SP_LOOKUP_SERVFAIL), 0);
		assert_int_equal(l->next_ns - now_ns, pauses_s[i] * S);
	}
	assert_string_equal(records(), "10.0.0.2");
	assert_int_equal(l->end, SP_LOOKUP_SERVFAIL);
	assert_int_equal(l->failed_rounds, 7);
	good("10.0.0.2", "");
	assert_int_equal(l->end, SP_LOOKUP_GOOD);
	assert_int_equal(l->failures, 0);
}

static void no_records_at_all_change_nothing(void **state)
{
	good("10.0.0.2", "");
	assert_int_equal(failed(SP_LOOKUP_NXDOMAIN), 0);
	assert_int_equal(failed(SP_LOOKUP_NO_RECORDS), 0);
	assert_int_equal(good("", ""), 0);
	assert_int_equal(l->end, SP_LOOKUP_NO_RECORDS);
	assert_string_equal(records(), "10.0.0.2");
}

static void a_family_without_records_is_gone_if_the_other_has_some(void **state)
{
	good("10.0.0.2", "2001:db8::2");
	assert_int_equal(round_of("10.0.0.2", SP_LOOKUP_GOOD, "", SP_LOOKUP_NO_RECORDS, 10), 1);
	assert_string_equal(records(), "10.0.0.2");
}

/* IPv4 is up to date all the same. */
static void a_failed_family_stays(void **state)
{
	good("10.0.0.2", "2001:db8::2");
	assert_int_equal(round_of("10.0.0.3", SP_LOOKUP_GOOD, "", SP_LOOKUP_TIMED_OUT, 10), 1);
	assert_string_equal(records(), "10.0.0.3 2001:db8::2");
	assert_int_equal(l->end, SP_LOOKUP_TIMED_OUT);
	assert_int_equal(l->next_ns - now_ns, S);
}

static void hold_ends(void **state)
{
	config.resolvers.hold_ns = 5 * S;
	good("10.0.0.2", "");
	now_ns += 4 * S;
	assert_int_equal(failed(SP_LOOKUP_TIMED_OUT), 0);
	now_ns += S;
	assert_int_equal(failed(SP_LOOKUP_TIMED_OUT), 1);
	assert_string_equal(records(), "");
	assert_int_equal(failed(SP_LOOKUP_TIMED_OUT), 0);
}

static void addresses_are_refused_by_name(void **state)
{
	static const struct { const char *text; enum sp_address_refusal refusal; } rows[] = {
		{ "0.0.0.0", SP_ADDRESS_NOT_ONE_MACHINE }, { "0.1.2.3", SP_ADDRESS_NOT_ONE_MACHINE },
		{ "224.0.0.1", SP_ADDRESS_NOT_ONE_MACHINE },
		{ "255.255.255.255", SP_ADDRESS_NOT_ONE_MACHINE },
		{ "127.0.0.1", SP_ADDRESS_LOOPBACK }, { "127.255.0.1", SP_ADDRESS_LOOPBACK },
		{ "169.254.169.254", SP_ADDRESS_LINK_LOCAL }, { "169.253.0.1", SP_ADDRESS_NONE },
		{ "::", SP_ADDRESS_NOT_ONE_MACHINE }, { "::1", SP_ADDRESS_LOOPBACK },
		{ "::2", SP_ADDRESS_NOT_ONE_MACHINE }, { "ff02::1", SP_ADDRESS_NOT_ONE_MACHINE },
		{ "fe80::1", SP_ADDRESS_LINK_LOCAL }, { "febf::1", SP_ADDRESS_LINK_LOCAL },
		{ "fec0::1", SP_ADDRESS_NONE }, { "fd00::1", SP_ADDRESS_NONE },
		{ "192.0.2.1", SP_ADDRESS_SERVICE }, { "10.0.0.1", SP_ADDRESS_SOURCE },
		{ "2001:db8::1", SP_ADDRESS_SOURCE }, { "10.0.0.2", SP_ADDRESS_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sp_addr addr = addr_of(rows[i].text);

		if (sp_address_refuse(&config, &addr) != rows[i].refusal)
			fail_msg("%s: %s", rows[i].text,
				 sp_address_refusal_text(sp_address_refuse(&config, &addr)));
	}
	good("10.0.0.2 127.0.0.1", "::1");
	assert_string_equal(records(), "10.0.0.2");
	assert_int_equal(l->refused_records, 2);
	assert_int_equal(l->end, SP_LOOKUP_GOOD);
	assert_int_equal(good("127.0.0.1", ""), 0);
	assert_string_equal(records(), "10.0.0.2");
	assert_int_equal(l->end, SP_LOOKUP_NO_RECORDS);
}

/* Two proxies get records in different orders, and use the same. */
static void many_records_are_cut_at_the_same_place(void **state)
{
	struct sp_lookup *other = sp_lookup_new(SP_NAME_HOST, "app", NULL);

	for (int pass = 0; pass < 2; pass++) {
		struct sp_lookup *to = pass ? other : l;

		answer = (struct sp_answer){ .ttl_s = 10, .count = 200 };
		for (unsigned int i = 0; i < 200; i++)
			answer.records[pass ? 199 - i : i].addr = sp_addr_v4(htonl(0x0a000100 + i));
		sp_lookup_begin(to, 1);
		assert_int_equal(sp_lookup_answer(to, SP_DNS_A, SP_LOOKUP_GOOD, &answer,
						  &config), 1);
		sp_lookup_finish(to, &config.resolvers, now_ns);
	}
	assert_int_equal(l->left_off, 72);
	assert_int_equal(l->questions[0].now.count, SP_LOOKUP_RECORDS_MAX);
	assert_true(is_same(&l->questions[0].now, &other->questions[0].now));
	sp_lookup_free(other);
}

static void a_late_answer_is_ignored(void **state)
{
	sp_lookup_begin(l, BOTH);
	sp_lookup_abandon(l, now_ns);
	fill_answer("10.0.0.2", 10);
	assert_int_equal(sp_lookup_answer(l, SP_DNS_A, SP_LOOKUP_GOOD, &answer, &config), 0);
	assert_string_equal(records(), "");
	assert_int_equal(l->next_ns, now_ns);
}

/* ---- places ---- */

static struct sp_lookup *target(const char *host, const char *addrs)
{
	struct sp_lookup *of_name = l, *made = l = sp_lookup_new(SP_NAME_HOST, host, NULL);

	if (addrs)
		good(addrs, "");
	l = of_name;
	return made;
}

static struct sp_dns_record service(unsigned int priority, unsigned int weight, unsigned int port,
				    const char *host)
{
	struct sp_dns_record r = { .priority = priority, .weight = weight, .port = port };

	strcpy(r.target, host);
	return r;
}

static struct sp_lookup *service_lookup(void)
{
	struct sp_lookup *srv = sp_lookup_new(SP_NAME_SRV, "_http._tcp.app", NULL);

	answer = (struct sp_answer){ .ttl_s = 10, .count = 3, .records = {
		service(5, 0, 80, "one"), service(5, 1000, 81, "one"), service(7, 9, 80, "two") } };
	sp_lookup_begin(srv, 0);
	assert_int_equal(sp_lookup_answer(srv, SP_DNS_SRV, SP_LOOKUP_GOOD, &answer, &config), 1);
	assert_int_equal(sp_lookup_finish(srv, &config.resolvers, now_ns), 1);
	return srv;
}

static void places_of_a_service(void **state)
{
	const struct sp_name_conf conf = { .type = SP_NAME_SRV, .text = "_http._tcp.app" };
	struct sp_name named = { .conf = &conf, .lookup = service_lookup() };

	targets[0] = target("one", "10.0.0.2");
	targets[1] = target("two", NULL);
	assert_int_equal(sp_name_update(NULL, &named), 0);	/* "two" was not looked up so far */
	sp_lookup_free(targets[1]);
	targets[1] = target("two", "10.0.0.3 10.0.0.2");
	assert_int_equal(sp_name_update(NULL, &named), 1);
	assert_int_equal(named.count, 3);			/* 10.0.0.2:80 once */
	assert_int_equal(named.places[0].weight, 1);
	assert_int_equal(ntohs(named.places[1].at.port_be), 81);
	assert_int_equal(named.places[1].weight, SP_WEIGHT_MAX);
	assert_int_equal(named.places[1].is_backup, 0);
	assert_int_equal(named.places[2].is_backup, 1);
	assert_int_equal(sp_name_update(NULL, &named), 0);
	free(named.places);
	sp_lookup_free(named.lookup);
}

static void targets_without_addresses_change_nothing(void **state)
{
	const struct sp_name_conf conf = { .type = SP_NAME_SRV, .text = "_http._tcp.app" };
	struct sp_name named = { .conf = &conf, .lookup = service_lookup() };

	targets[0] = target("one", "10.0.0.2");
	targets[1] = target("two", "10.0.0.3");
	assert_int_equal(sp_name_update(NULL, &named), 1);
	for (int i = 0; i < 2; i++)
		targets[i]->questions[0].now.count = 0;
	assert_int_equal(sp_name_update(NULL, &named), 0);
	assert_int_equal(named.count, 3);
	assert_int_equal(named.lookup->end, SP_LOOKUP_NO_TARGET);
	free(named.places);
	sp_lookup_free(named.lookup);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(answers_in_any_order_are_equal),
		CASE(ttl_has_bounds),
		CASE(failures_change_nothing_and_wait_longer),
		CASE(no_records_at_all_change_nothing),
		CASE(a_family_without_records_is_gone_if_the_other_has_some),
		CASE(a_failed_family_stays),
		CASE(hold_ends),
		CASE(addresses_are_refused_by_name),
		CASE(many_records_are_cut_at_the_same_place),
		CASE(a_late_answer_is_ignored),
		CASE(places_of_a_service),
		CASE(targets_without_addresses_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
