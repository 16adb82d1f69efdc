/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_siphash.c - abi/siphash.h against vectors of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "abi/siphash.h"

/*
 * Key 00..0f, message 00, 01, 02, ...: lengths 0, 8 and 16 as published with
 * SipHash; the others agree between OpenSSL 3.0 ("openssl mac SIPHASH",
 * size 8) and a Python version written from the paper, which also gives the
 * paper's own vector of 15 bytes.
 */
static const __u64 vectors[] = {
	0x726fdb47dd0e0e31, 0x93f5f5799a932462, 0x3f2acc7f57c29bdb, 0xb8ad50c6f649af94,
	0x7127512f72f27cce, 0x0e3ea96b5304a7d0, 0xe612a3cb9ecba951,
};

static __u64 le_word(int first_byte)
{
	__u64 w = 0;

	for (int i = 7; i >= 0; i--)
		w = w << 8 | (first_byte + i);
	return w;
}

static void vectors_match(void **state)
{
	const __u64 key[2] = { le_word(0), le_word(8) };
	__u64 words[6];

	for (int i = 0; i < 6; i++)
		words[i] = le_word(i * 8);
	for (int n = 0; n <= 6; n++)
		assert_int_equal(sp_siphash_words(key, words, n), vectors[n]);
}

static void every_bit_of_the_key_counts(void **state)
{
	const __u64 word = 42;

	for (int i = 0; i < 128; i++) {
		__u64 key[2] = { le_word(0), le_word(8) };

		key[i / 64] ^= 1ULL << i % 64;
		assert_int_not_equal(sp_siphash_words(key, &word, 1),
				     sp_siphash_words((__u64[]){ le_word(0), le_word(8) }, &word, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_match),
		cmocka_unit_test(every_bit_of_the_key_counts),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
