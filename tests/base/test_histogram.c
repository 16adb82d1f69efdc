// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_histogram.c - ends of buckets, and the sum */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.c"

static void each_end_is_in_its_bucket(void **state)
{
	struct sp_histogram h = {};

	for (unsigned int i = 0; i + 1 < SP_HISTOGRAM_BUCKETS; i++) {
		__u64 end_ns = sp_histogram_end_us(i) * 1000ULL;

		assert_true(!i || sp_histogram_end_us(i) > sp_histogram_end_us(i - 1));
		sp_histogram_add(&h, end_ns);
		assert_int_equal(h.counts[i], i ? 2 : 1);
		sp_histogram_add(&h, end_ns + 1);
		assert_int_equal(h.counts[i + 1], 1);
	}
}

static void long_durations_are_in_the_last(void **state)
{
	struct sp_histogram h = {};

	sp_histogram_add(&h, ~0ULL >> 1);
	assert_int_equal(h.counts[SP_HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(sp_histogram_end_us(SP_HISTOGRAM_BUCKETS - 1), 0);
	sp_histogram_add(&h, 0);
	assert_int_equal(h.counts[0], 1);
	assert_true(h.sum_ns == ~0ULL >> 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_is_in_its_bucket),
		cmocka_unit_test(long_durations_are_in_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
