// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_rates.c - changes between two overviews */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/rates.c"

/* answer.c talks to a daemon: its two helpers are made here. */
const char *sp_text_in(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "-";
}

json_int_t sp_int_in(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* @fast, @slow: connects of at most 100 us, and of 100 to 1000 us */
static json_t *make_overview(int pid, int n, int fast, int slow)
{
	return json_pack("{s:{s:i, s:{s:i, s:i, s:i, s:i, s:i}, s:{s:{s:[{s:i, s:i}, {s:i, s:i}, {s:n, s:i}]}},"
			 "s:[{s:s, s:[{s:s, s:i}]}, {s:s, s:[{s:s, s:i}]}]},"
			 "s:{s:[{s:s, s:s, s:i}, {s:s, s:s, s:i}, {s:s, s:s, s:i}]}}",
			 "status", "pid", pid, "counters", "spliced", n, "requests", n,
			 "requests_carried", 2 * n, "spliced_bytes", 1000 * n, "answered_503", n,
			 "durations", "connect", "buckets", "end_us", 100, "count", fast, "end_us",
			 1000, "count", slow, "end_us", "count", 0, "pools", "name", "web",
			 "backends", "name", "a", "connections", 3 * n, "name", "webs", "backends",
			 "name", "a", "connections", 5 * n, "drops", "reasons", "name", "ack_empty",
			 "what", "drop", "pkts", 100 * n, "name", "no_route", "what", "drop",
			 "pkts", n, "name", "head", "what", "daemon", "pkts", 100 * n);
}

static void changes_are_per_second(void **state)
{
	json_t *before = make_overview(1, 10, 0, 0), *now = make_overview(1, 30, 98, 2);
	struct sp_rates rates;

	assert_non_null(before);
	sp_rates_take(&rates, before, now, 2000000);
	assert_true(rates.requests == 40 && rates.bytes == 10000 && rates.lost == 20);
	assert_true(rates.p50_us > 50 && rates.p50_us < 52);
	assert_true(rates.p99_us > 500 && rates.p99_us < 600);
	assert_true(sp_rates_of_backend(&rates, "web/a") == 30);
	assert_true(sp_rates_of_backend(&rates, "webs/a") == 50);
	assert_true(sp_rates_of_backend(&rates, "web/b") == 0);
	json_decref(before);
	json_decref(now);
}

/* @n: requests, half of them of 2xx; @fast: first bytes of at most 100 us */
static json_t *make_services(int n, int fast)
{
	return json_pack("{s:{s:i, s:[{s:s, s:n}, {s:s, s:{s:i, s:i, s:{s:i, s:i}, s:{s:[{s:i, s:i}, {s:n, s:i}]}}},"
			 "{s:s, s:{s:i, s:i, s:i}}]}}", "status", "pid", 1, "services", "name", "a", "traffic",
			 "name", "b", "traffic", "bytes_in", n, "bytes_out", 9 * n, "requests", "2xx", n / 2, "4xx", n / 2,
			 "first_byte", "buckets", "end_us", 100, "count", fast, "end_us", "count", 0,
			 "name", "c", "traffic", "bytes_in", n, "bytes_out", n, "connections", n);
}

static void services_have_rates(void **state)
{
	json_t *before = make_services(10, 4), *now = make_services(30, 14);
	struct sp_service_rates of;
	struct sp_rates rates;

	assert_non_null(before);
	sp_rates_take(&rates, before, now, 2000000);
	assert_int_equal(sp_rates_of_service(&rates, "a", &of), -ENOENT);
	assert_int_equal(sp_rates_of_service(&rates, "none", &of), -ENOENT);
	assert_int_equal(sp_rates_of_service(&rates, "b", &of), 0);
	assert_true(of.served == 10 && of.bytes == 100 && of.p50_us == 50 && of.p99_us == 99);
	assert_int_equal(sp_rates_of_service(&rates, "c", &of), 0);
	assert_true(of.served == 10 && of.bytes == 20 && of.p50_us < 0);
	json_decref(before);
	json_decref(now);
}

static void nothing_is_said_over_a_restart(void **state)
{
	json_t *before = make_overview(1, 30, 9, 9), *now = make_overview(2, 10, 1, 1);
	struct sp_rates rates;

	sp_rates_take(&rates, before, now, 1000000);
	assert_true(rates.requests == 0 && rates.lost == 0 && rates.p50_us < 0);
	assert_true(sp_rates_of_backend(&rates, "web/a") == 0);
	json_decref(before);
	json_decref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_per_second),
		cmocka_unit_test(services_have_rates),
		cmocka_unit_test(nothing_is_said_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
