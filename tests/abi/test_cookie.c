/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_cookie.c - abi/cookie.h: what it keeps, for how long, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "abi/cookie.h"

static const __u64 key[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };

static struct sp_cookie_in some_syn(void)
{
	return (struct sp_cookie_in){
		.tuple = {
			.saddr = sp_addr_v4(0x0100000a), .daddr = sp_addr_v4(0x010200c0),
			.sport = 0x3930, .dport = 0x5000,
		},
		.client_isn = 0xdeadbeef,
	};
}

static void every_data_comes_back_in_both_periods(void **state)
{
	struct sp_cookie_in in = some_syn();

	static const struct { __u32 more; enum sp_cookie cookie; } kinds[] = {
		{ 0, SP_COOKIE_PLAIN }, { SP_COOKIE_DATA_ECN, SP_COOKIE_ECN },
		{ SP_COOKIE_DATA_SMALL, SP_COOKIE_SMALL },
	};

	for (__u32 period = 1000; period < 1002; period++) {
		for (unsigned int i = 0; i < 3 * 128; i++) {
			enum sp_cookie want = kinds[i / 128].cookie;
			__u32 isn = sp_cookie_make(key, &in, period,
						   (i & 127) | kinds[i / 128].more);

			assert_int_equal(isn & 0x7f, i & 127);
			assert_int_equal(sp_cookie_read(key, &in, period, isn), want);
			assert_int_equal(sp_cookie_read(key, &in, period + 1, isn), want);
		}
	}
}

static void expires_after_two_periods(void **state)
{
	struct sp_cookie_in in = some_syn();

	for (__u32 period = 1000; period < 1002; period++) {
		for (unsigned int data = 0; data < 128; data++) {
			__u32 isn = sp_cookie_make(key, &in, period, data);

			for (__u32 later = 2; later < 10; later++)
				assert_false(sp_cookie_read(key, &in, period + later, isn));
			assert_false(sp_cookie_read(key, &in, period - 1, isn));
		}
	}
}

static void lives_over_the_wrap_of_periods(void **state)
{
	struct sp_cookie_in in = some_syn();
	__u32 isn = sp_cookie_make(key, &in, 0xffffffff, 5);

	assert_true(sp_cookie_read(key, &in, 0xffffffff, isn));
	assert_true(sp_cookie_read(key, &in, 0, isn));
	assert_false(sp_cookie_read(key, &in, 1, isn));
}

static void data_packs_and_unpacks(void **state)
{
	for (int class = 0; class < 4; class++) {
		for (int wscale = 0; wscale < 16; wscale++) {
			for (int sack = 0; sack < 2; sack++) {
				__u8 data = sp_cookie_data(class, wscale, sack);

				assert_in_range(data, 0, 127);
				assert_int_equal(sp_cookie_data_mss_class(data), class);
				assert_int_equal(sp_cookie_data_wscale(data), wscale);
				assert_int_equal(sp_cookie_data_is_sack(data), sack);
				/* the bit of the period is none of theirs */
				assert_int_equal(sp_cookie_data_mss_class(data | 0x80), class);
			}
		}
	}
}

static void refuses_any_other_tuple(void **state)
{
	struct sp_cookie_in in = some_syn();
	__u32 isn = sp_cookie_make(key, &in, 7, 77);

	for (size_t i = 0; i < sizeof(in.tuple) * 8; i++) {
		struct sp_cookie_in other = in;

		((__u8 *)&other.tuple)[i / 8] ^= 1 << i % 8;
		assert_false(sp_cookie_read(key, &other, 7, isn));
	}
}

static void refuses_any_other_isn(void **state)
{
	struct sp_cookie_in in = some_syn();
	__u32 isn = sp_cookie_make(key, &in, 7, 77);

	for (int i = 0; i < 32; i++) {
		struct sp_cookie_in other = in;

		other.client_isn ^= 1U << i;
		assert_false(sp_cookie_read(key, &other, 7, isn));
		assert_false(sp_cookie_read(key, &in, 7, isn ^ 1U << i));
	}
}

static void refuses_any_other_key(void **state)
{
	struct sp_cookie_in in = some_syn();
	__u32 isn = sp_cookie_make(key, &in, 7, 77);

	for (int i = 0; i < 128; i++) {
		__u64 other[2] = { key[0], key[1] };

		other[i / 64] ^= 1ULL << i % 64;
		assert_false(sp_cookie_read(other, &in, 7, isn));
	}
}

/* Never more than the client takes, but 48, nor less than it by more than a fifth or 16 bytes. */
static void small_mss_is_rounded_down(void **state)
{
	for (unsigned int mss = 0; mss < 1220; mss++) {
		unsigned int got = sp_cookie_mss_small(sp_cookie_data_small(mss, 31));

		if (!sp_cookie_mss_is_small(mss, 1460)) {
			assert_in_range(mss, 536, 659);
			continue;
		}
		assert_true(got <= mss || got == 48);
		assert_true(mss < 536 ? got + 16 > mss : got * 125 >= mss * 100);
		assert_int_equal(sp_cookie_small_is_tiny(sp_cookie_data_small(mss, 31)), mss < 536);
	}
	assert_false(sp_cookie_mss_is_small(1219, 1219));
	assert_false(sp_cookie_mss_is_small(1220, 1460));
}

/* Never more than the client takes, unless it is small, nor than the service has. */
static void mss_is_rounded_down(void **state)
{
	static const __u16 services[] = { 536, 1200, 1220, 1300, 1400, 1440, 1460, 8960 };

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		__u16 last = 0;

		for (unsigned int mss = 1; mss < 65536; mss++) {
			__u16 got = sp_cookie_mss(sp_cookie_mss_class(mss, services[i]),
						  services[i]);

			assert_in_range(got, 536, services[i]);
			assert_in_range(got, last, mss < 536 ? 536 : mss);
			last = got;
		}
		assert_int_equal(last, services[i]);
	}
}

static void mss_of_common_clients(void **state)
{
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1460, 1460), 1460), 1460);
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1452, 1460), 1460), 1400);
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1400, 1460), 1460), 1400);
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1399, 1460), 1460), 1220);
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1220, 1460), 1460), 1220);
	assert_int_equal(sp_cookie_mss(sp_cookie_mss_class(1219, 1460), 1460), 536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_data_comes_back_in_both_periods),
		cmocka_unit_test(expires_after_two_periods),
		cmocka_unit_test(lives_over_the_wrap_of_periods),
		cmocka_unit_test(data_packs_and_unpacks),
		cmocka_unit_test(refuses_any_other_tuple),
		cmocka_unit_test(refuses_any_other_isn),
		cmocka_unit_test(refuses_any_other_key),
		cmocka_unit_test(mss_is_rounded_down),
		cmocka_unit_test(small_mss_is_rounded_down),
		cmocka_unit_test(mss_of_common_clients),
	};

	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
