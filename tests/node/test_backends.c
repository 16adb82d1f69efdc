/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_backends.c - src/node/backends.c, in virtual time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Allocations until memory is exhausted; negative: no limit. */
static int allocs_left = -1;

static void *scarce_calloc(size_t n, size_t size)
{
	if (allocs_left == 0)
		return NULL;
	if (allocs_left > 0)
		allocs_left--;
	return calloc(n, size);
}

#define calloc scarce_calloc
#include "node/backends.c"
#undef calloc

#include "config/doc.h"

#define S SP_SECOND_NS

static char logged[4096];

void sp_log(enum sp_log_level level, const char *fmt, ...)
{
	size_t used = strlen(logged);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(logged + used, sizeof(logged) - used, fmt, ap);
	va_end(ap);
	strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

static void assert_logged(const char *text)
{
	assert_string_equal(logged, text);
	logged[0] = 0;
}

/* @pools: the list of the file, in flow style */
static struct sp_config *load(const char *pools)
{
	char error[SP_CONFIG_ERROR_MAX] = "", *text;
	struct sp_config *config = NULL;

	assert_true(asprintf(&text,
			     "interfaces: [lo]\nkey_file: /k\nsource: {addresses: [10.9.0.1, \"fd00::1\"]}\n"
			     "pools: [%s]\nservices: [{name: s, protocol: http, listen: 192.0.2.1:80, default: w}]\n",
			     pools) > 0);
	if (sp_config_load_bytes("text", text, strlen(text), error, &config))
		fail_msg("%s", error);
	free(text);
	return config;
}

static struct sp_backends *open_backends(const struct sp_config *config)
{
	struct sp_backends *b;

	assert_int_equal(sp_backends_new(config, &b), 0);
	return b;
}

static void close_backends(struct sp_backends *b, struct sp_config *config)
{
	sp_backends_free(b);
	sp_config_free(config);
	assert_logged("");
}

static int first_choice(struct sp_backends *b, const struct sp_pool_conf *pool, __u64 now_ns)
{
	__u64 tried = 0;

	return sp_backends_choose(b, pool, 1, NULL, &tried, now_ns);
}

/* Names of the next backends, one letter each. */
static const char *turns(struct sp_backends *b, const struct sp_pool_conf *pool, int count,
			 __u64 now_ns)
{
	static char names[64];

	for (int i = 0; i < count; i++)
		names[i] = pool->backends[first_choice(b, pool, now_ns)].name[0];
	names[count] = 0;
	return names;
}

static void refuse(struct sp_backends *b, const struct sp_pool_conf *pool, int idx, int times,
		   __u64 now_ns)
{
	while (times--)
		sp_backends_failed(b, pool, idx, SP_BACKEND_REFUSED, now_ns);
}

#define A "{address: 10.0.0.1:80, name: a}"
#define B "{address: 10.0.0.2:80, name: b}"
#define C "{address: 10.0.0.3:80, name: c}"

static void turns_follow_weights_without_blocks(void **state)
{
	static const struct {
		unsigned int	a, b, c;
		const char	*turns;
	} cases[] = {
		{ 1, 1, 1, "abcabcabc" }, { 2, 1, 1, "abcaabcaa" }, { 5, 1, 1, "aabacaaaa" },
		{ 0, 1, 1, "bcbcbcbcb" }, { 0, 0, 256, "ccccccccc" }, { 3, 2, 0, "ababaabab" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct sp_config *config;
		struct sp_backends *b;

		snprintf(text, sizeof(text),
			 "{name: w, backends: [{address: 10.0.0.1:80, name: a, weight: %u}, "
			 "{address: 10.0.0.2:80, name: b, weight: %u}, {address: 10.0.0.3:80, name: c, weight: %u}]}",
			 cases[i].a, cases[i].b, cases[i].c);
		config = load(text);
		b = open_backends(config);
		assert_string_equal(turns(b, &config->pools[0], 9, 0), cases[i].turns);
		close_backends(b, config);
	}
}

static void pools_take_turns_of_their_own(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [" A ", " B "]}, {name: v, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);

	for (int i = 0; i < 6; i++)
		for (int pool = 0; pool < 2; pool++)
			assert_int_equal(first_choice(b, &config->pools[pool], 0), i % 2);
	close_backends(b, config);
}

static void families_match(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [" A ", {address: \"[fd00::2]:80\", name: s}, " B "]}, "
					"{name: v, backends: [" A "]}");
	struct sp_backends *b = open_backends(config);

	for (int i = 0; i < 8; i++) {
		__u64 tried = 0;

		assert_int_equal(sp_backends_choose(b, &config->pools[0], 0, NULL, &tried, 0), 1);
		assert_int_equal(first_choice(b, &config->pools[0], 0), i % 2 ? 2 : 0);
		tried = 0;
		assert_int_equal(sp_backends_choose(b, &config->pools[1], 0, NULL, &tried, 0),
				 -ENOENT);
	}
	close_backends(b, config);
}

static void what_was_tried_comes_last(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, weight: 200}, " B ", " C "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	for (int turn = 0; turn < 50; turn++) {
		unsigned int seen = 0;
		__u64 tried = 0;

		for (int i = 0; i < 3; i++)
			seen |= 1 << sp_backends_choose(b, pool, 1, NULL, &tried, 0);
		assert_int_equal(seen, 7);
		assert_true(sp_backends_choose(b, pool, 1, NULL, &tried, 0) >= 0);
	}
	/* the same holds if the untried backends are down, and the tried backends are up */
	refuse(b, pool, 1, 3, 0);
	refuse(b, pool, 2, 3, 0);
	logged[0] = 0;
	for (int turn = 0; turn < 10; turn++) {
		__u64 tried = 0;

		assert_int_equal(sp_backends_choose(b, pool, 1, NULL, &tried, 1), 0);
		assert_in_range(sp_backends_choose(b, pool, 1, NULL, &tried, 1), 1, 2);
	}
	close_backends(b, config);
}

static void draining_gets_none_even_when_all_were_tried(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, weight: 0}, " B "]}");
	struct sp_backends *b = open_backends(config);
	__u64 tried = 0;

	for (int i = 0; i < 3; i++)
		assert_int_equal(sp_backends_choose(b, &config->pools[0], 1, NULL, &tried, 0), 1);
	close_backends(b, config);
}

static void failures_in_a_row_mark_it_down(void **state)
{
	struct sp_config *config = load("{name: w, backends: [{address: 10.0.0.7:80}, " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	refuse(b, pool, 0, 2, 0);
	sp_backends_connected(b, pool, 0);
	refuse(b, pool, 0, 2, 0);
	assert_logged("");
	assert_string_equal(turns(b, pool, 4, 1), "1b1b");
	sp_backends_failed(b, pool, 0, SP_BACKEND_SILENT, 1);
	assert_logged("pool w: backend 10.0.0.7:80 down for 5s: 3 connections refused or unanswered\n");
	assert_string_equal(turns(b, pool, 4, 2), "bbbb");
	refuse(b, pool, 0, 1, 2);	/* a connection under way: no second message */
	assert_logged("");
	assert_int_equal(sp_backends_at(b, pool, 0)->is_down, 1);
	assert_int_equal(sp_backends_at(b, pool, 0)->failures, 4);
	assert_int_equal(sp_backends_at(b, pool, 0)->refused, 5);
	assert_int_equal(sp_backends_at(b, pool, 0)->silent, 1);
	assert_int_equal(sp_backends_at(b, pool, 0)->connections, 1);
	sp_backends_connected(b, pool, 0);
	assert_logged("pool w: backend 10.0.0.7:80 up: a connection was answered\n");
	assert_int_equal(sp_backends_at(b, pool, 0)->failures, 0);
	assert_non_null(strchr(turns(b, pool, 4, 2), '1'));
	close_backends(b, config);
}

static void pools_count_apart(void **state)
{
	struct sp_config *config =
		load("{name: w, failures: 1, retry: 90s, backends: [" A ", " B "]}, "
					"{name: v, failures: 0, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);

	refuse(b, &config->pools[1], 0, 1000, 0);
	assert_logged("");
	assert_string_equal(turns(b, &config->pools[1], 4, 0), "abab");
	refuse(b, &config->pools[0], 1, 1, 0);
	assert_logged("pool w: backend b down for 90s: 1 connection refused or unanswered\n");
	assert_string_equal(turns(b, &config->pools[0], 4, 0), "aaaa");
	assert_string_equal(turns(b, &config->pools[1], 4, 0), "abab");
	close_backends(b, config);
}

static void one_trial_after_each_retry(void **state)
{
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	refuse(b, pool, 0, 3, 0);
	logged[0] = 0;
	assert_string_equal(turns(b, pool, 4, 5 * S - 1), "bbbb");
	assert_string_equal(turns(b, pool, 4, 5 * S), "abbb");
	refuse(b, pool, 0, 1, 6 * S);
	assert_string_equal(turns(b, pool, 4, 10 * S - 1), "bbbb");
	assert_non_null(strchr(turns(b, pool, 4, 10 * S), 'a'));
	assert_string_equal(turns(b, pool, 4, 10 * S), "bbbb");
	assert_logged("");
	close_backends(b, config);
}

static void all_down_are_tried_anyway(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [" A ", " B ", {address: \"[fd00::2]:80\", name: s}]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	refuse(b, pool, 0, 3, 0);
	refuse(b, pool, 1, 3, 0);
	logged[0] = 0;
	assert_string_equal(turns(b, pool, 4, 1), "abab");
	close_backends(b, config);
}

/* 1000 connections/s for 100 s. A backend of four is dead from 10 s to 60 s. */
static void a_dead_backend_costs_few_tries(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [" A ", " B ", " C ", {address: 10.0.0.4:80, name: d}]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];
	unsigned int wasted = 0, served[4] = { 0 };

	for (__u64 now_ns = 0; now_ns < 100 * S; now_ns += S / 1000) {
		int is_dead = now_ns >= 10 * S && now_ns < 60 * S, idx;
		__u64 tried = 0;

		while ((idx = sp_backends_choose(b, pool, 1, NULL, &tried, now_ns)) == 2 &&
		       is_dead) {
			wasted++;
			refuse(b, pool, idx, 1, now_ns);
		}
		served[idx]++;
		sp_backends_connected(b, pool, idx);
	}
	assert_in_range(wasted, 3 + 9, 3 + 10);
	assert_int_equal(served[0] + served[1] + served[2] + served[3], 100000);
	/* up again within 5 s */
	assert_in_range(served[2], 25000 - 12500 - 1250, 25000 - 12500);
	assert_in_range(served[0], served[1] - 3, served[1] + 3);
	logged[0] = 0;
	close_backends(b, config);
}

static void reload_keeps_what_is_the_same(void **state)
{
	struct sp_config *old =
		load("{name: w, backends: [" A ", " B ", " C "]}, {name: v, backends: [" A "]}");
	struct sp_config *new =
		load("{name: u, backends: [" A "]}, {name: w, backends: [{address: 10.0.0.4:80, name: b}, "
				     "{address: 10.0.0.3:80, name: other, weight: 7}, " A "]}");
	struct sp_backends *b = open_backends(old);
	const struct sp_pool_conf *pool = &new->pools[1];

	refuse(b, &old->pools[0], 2, 3, 4 * S);
	refuse(b, &old->pools[0], 1, 2, 4 * S);
	sp_backends_connected(b, &old->pools[0], 0);
	sp_backends_connected(b, &old->pools[1], 0);
	logged[0] = 0;
	assert_int_equal(sp_backends_configure(b, new), 0);
	assert_int_equal(sp_backends_at(b, &new->pools[0], 0)->connections, 0);	/* another pool */
	/* another address */
	assert_int_equal(sp_backends_at(b, pool, 0)->refused, 0);
	assert_int_equal(sp_backends_at(b, pool, 1)->refused, 3);
	assert_int_equal(sp_backends_at(b, pool, 1)->is_down, 1);
	assert_int_equal(sp_backends_at(b, pool, 2)->connections, 1);
	assert_string_equal(turns(b, pool, 4, 9 * S - 1), "baba");
	assert_string_equal(turns(b, pool, 1, 9 * S), "o");
	sp_config_free(old);
	close_backends(b, new);
}

static void new_weights_begin_new_turns(void **state)
{
	struct sp_config *old =
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, weight: 200}, "
				     "{address: 10.0.0.2:80, name: b, weight: 199}]}");
	struct sp_config *new = load("{name: w, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(old);

	assert_string_equal(turns(b, &old->pools[0], 1, 0), "a");
	assert_int_equal(sp_backends_configure(b, new), 0);
	assert_string_equal(turns(b, &new->pools[0], 6, 0), "ababab");
	sp_config_free(old);
	close_backends(b, new);
}

/* Two configurations have their pools side by side in memory. */
static void a_pool_of_another_configuration_is_not_taken_for_one_of_this(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [" A "]}, {name: v, backends: [" A ", " B "]}");
	struct sp_config new = { .pools = config->pools, .pool_count = 1 };
	struct sp_backends *b = open_backends(&new);

	assert_null(sp_backends_at(b, &config->pools[1], 0));
	assert_null(sp_backends_at(b, &config->pools[1], 1));
	assert_non_null(sp_backends_at(b, &config->pools[0], 0));
	close_backends(b, config);
}

static void connections_of_before_a_reload_go_on(void **state)
{
	struct sp_config *old =
		load("{name: w, backends: [" A ", " B "]}, {name: v, backends: [" A ", " B "]}");
	struct sp_config *new = load("{name: w, backends: [" C ", " B "]}");
	struct sp_backends *b = open_backends(old);
	__u64 tried = 0;

	assert_int_equal(sp_backends_configure(b, new), 0);
	/* reports about remaining backends count, the rest is ignored */
	refuse(b, &old->pools[0], 1, 3, 0);
	refuse(b, &old->pools[0], 0, 3, 0);
	refuse(b, &old->pools[1], 1, 3, 0);
	sp_backends_connected(b, &old->pools[1], 1);
	assert_logged("pool w: backend b down for 5s: 3 connections refused or unanswered\n");
	assert_string_equal(turns(b, &new->pools[0], 3, 1), "ccc");
	assert_string_equal(turns(b, &old->pools[0], 3, 1), "aaa");
	assert_null(sp_backends_at(b, &old->pools[0], 0));
	assert_ptr_equal(sp_backends_at(b, &old->pools[0], 1),
			 sp_backends_at(b, &new->pools[0], 1));
	assert_int_equal(sp_backends_choose(b, &old->pools[1], 1, NULL, &tried, 0), 0);
	assert_int_equal(sp_backends_choose(b, &old->pools[1], 1, NULL, &tried, 0), 1);
	sp_config_free(old);
	close_backends(b, new);
}

static void reload_may_switch_marking_off(void **state)
{
	struct sp_config *old = load("{name: w, backends: [" A ", " B "]}");
	struct sp_config *new = load("{name: w, failures: 0, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(old);

	refuse(b, &old->pools[0], 0, 3, 0);
	logged[0] = 0;
	assert_int_equal(sp_backends_configure(b, new), 0);
	assert_string_equal(turns(b, &new->pools[0], 4, 1), "abab");
	sp_config_free(old);
	close_backends(b, new);
}

static void check(struct sp_backends *b, struct sp_config *config, int idx, int is_passed,
		  int times)
{
	struct sp_health_result result = { is_passed, 1, is_passed ? "HTTP 200" : "HTTP 500" };

	config->pools[0].check =
		(struct sp_check_conf){ .type = SP_CHECK_TCP, .rise = 2, .fall = 3 };
	while (times--)
		sp_backends_checked(b, &config->pools[0], idx, &result, 0);
}

/* As in HAProxy: failed connections leave the last backend in, failed checks do not. */
static void down_by_checks_gets_none(void **state)
{
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	check(b, config, 0, 1, 1);
	check(b, config, 0, 0, 2);
	assert_logged("");
	assert_string_equal(turns(b, pool, 4, 0), "abab");
	check(b, config, 0, 0, 1);
	assert_logged("pool w: backend a down by its checks: HTTP 500\n");
	assert_string_equal(turns(b, pool, 4, 0), "bbbb");
	refuse(b, pool, 1, 3, 0);
	logged[0] = 0;
	assert_string_equal(turns(b, pool, 4, 1), "bbbb");
	check(b, config, 1, 0, 1);
	logged[0] = 0;
	assert_int_equal(first_choice(b, pool, 1), -ENOENT);
	assert_int_equal(first_choice(b, pool, 100 * S), -ENOENT);
	check(b, config, 0, 1, 2);
	assert_logged("pool w: backend a up by its checks: HTTP 200\n");
	assert_string_equal(turns(b, pool, 4, 1), "aaaa");
	close_backends(b, config);
}

static void backups_wait_for_all_others(void **state)
{
	struct sp_config *config =
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, backup: true}, " B ", " C "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	assert_string_equal(turns(b, pool, 4, 0), "bcbc");
	sp_backends_order(b, pool, 1, SP_BACKEND_ORDER_DRAIN);
	assert_string_equal(turns(b, pool, 3, 0), "ccc");
	refuse(b, pool, 2, 3, 0);
	logged[0] = 0;
	assert_string_equal(turns(b, pool, 3, 1), "aaa");
	check(b, config, 0, 0, 1);
	logged[0] = 0;
	assert_string_equal(turns(b, pool, 3, 1), "ccc");	/* down, but better than none */
	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_UP);
	assert_string_equal(turns(b, pool, 3, 1), "aaa");
	close_backends(b, config);
}

static void orders_overrule_checks_and_failures(void **state)
{
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	refuse(b, pool, 0, 3, 0);
	check(b, config, 0, 0, 1);
	logged[0] = 0;
	assert_true(sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_UP));
	assert_false(sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_UP));
	assert_string_equal(turns(b, pool, 4, 1), "abab");
	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_DOWN);
	sp_backends_order(b, pool, 1, SP_BACKEND_ORDER_DRAIN);
	assert_int_equal(first_choice(b, pool, 100 * S), -ENOENT);
	sp_backends_order(b, pool, 1, SP_BACKEND_ORDER_AUTO);
	assert_string_equal(turns(b, pool, 3, 1), "bbb");
	close_backends(b, config);
}

/* Also of a backend without a configured weight; a reload keeps it. */
static void an_ordered_weight_replaces_the_configured_one(void **state)
{
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	struct sp_config *next =
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, weight: 0}, " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	assert_true(sp_backends_reweigh(b, pool, 0, 3));
	assert_false(sp_backends_reweigh(b, pool, 0, 3));
	assert_string_equal(turns(b, pool, 6, 0), "abaaba");
	assert_int_equal(sp_backends_configure(b, next), 0);
	assert_string_equal(turns(b, &next->pools[0], 6, 0), "abaaba");
	sp_backends_reweigh(b, &next->pools[0], 1, 1);
	assert_string_equal(turns(b, &next->pools[0], 3, 0), "aaa");
	sp_backends_reweigh(b, &next->pools[0], 0, 0);
	assert_int_equal(first_choice(b, &next->pools[0], 1), -ENOENT);
	sp_config_put(config);
	close_backends(b, next);
}

static int is_marked(struct sp_backends *b, const struct sp_pool_conf *pool, int idx)
{
	const struct sp_endpoint *at = &pool->backends[idx].at;
	struct sp_tuple key = { .saddr = at->addr, .sport = at->port_be };
	struct sp_half half = { .pool_id = pool->id };

	return sp_backends_is_marked(b, &key, &half);
}

/* Two walks for a backend that went down, no walk for a draining backend. */
static void splices_of_what_is_down_are_reset(void **state)
{
	struct sp_config *config =
		load("{name: w, on_down: reset, backends: [" A ", " B "]}, {name: v, backends: [" A "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	assert_false(sp_backends_mark(b));
	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_DRAIN);
	sp_backends_order(b, &config->pools[1], 0, SP_BACKEND_ORDER_DOWN);
	assert_false(sp_backends_mark(b));
	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_DOWN);
	assert_true(sp_backends_mark(b));
	assert_true(is_marked(b, pool, 0));
	assert_false(is_marked(b, pool, 1));
	assert_false(is_marked(b, &config->pools[1], 0));
	assert_true(sp_backends_mark(b));
	assert_false(sp_backends_mark(b));
	check(b, config, 1, 0, 1);
	logged[0] = 0;
	assert_true(sp_backends_mark(b));
	assert_true(is_marked(b, pool, 1));
	assert_false(is_marked(b, pool, 0));
	sp_backends_order(b, pool, 1, SP_BACKEND_ORDER_UP);
	assert_false(sp_backends_mark(b));
	close_backends(b, config);
}

static void reload_keeps_health_while_there_are_checks(void **state)
{
	struct sp_config *old = load("{name: w, backends: [" A ", " B "]}");
	struct sp_config *new = load("{name: w, backends: [" C ", " A "]}");
	struct sp_config *without = load("{name: w, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(old);

	check(b, old, 0, 0, 1);
	logged[0] = 0;
	new->pools[0].check = old->pools[0].check;
	assert_int_equal(sp_backends_configure(b, new), 0);
	assert_string_equal(turns(b, &new->pools[0], 4, 0), "cccc");
	assert_int_equal(sp_backends_configure(b, without), 0);
	assert_string_equal(turns(b, &without->pools[0], 4, 0), "abab");
	assert_int_equal(sp_backends_at(b, &without->pools[0], 0)->health.failed, 0);
	sp_config_free(old);
	sp_config_free(new);
	close_backends(b, without);
}

static struct sp_config *load_many(unsigned int count)
{
	struct sp_config *config;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("{name: w, backends: [", out);
	for (unsigned int i = 0; i < count; i++)
		fprintf(out, "%s{address: 10.1.%u.%u:80}", i ? ", " : "", i % 250, i / 250 + 1);
	fputs("]}", out);
	fclose(out);
	config = load(text);
	free(text);
	return config;
}

/* 64 bits hold the tried backends: in a larger pool, too, a connection tries no backend twice. */
static void large_pools(void **state)
{
	struct sp_config *config = load_many(1000);
	struct sp_backends *b = open_backends(config);
	unsigned char seen[1000] = { 0 };

	for (int i = 0; i < 1000; i++)
		seen[first_choice(b, &config->pools[0], 0)]++;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);
	for (int i = 1; i <= 100; i++) {
		unsigned char asked[1000] = { 0 };
		__u64 tried = 0;

		for (int k = 0; k < 64; k++)
			assert_int_equal(asked[sp_backends_choose(b, config->pools, 1, NULL, &tried,
								  0)]++, 0);
	}
	close_backends(b, config);
}

static void large_pools_survive_reloads(void **state)
{
	struct sp_config *config[2] = { load_many(1000), load_many(1000) };
	struct sp_backends *b = open_backends(config[0]);

	for (int i = 0; i < 1000; i++)
		for (int k = 0; k < i; k++)
			sp_backends_connected(b, &config[0]->pools[0], i);
	assert_int_equal(sp_backends_configure(b, config[1]), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(sp_backends_at(b, &config[1]->pools[0], i)->connections, i);
		assert_ptr_equal(sp_backends_at(b, &config[0]->pools[0], i),
				 sp_backends_at(b, &config[1]->pools[0], i));
	}
	sp_config_free(config[0]);
	close_backends(b, config[1]);
}

static void without_memory_nothing_changes(void **state)
{
	struct sp_config *old = load("{name: w, backends: [" A ", " B "]}");
	struct sp_config *new = load("{name: w, backends: [" C "]}");
	struct sp_backends *b = open_backends(old), *none = NULL;

	sp_backends_connected(b, &old->pools[0], 1);
	for (allocs_left = 0; allocs_left < 3; allocs_left++) {
		int allocs = allocs_left;

		assert_int_equal(sp_backends_configure(b, new), -ENOMEM);
		allocs_left = allocs;
		assert_int_equal(sp_backends_new(new, &none), -ENOMEM);
		assert_null(none);
		allocs_left = allocs;
	}
	allocs_left = -1;
	assert_int_equal(sp_backends_at(b, &old->pools[0], 1)->connections, 1);
	assert_string_equal(turns(b, &old->pools[0], 4, 0), "abab");
	sp_config_free(new);
	close_backends(b, old);
}

static void what_a_synack_tells(void **state)
{
	const __u8 ts = SP_SERVICE_F_TIMESTAMPS, sack = SP_SERVICE_F_SACK;
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	const struct sp_pool_conf *w = &config->pools[0];
	struct sp_backends *b = open_backends(config);

	assert_int_equal(sp_backends_at(b, w, 0)->mss, 0);
	assert_true(sp_backends_learn(b, w, 0, 1460, ts | sack, ts | sack));
	assert_false(sp_backends_learn(b, w, 0, 1460, ts | sack, ts | sack));
	assert_true(sp_backends_learn(b, w, 0, 1360, ts | sack, ts | sack));
	assert_true(sp_backends_learn(b, w, 0, 1360, ts | sack, sack));
	assert_int_equal(sp_backends_at(b, w, 0)->lacks, ts);
	/* options that the SYN did not offer show neither support nor lack */
	assert_false(sp_backends_learn(b, w, 0, 1360, sack, sack));
	assert_int_equal(sp_backends_at(b, w, 0)->lacks, ts);
	assert_true(sp_backends_learn(b, w, 0, 1360, ts, ts));
	assert_int_equal(sp_backends_at(b, w, 0)->lacks, 0);
	assert_int_equal(sp_backends_at(b, w, 1)->mss, 0);
	close_backends(b, config);
}

static void reload_forgets_what_a_synack_told(void **state)
{
	struct sp_config *old = load("{name: w, backends: [" A "]}"),
		*new = load("{name: w, backends: [" A "]}");
	struct sp_backends *b = open_backends(old);

	sp_backends_learn(b, &old->pools[0], 0, 1360, SP_SERVICE_F_SACK, 0);
	assert_int_equal(sp_backends_configure(b, new), 0);
	assert_int_equal(sp_backends_at(b, &new->pools[0], 0)->mss, 0);
	assert_int_equal(sp_backends_at(b, &new->pools[0], 0)->lacks, 0);
	sp_config_free(old);
	close_backends(b, new);
}

static void a_key_keeps_its_backend(void **state)
{
	struct sp_config *config = load("{name: w, balance: {hash: source}, failures: 1, "
					"backends: [" A ", " B ", " C "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];
	int held[3] = { 0 };

	for (__u64 key = 0; key < 300; key++) {
		__u64 tried = 0, mixed = sp_balance_hash(&key, sizeof(key));
		int first = sp_backends_choose(b, pool, 1, &mixed, &tried, 0), second;

		held[first]++;
		assert_int_equal(sp_backends_holder(b, pool, 1, mixed, 0), first);
		second = sp_backends_choose(b, pool, 1, &mixed, &tried, 0);
		assert_int_not_equal(second, first);	/* it has failed: the next of this key */
		refuse(b, pool, first, 1, 0);
		assert_int_equal(sp_backends_holder(b, pool, 1, mixed, 0), second);
		sp_backends_connected(b, pool, first);
	}
	assert_in_range(held[0], 80, 120);
	assert_in_range(held[1], 80, 120);
	assert_string_equal(turns(b, pool, 6, 0), "abcabc");	/* without a key */
	logged[0] = 0;
	close_backends(b, config);
}

static char name_of_holder(struct sp_backends *b, const struct sp_pool_conf *pool, __u64 key)
{
	return pool->backends[sp_backends_holder(b, pool, 1, key, 0)].name[0];
}

/* The order of the file, addresses, and a reload make no difference. */
static void a_key_keeps_its_backend_by_name(void **state)
{
	struct sp_config *config = load("{name: w, balance: {hash: source}, "
					"backends: [" A ", " B ", " C "]}");
	struct sp_config *other = load("{name: w, balance: {hash: source}, backends: [" C
				       ", {address: 10.0.0.9:80, name: a}, " B ", {address: 10.0.0.4:80, name: d, weight: 0}]}");
	struct sp_backends *b = open_backends(config);
	char before[100], after[100];

	for (__u64 key = 0; key < 100; key++) {
		__u64 mixed = sp_balance_hash(&key, sizeof(key));

		before[key] = name_of_holder(b, config->pools, mixed);
	}
	assert_int_equal(sp_backends_configure(b, other), 0);
	for (__u64 key = 0; key < 100; key++) {
		__u64 mixed = sp_balance_hash(&key, sizeof(key));

		after[key] = name_of_holder(b, other->pools, mixed);
		assert_int_equal(sp_backends_holder(b, config->pools, 1, mixed, 0),
				 before[key] - 'a');	/* also a connection from before */
	}
	assert_memory_equal(before, after, sizeof(before));
	sp_config_free(config);
	close_backends(b, other);
}

/* A table of splices: of the first backend, with ports of the proxy from 0 on. */
static struct {
	int is_open[256], looks;
} table;

static int look_up(void *ctx, const struct sp_tuple *down_key, __u32 client_isn)
{
	table.looks++;
	return client_isn == 7 && table.is_open[down_key->dport];
}

static void splice(struct sp_backends *b, const struct sp_pool_conf *pool, int idx, int port,
		   int change)
{
	const struct sp_endpoint *at = &pool->backends[idx].at;
	struct sp_tuple key = { .saddr = at->addr, .sport = at->port_be, .dport = port };
	struct sp_entry down = { .half = { .pool_id = pool->id }, .meta.client_isn = 7 };

	table.is_open[port] = change > 0;
	sp_backends_spliced(b, &key, &down, change);
}

static void a_full_backend_gets_none_until_one_is_closed(void **state)
{
	struct sp_config *config = load(
		"{name: w, backends: [{address: 10.0.0.1:80, name: a, max_connections: 2}, "
		"{address: 10.0.0.2:80, name: b, max_connections: 1}]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];
	__u64 tried = 0;

	sp_backends_on_look(b, look_up, NULL);
	splice(b, pool, 0, 1, 1);
	splice(b, pool, 0, 2, 1);
	assert_true(sp_backends_is_full(b, pool, 0));
	assert_string_equal(turns(b, pool, 3, 0), "bbb");
	sp_backends_opening(b, pool, 1, 1);		/* counts, too */
	assert_int_equal(sp_backends_choose(b, pool, 1, NULL, &tried, 0), -EBUSY);
	table.is_open[2] = 0;				/* closed, and nobody said so */
	assert_string_equal(turns(b, pool, 3, 0), "aaa");
	splice(b, pool, 0, 3, 1);
	assert_int_equal(sp_backends_choose(b, pool, 1, NULL, &tried, 0), -EBUSY);
	sp_backends_opening(b, pool, 1, -1);
	refuse(b, pool, 1, 3, 0);			/* down: a full one is waited for */
	assert_int_equal(sp_backends_choose(b, pool, 1, NULL, &tried, 0), -EBUSY);
	logged[0] = 0;
	close_backends(b, config);
}

/* A look costs a system call. */
static void looks_at_splices_are_bounded(void **state)
{
	struct sp_config *config = load(
		"{name: w, backends: [{address: 10.0.0.1:80, name: a, max_connections: 200}]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];
	__u64 tried = 0;

	table.looks = 0;
	sp_backends_on_look(b, look_up, NULL);
	for (int port = 0; port < 200; port++)
		splice(b, pool, 0, port, 1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sp_backends_choose(b, pool, 1, NULL, &tried, 0), -EBUSY);
	assert_in_range(table.looks, 1, SP_BACKENDS_LOOKS);
	for (int port = 0; port < 200; port++)
		table.is_open[port] = 0;
	for (int i = 0; i < 4; i++)
		sp_backends_tick(b);
	assert_int_equal(sp_backends_at(b, pool, 0)->load.connections, 0);
	close_backends(b, config);
}

static void walk_over(struct sp_backends *b, const struct sp_pool_conf *pool, int ports,
		      __u32 now_s)
{
	const struct sp_endpoint *at = &pool->backends[0].at;

	for (int port = 0; port < ports; port++) {
		struct sp_tuple key = { .saddr = at->addr, .sport = at->port_be, .dport = port };
		struct sp_entry down = { .half = { .pool_id = pool->id, .spliced_s = now_s },
					 .meta.client_isn = 7 };

		if (!table.is_open[port])
			down.state.flags = SP_STATE_FIN | SP_STATE_PEER_FIN;
		sp_backends_walked(b, &key, &down);
	}
	sp_backends_walk_ends(b, 0);
}

/* The limit comes and goes by a reload, and counts what was there before. */
static void a_new_limit_counts_what_is_there(void **state)
{
	struct sp_config *config[3] = {
		load("{name: w, backends: [" A "]}"),
		load("{name: w, backends: [{address: 10.0.0.1:80, name: a, max_connections: 2}]}"),
		load("{name: w, backends: [" A "]}"),
	};
	struct sp_backends *b = open_backends(config[0]);

	sp_backends_on_look(b, look_up, NULL);
	for (int port = 0; port < 3; port++)
		splice(b, config[0]->pools, 0, port, 1);
	table.is_open[1] = 0;
	walk_over(b, config[0]->pools, 3, 1);
	assert_int_equal(sp_backends_at(b, config[0]->pools, 0)->load.connections, 2);
	assert_int_equal(sp_backends_configure(b, config[1]), 0);
	for (int i = 0; i < 3; i++)
		walk_over(b, config[1]->pools, 3, 1);
	assert_int_equal(sp_backends_at(b, config[1]->pools, 0)->load.connections, 2);
	assert_true(sp_backends_is_full(b, config[1]->pools, 0));
	assert_int_equal(sp_backends_configure(b, config[2]), 0);
	assert_false(sp_backends_is_full(b, config[2]->pools, 0));
	assert_int_equal(sp_backends_at(b, config[2]->pools, 0)->load.connections, 2);
	sp_config_free(config[0]);
	sp_config_free(config[1]);
	close_backends(b, config[2]);
}

static int share_in(struct sp_backends *b, const struct sp_pool_conf *pool, int idx, __u64 now_ns)
{
	int got = 0;

	for (int i = 0; i < 320; i++)
		got += first_choice(b, pool, now_ns) == idx;
	return got;
}

static void a_backend_that_came_up_starts_slowly(void **state)
{
	struct sp_config *config = load("{name: w, slow_start: 10s, backends: [" A ", " B "]}");
	struct sp_config *more = load("{name: w, slow_start: 10s, "
				      "backends: [" A ", " B ", " C "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	assert_int_equal(share_in(b, pool, 0, 0), 160);	/* at the start all have their share */
	refuse(b, pool, 0, 3, 100 * S);
	while (first_choice(b, pool, 105 * S))
		;			/* the trial */
	sp_backends_connected(b, pool, 0);
	assert_in_range(share_in(b, pool, 0, 105 * S), 17, 21);		/* 1 of 17 */
	assert_in_range(share_in(b, pool, 0, 110 * S), 104, 109);	/* 1 of 3 */
	assert_in_range(share_in(b, pool, 0, 115 * S), 159, 161);
	assert_int_equal(sp_backends_configure(b, more), 0);
	assert_in_range(share_in(b, more->pools, 2, 200 * S), 8, 12);	/* 1 of 33 */
	assert_in_range(share_in(b, more->pools, 2, 210 * S), 105, 108);
	logged[0] = 0;
	sp_config_free(config);
	close_backends(b, more);
}

/* Backends that came up without slow_start keep a full share. */
static void slow_start_of_a_reload_is_for_later(void **state)
{
	struct sp_config *config = load("{name: w, backends: [" A ", " B "]}");
	struct sp_config *slow = load("{name: w, slow_start: 10s, backends: [" A ", " B "]}");
	struct sp_backends *b = open_backends(config);
	const struct sp_pool_conf *pool = &config->pools[0];

	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_DOWN);
	sp_backends_order(b, pool, 0, SP_BACKEND_ORDER_AUTO);
	assert_int_equal(share_in(b, pool, 0, 100 * S), 160);
	assert_int_equal(sp_backends_configure(b, slow), 0);
	assert_int_equal(share_in(b, slow->pools, 0, 101 * S), 160);
	sp_backends_order(b, slow->pools, 0, SP_BACKEND_ORDER_DOWN);
	sp_backends_order(b, slow->pools, 0, SP_BACKEND_ORDER_AUTO);
	assert_in_range(share_in(b, slow->pools, 0, 102 * S), 17, 21);
	sp_config_free(config);
	close_backends(b, slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start_of_a_reload_is_for_later),
		cmocka_unit_test(a_full_backend_gets_none_until_one_is_closed),
		cmocka_unit_test(looks_at_splices_are_bounded),
		cmocka_unit_test(a_new_limit_counts_what_is_there),
		cmocka_unit_test(a_backend_that_came_up_starts_slowly),
		cmocka_unit_test(a_key_keeps_its_backend),
		cmocka_unit_test(a_key_keeps_its_backend_by_name),
		cmocka_unit_test(turns_follow_weights_without_blocks),
		cmocka_unit_test(pools_take_turns_of_their_own),
		cmocka_unit_test(families_match),
		cmocka_unit_test(what_was_tried_comes_last),
		cmocka_unit_test(draining_gets_none_even_when_all_were_tried),
		cmocka_unit_test(failures_in_a_row_mark_it_down),
		cmocka_unit_test(pools_count_apart),
		cmocka_unit_test(one_trial_after_each_retry),
		cmocka_unit_test(all_down_are_tried_anyway),
		cmocka_unit_test(a_dead_backend_costs_few_tries),
		cmocka_unit_test(reload_keeps_what_is_the_same),
		cmocka_unit_test(new_weights_begin_new_turns),
		cmocka_unit_test(a_pool_of_another_configuration_is_not_taken_for_one_of_this),
		cmocka_unit_test(connections_of_before_a_reload_go_on),
		cmocka_unit_test(reload_may_switch_marking_off),
		cmocka_unit_test(down_by_checks_gets_none),
		cmocka_unit_test(backups_wait_for_all_others),
		cmocka_unit_test(orders_overrule_checks_and_failures),
		cmocka_unit_test(an_ordered_weight_replaces_the_configured_one),
		cmocka_unit_test(splices_of_what_is_down_are_reset),
		cmocka_unit_test(reload_keeps_health_while_there_are_checks),
		cmocka_unit_test(what_a_synack_tells),
		cmocka_unit_test(reload_forgets_what_a_synack_told),
		cmocka_unit_test(large_pools),
		cmocka_unit_test(large_pools_survive_reloads),
		cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
