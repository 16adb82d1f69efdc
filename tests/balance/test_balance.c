/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_balance.c - src/balance: shares, loads and hashes of backends in tables */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance/balance.h"

#define MANY	4096
/* computed by the first version of this implementation */
#define HASH_OF_NOTHING	0x447139795b8552d1ULL
#define HASH_OF_200	0xc52b7dbc5aa1beb5ULL
#define CHOICES		"cdeaccbaeededbdcceaa"

static unsigned int shares[MANY];
static struct sp_load loads[MANY];

static unsigned int share_of(void *ctx, size_t idx)
{
	return shares[idx];
}

static struct sp_load *load_of(void *ctx, size_t idx)
{
	return &loads[idx];
}

/* @count backends of equal share, named after @first and the numbers behind */
static struct sp_field make_field(size_t count, size_t first)
{
	char name[32];

	for (size_t i = 0; i < count; i++) {
		int len = snprintf(name, sizeof(name), "10.0.%zu.%zu:80", (first + i) / 250,
				   (first + i) % 250);

		shares[i] = 1;
		loads[i] = (struct sp_load){ .seed = sp_balance_hash(name, len) };
	}
	return (struct sp_field){ .count = count, .share = share_of, .load = load_of };
}

static __u64 rand64(void)
{
	static __u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static __u64 key_of(unsigned int i)
{
	return sp_balance_hash(&i, sizeof(i));
}

static void assert_share(unsigned int count, unsigned int total, double share, double tolerance)
{
	double got = (double)count / total;

	if (got < share * (1 - tolerance) || got > share * (1 + tolerance))
		fail_msg("%u of %u, expected a share of %.4f", count, total, share);
}

static void turns_are_smooth(void **state)
{
	struct sp_field f = make_field(3, 0);
	char got[10] = "";

	shares[0] = 3;
	shares[1] = 2;
	shares[2] = 0;
	for (int i = 0; i < 9; i++)
		got[i] = 'a' + sp_balance_turn(&f);
	assert_string_equal(got, "ababaabab");
}

static void nothing_with_a_share_is_nothing_to_choose(void **state)
{
	struct sp_field f = make_field(2, 0);

	shares[0] = shares[1] = 0;
	assert_int_equal(sp_balance_turn(&f), -2);
	assert_int_equal(sp_balance_least(&f), -2);
	assert_int_equal(sp_balance_two(&f, ~0ULL), -2);
	assert_int_equal(sp_balance_rendezvous(&f, 1), -2);
}

/* Each choice is a connection and stays; then all connections of one backend end. */
static void least_connections_fills_by_share(void **state)
{
	struct sp_field f = make_field(3, 0);

	shares[1] = 3;
	for (int i = 0; i < 500; i++)
		loads[sp_balance_least(&f)].connections++;
	assert_int_equal(loads[0].connections, 100);
	assert_int_equal(loads[1].connections, 300);
	assert_int_equal(loads[2].connections, 100);
	loads[2].connections = 0;
	for (int i = 0; i < 99; i++)
		loads[sp_balance_least(&f)].connections++;
	assert_int_equal(loads[2].connections, 99);
}

static void least_connections_takes_turns_among_equals(void **state)
{
	struct sp_field f = make_field(3, 0);
	int got[3] = { 0 };

	for (int i = 0; i < 30; i++)
		got[sp_balance_least(&f)]++;	/* all end at once */
	assert_int_equal(got[0], 10);
	assert_int_equal(got[1], 10);
	assert_int_equal(got[2], 10);
}

/*
 * 100 connections on each of 100 backends in the mean; no connection ends. By chance
 * alone the fullest has some 127.
 */
static void two_choices_are_nearly_even(void **state)
{
	struct sp_field f = make_field(100, 0);
	__u32 most = 0;

	for (int i = 0; i < 10000; i++)
		loads[sp_balance_two(&f, rand64())].connections++;
	for (int i = 0; i < 100; i++)
		most = loads[i].connections > most ? loads[i].connections : most;
	assert_in_range(most, 100, 104);
}

static void two_choices_follow_shares(void **state)
{
	struct sp_field f = make_field(3, 0);

	shares[0] = 0;
	shares[2] = 3;
	for (int i = 0; i < 4000; i++)
		loads[sp_balance_two(&f, rand64())].connections++;
	assert_int_equal(loads[0].connections, 0);
	assert_share(loads[1].connections, 4000, 0.25, 0.02);
	shares[1] = 0;
	assert_int_equal(sp_balance_two(&f, rand64()), 2);
}

static void keys_follow_shares(void **state)
{
	static const unsigned int weights[] = { 1, 3, 16, 0, 12 };
	struct sp_field f = make_field(5, 0);
	unsigned int got[5] = { 0 };

	memcpy(shares, weights, sizeof(weights));
	for (unsigned int i = 0; i < 320000; i++)
		got[sp_balance_rendezvous(&f, key_of(i))]++;
	for (int i = 0; i < 5; i++)
		assert_share(got[i], 320000, weights[i] / 32.0, 0.03);
}

/* Bound: 1.5/N of the keys. No key of another backend moves. */
static void loss_moves_only_its_own_keys(void **state)
{
	static const size_t counts[] = { 2, 3, 10, 100, 1000 };
	static int before[20000];

	for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		struct sp_field f = make_field(counts[n], 0);
		unsigned int keys = counts[n] < 1000 ? 20000 : 4000, lost = counts[n] / 2;
		unsigned int moved = 0;

		for (unsigned int i = 0; i < keys; i++)
			before[i] = sp_balance_rendezvous(&f, key_of(i));
		shares[lost] = 0;
		for (unsigned int i = 0; i < keys; i++) {
			int now = sp_balance_rendezvous(&f, key_of(i));

			moved += now != before[i];
			assert_true(now == before[i] || before[i] == (int)lost);
		}
		assert_true(moved > 0);
		if (keys / counts[n] >= 50)
			assert_true(moved * counts[n] <= keys * 1.5);
	}
}

/* A new backend takes keys from all, and moves no key among the old backends. */
static void order_and_newcomers_move_nothing_else(void **state)
{
	struct sp_field f = make_field(10, 0);
	static int before[2000];
	int taken = 0;

	for (unsigned int i = 0; i < 2000; i++)
		before[i] = sp_balance_rendezvous(&f, key_of(i));
	f = make_field(11, 0);
	for (int i = 0; i < 5; i++) {	/* the file in reverse order */
		struct sp_load held = loads[i];

		loads[i] = loads[10 - i];
		loads[10 - i] = held;
	}
	for (unsigned int i = 0; i < 2000; i++) {
		int now = 10 - sp_balance_rendezvous(&f, key_of(i));

		assert_true(now == before[i] || now == 10);
		taken += now == 10;
	}
	assert_share(taken, 2000, 1.0 / 11, 0.25);
}

/* Keys of a lost backend follow the weights. */
static void keys_of_the_lost_spread_by_share(void **state)
{
	struct sp_field f = make_field(4, 0);
	unsigned int got[4] = { 0 }, lost = 0;

	shares[3] = 2;
	for (unsigned int i = 0; i < 100000; i++) {
		shares[0] = 1;
		if (sp_balance_rendezvous(&f, key_of(i)))
			continue;
		shares[0] = 0;
		lost++;
		got[sp_balance_rendezvous(&f, key_of(i))]++;
	}
	assert_share(lost, 100000, 0.2, 0.05);
	assert_share(got[1], lost, 0.25, 0.05);
	assert_share(got[2], lost, 0.25, 0.05);
	assert_share(got[3], lost, 0.5, 0.05);
}

/* Proxies of a cluster may run different versions. */
static void results_never_change(void **state)
{
	static const char long_text[200] = "a path";
	struct sp_field f = make_field(5, 0);
	char got[21] = "";

	assert_int_equal(sp_balance_hash("", 0), HASH_OF_NOTHING);
	assert_int_equal(sp_balance_hash(long_text, sizeof(long_text)), HASH_OF_200);
	for (int i = 0; i < 20; i++)
		got[i] = 'a' + sp_balance_rendezvous(&f, key_of(i));
	assert_string_equal(got, CHOICES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_smooth),
		cmocka_unit_test(nothing_with_a_share_is_nothing_to_choose),
		cmocka_unit_test(least_connections_fills_by_share),
		cmocka_unit_test(least_connections_takes_turns_among_equals),
		cmocka_unit_test(two_choices_are_nearly_even),
		cmocka_unit_test(two_choices_follow_shares),
		cmocka_unit_test(keys_follow_shares),
		cmocka_unit_test(loss_moves_only_its_own_keys),
		cmocka_unit_test(order_and_newcomers_move_nothing_else),
		cmocka_unit_test(keys_of_the_lost_spread_by_share),
		cmocka_unit_test(results_never_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
