/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_halves.c - src/datapath/halves.c over a real map: number of splices, and walks */
#include "check.h"

#include "base/clock.c"
#include "datapath/count.c"
#include "datapath/halves.c"

/* limits.c */
void sp_datapath_leave(struct sp_datapath *dp, const struct sp_tuple *front) {}

#define SPLICES	100
#define STRETCH	64	/* more than a bucket of the map may hold */

static struct sp_datapath datapath_of(struct fixture *f)
{
	memset(&f->control, 0, sizeof(f->control));
	return (struct sp_datapath){ .skel = f->skel, .control = &f->control,
				     .count.max = SPLICES };
}

static struct sp_tuple client(int i)
{
	struct sp_tuple t = TUPLE_IN(0);

	t.sport = htons(10000 + i);
	return t;
}

static int put(struct sp_datapath *dp, int i, __u8 flags)
{
	struct sp_half half = full_half(0);
	struct sp_tuple key = client(i);

	half.flags = flags;
	return sp_datapath_put(dp, &key, &half, NULL, NULL);
}

/* Return: how many entries; each of the first @count clients is met @times. */
static int walk(struct sp_datapath *dp, __u32 cursor, int count, int times)
{
	static struct sp_tuple keys[STRETCH];
	static struct sp_entry entries[STRETCH];
	int met[SPLICES + 1] = { 0 }, all = 0, is_end = 0, n;

	for (int is_first = 1; !is_end; is_first = 0) {
		n = sp_datapath_walk(dp, &cursor, is_first, keys, entries, STRETCH, &is_end);
		assert_in_range(n, 0, STRETCH);
		for (int i = 0; i < n; i++)
			met[ntohs(keys[i].sport) - 10000]++;
		all += n;
	}
	for (int i = 0; i < count; i++)
		assert_int_equal(met[i], times);
	return all;
}

static void remove_all(struct sp_datapath *dp)
{
	for (int i = 0; i < SPLICES; i++) {
		struct sp_tuple key = client(i);

		sp_datapath_del(dp, &key);
	}
}

static void a_walk_meets_each_entry_once(void **state)
{
	struct sp_datapath dp = datapath_of(*state);

	for (int i = 0; i < SPLICES; i++)
		assert_int_equal(put(&dp, i, SP_HALF_F_FROM_BACKEND), 0);
	assert_int_equal(walk(&dp, 0, SPLICES, 1), SPLICES);
	remove_all(&dp);
}

/* The cursor has no meaning at the start of a walk: neither the end of the last walk, nor zero. */
static void a_walk_begins_anew_with_any_cursor(void **state)
{
	static const __u32 cursors[] = { 0, 1, 512, 1023, 0xdeadbeef };
	struct sp_datapath dp = datapath_of(*state);

	for (int i = 0; i < SPLICES; i++)
		assert_int_equal(put(&dp, i, 0), 0);
	for (size_t i = 0; i < COUNT(cursors); i++)
		assert_int_equal(walk(&dp, cursors[i], SPLICES, 1), SPLICES);
	remove_all(&dp);
	assert_int_equal(walk(&dp, 0, SPLICES, 0), 0);
}

static void splices_are_counted_by_one_half(void **state)
{
	struct sp_datapath dp = datapath_of(*state);
	struct sp_tuple key = client(0);

	assert_int_equal(put(&dp, 0, SP_HALF_F_FROM_BACKEND), 0);
	assert_int_equal(put(&dp, 0, SP_HALF_F_FROM_BACKEND), 0);	/* in its own place */
	assert_int_equal(put(&dp, 1, 0), 0);
	assert_int_equal(sp_datapath_count(&dp)->splices, 1);
	assert_int_equal(put(&dp, 0, 0), 0);
	assert_int_equal(sp_datapath_count(&dp)->splices, 0);
	assert_int_equal(put(&dp, 0, SP_HALF_F_FROM_BACKEND), 0);
	assert_int_equal(sp_datapath_del(&dp, &key), 0);
	assert_int_equal(sp_datapath_del(&dp, &key), -ENOENT);
	assert_int_equal(sp_datapath_count(&dp)->splices, 0);
	remove_all(&dp);
}

static void a_full_table_takes_no_splice(void **state)
{
	struct sp_datapath dp = datapath_of(*state);

	for (int i = 0; i < SPLICES; i++) {
		assert_false(dp.control->is_full);
		assert_int_equal(put(&dp, i, SP_HALF_F_FROM_BACKEND), 0);
	}
	assert_true(dp.control->is_full);
	assert_int_equal(put(&dp, SPLICES, SP_HALF_F_FROM_BACKEND), -E2BIG);
	assert_int_equal(put(&dp, SPLICES, 0), 0);	/* does not count */
	remove_all(&dp);
	assert_false(dp.control->is_full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_meets_each_entry_once),
		cmocka_unit_test(a_walk_begins_anew_with_any_cursor),
		cmocka_unit_test(splices_are_counted_by_one_half),
		cmocka_unit_test(a_full_table_takes_no_splice),
	};

	return cmocka_run_group_tests_name("halves", tests, open_all, close_all);
}
