/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_order_table.c - src/node/order_table.c: equal orders make equal tables */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/any.h"
#include "node/order_table.c"

#define NOW_MS	(1800000000ULL * 1000)
#define ALL	3	/* tables */

static int saved, refusal;
static struct sp_order_table tables[ALL];

static int count_save(void *ctx, const struct sp_order_key *key, const struct sp_order *order)
{
	if (refusal)
		return refusal;
	saved += order ? 1 : -1;	/* of tables without replacements */
	return 0;
}

static int setup(void **state)
{
	saved = refusal = 0;
	for (int i = 0; i < ALL; i++)
		assert_int_equal(sp_order_table_init(&tables[i], count_save, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < ALL; i++)
		sp_order_table_fini(&tables[i]);
	return 0;
}

static struct sp_order_entry order(int backend, __u16 what, __u64 at_ms, __u64 from, __u32 value)
{
	return (struct sp_order_entry){
		{ .pool_id = 7, .port_be = backend, .what = what, .addr = sp_addr_v4(42) },
		{ .stamp = at_ms << STAMP_SHIFT, .from = from, .value = value },
	};
}

static struct sp_order_entry reset_at(__u64 at_ms)
{
	return (struct sp_order_entry){ { .what = SP_ORDER_RESET },
					{ .stamp = at_ms << STAMP_SHIFT, .from = 1 } };
}

static int merge(int table, struct sp_order_entry e)
{
	return sp_order_table_merge(&tables[table], &e, NOW_MS);
}

static __u32 value_of(int table, int backend, __u16 what)
{
	struct sp_order_entry e = order(backend, what, 0, 0, 0);
	const struct sp_order_entry *found = sp_order_table_get(&tables[table], &e.key);

	return found ? found->order.value : 0;
}

static void the_later_holds(void **state)
{
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS, 1, 2)), 1);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS, 1, 2)), 0);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS - 1, 9, 3)), 0);
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 2);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS, 2, 1)), 1);
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 1);
	assert_int_equal(merge(0, order(1, SP_ORDER_WEIGHT, NOW_MS - 5, 1, 11)), 1);
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 1);
	assert_int_equal(value_of(0, 1, SP_ORDER_WEIGHT), 11);
	assert_int_equal(value_of(0, 2, SP_ORDER_WEIGHT), 0);
}

/* Random orders reach each table in another sequence, with repetitions. */
static void all_become_the_same(void **state)
{
	enum { COUNT = 300 };
	struct sp_order_entry said[COUNT];

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < COUNT; i++)
			said[i] = i % 100 == 99 ? reset_at(NOW_MS - any32() % 50) :
				  order(any32() % 20, any32() % 2, NOW_MS - any32() % 60,
					any32() % 3, any32() % 4);
		for (int t = 0; t < ALL; t++) {
			sp_order_table_fini(&tables[t]);
			sp_order_table_init(&tables[t], count_save, NULL);
			for (int i = 0; i < COUNT; i++)
				merge(t, said[any32() % COUNT]);
			for (int i = 0; i < COUNT; i++)
				merge(t, said[(i * (t ? 7 : 1) + t) % COUNT]);
		}
		for (int t = 1; t < ALL; t++) {
			assert_int_equal(tables[t].count, tables[0].count);
			assert_memory_equal(tables[t].entries, tables[0].entries,
					    tables[0].count * sizeof(*said));
			assert_int_equal(tables[t].digest, tables[0].digest);
		}
		assert_true(tables[0].count > 1);
	}
}

static void a_digest_tells_apart(void **state)
{
	assert_int_equal(tables[0].digest, 0);
	merge(0, order(1, SP_ORDER_STATE, NOW_MS, 1, 2));
	merge(1, order(1, SP_ORDER_STATE, NOW_MS, 1, 3));
	merge(2, order(1, SP_ORDER_STATE, NOW_MS, 2, 2));
	assert_true(tables[0].digest && tables[0].digest != tables[1].digest &&
		    tables[0].digest != tables[2].digest);
	merge(2, order(2, SP_ORDER_STATE | SP_ORDER_F_HERE, NOW_MS, 2, 2));
	sp_order_table_remove(&tables[2], &(struct sp_order_key){
		.pool_id = 7, .port_be = 1, .addr = sp_addr_v4(42) });
	assert_int_equal(tables[2].digest, 0);
}

static void here_until_a_later_order(void **state)
{
	merge(0, order(1, SP_ORDER_STATE, NOW_MS - 9, 1, 2));
	merge(0, order(1, SP_ORDER_STATE | SP_ORDER_F_HERE, NOW_MS - 5, 1, 1));
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 1);
	merge(0, order(1, SP_ORDER_STATE, NOW_MS - 7, 1, 3));
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 1);
	merge(0, order(1, SP_ORDER_STATE, NOW_MS, 2, 3));
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 3);
	assert_int_equal(tables[0].count, 1);
}

static void a_reset_voids_what_was_before(void **state)
{
	merge(0, order(1, SP_ORDER_STATE, NOW_MS - 9, 1, 2));
	merge(0, order(2, SP_ORDER_STATE | SP_ORDER_F_HERE, NOW_MS - 9, 1, 2));
	merge(0, order(3, SP_ORDER_STATE, NOW_MS, 1, 2));
	assert_int_equal(merge(0, reset_at(NOW_MS - 5)), 1);
	assert_int_equal(tables[0].count, 2);
	assert_int_equal(value_of(0, 3, SP_ORDER_STATE), 2);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS - 6, 1, 2)), 0);
	assert_int_equal(merge(0, reset_at(NOW_MS - 6)), 0);
	assert_int_equal(saved, 2);
}

static void auto_is_forgotten_in_the_end(void **state)
{
	const __u64 old_ms = NOW_MS - SP_ORDER_AUTO_KEPT_MS;

	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, old_ms, 1, 0)), 1);
	assert_int_equal(merge(0, order(2, SP_ORDER_STATE, old_ms, 1, 1)), 1);
	assert_int_equal(merge(0, order(3, SP_ORDER_STATE, old_ms - 1, 1, 0)), 0);
	sp_order_table_expire(&tables[0], NOW_MS);
	assert_int_equal(tables[0].count, 2);
	sp_order_table_expire(&tables[0], NOW_MS + 1);
	assert_int_equal(tables[0].count, 1);
	assert_int_equal(value_of(0, 2, SP_ORDER_STATE), 1);
}

static void stamps_only_rise(void **state)
{
	__u64 stamp = sp_order_table_stamp(&tables[0], NOW_MS);

	assert_int_equal(stamp, NOW_MS << STAMP_SHIFT);
	merge(0, order(1, SP_ORDER_STATE, NOW_MS + 5000, 1, 1));	/* a clock that is ahead */
	stamp = sp_order_table_stamp(&tables[0], NOW_MS);
	assert_int_equal(stamp, ((NOW_MS + 5000) << STAMP_SHIFT) + 1);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS + SP_ORDER_AHEAD_MS + 1, 1, 2)),
			 -ERANGE);
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, ~0ULL >> STAMP_SHIFT, 1, 2)), -ERANGE);
	assert_int_equal(value_of(0, 1, SP_ORDER_STATE), 1);
	assert_int_equal(sp_order_table_stamp(&tables[0], NOW_MS), stamp);
}

static void a_full_table_refuses(void **state)
{
	for (int i = 0; i < SP_ORDERS_MAX; i++)
		assert_int_equal(merge(0, order(i, SP_ORDER_STATE, NOW_MS - 1, 1, 1)), 1);
	assert_int_equal(merge(0, order(SP_ORDERS_MAX, SP_ORDER_STATE, NOW_MS, 1, 1)), -E2BIG);
	assert_int_equal(merge(0, order(5, SP_ORDER_STATE, NOW_MS, 1, 2)), 1);
	assert_int_equal(value_of(0, 5, SP_ORDER_STATE), 2);
	sp_order_table_remove(&tables[0], &tables[0].entries[100].key);
	assert_int_equal(merge(0, reset_at(NOW_MS)), 1);
	assert_int_equal(tables[0].count, 2);
}

static void what_is_not_saved_does_not_hold(void **state)
{
	refusal = -ENOMEM;
	assert_int_equal(merge(0, order(1, SP_ORDER_STATE, NOW_MS, 1, 1)), -ENOMEM);
	assert_int_equal(tables[0].count, 0);
	assert_int_equal(tables[0].digest, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_later_holds),
		TEST(all_become_the_same),
		TEST(a_digest_tells_apart),
		TEST(here_until_a_later_order),
		TEST(a_reset_voids_what_was_before),
		TEST(auto_is_forgotten_in_the_end),
		TEST(stamps_only_rise),
		TEST(a_full_table_refuses),
		TEST(what_is_not_saved_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
