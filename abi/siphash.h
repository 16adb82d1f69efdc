/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * siphash.h - SipHash-2-4 over whole 64-bit words (Aumasson and Bernstein, 2012). For BPF and
 * user space.
 */
#ifndef SP_ABI_SIPHASH_H
#define SP_ABI_SIPHASH_H

#include "ktypes.h"

struct sp_siphash {
	__u64	v0, v1, v2, v3;
};

sp_inline __u64 sp_rotl64(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

sp_inline void sp_siphash_round(struct sp_siphash *s)
{
	s->v0 += s->v1;	s->v1 = sp_rotl64(s->v1, 13);	s->v1 ^= s->v0;	s->v0 = sp_rotl64(s->v0,
											  32);
	s->v2 += s->v3;	s->v3 = sp_rotl64(s->v3, 16);	s->v3 ^= s->v2;
	s->v0 += s->v3;	s->v3 = sp_rotl64(s->v3, 21);	s->v3 ^= s->v0;
	s->v2 += s->v1;	s->v1 = sp_rotl64(s->v1, 17);	s->v1 ^= s->v2;	s->v2 = sp_rotl64(s->v2,
											  32);
}

sp_inline void sp_siphash_word(struct sp_siphash *s, __u64 m)
{
	s->v3 ^= m;
	sp_siphash_round(s);
	sp_siphash_round(s);
	s->v0 ^= m;
}

/**
 * sp_siphash_words() - SipHash-2-4 of @n words
 * @key:	128 bits
 * @words:	message; for the published test vectors, little-endian words
 * @n:		a constant, so that BPF can unroll
 */
sp_inline __u64 sp_siphash_words(const __u64 key[2], const __u64 *words, int n)
{
	struct sp_siphash s = {
		key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
		key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL,
	};

	for (int i = 0; i < n; i++)
		sp_siphash_word(&s, words[i]);
	sp_siphash_word(&s, (__u64)(n * 8) << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sp_siphash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
