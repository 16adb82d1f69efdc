/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decision.h - the pools of requests that the daemon has read before. Layout is ABI.
 *
 * A decision is found by all bytes of a request and the address that the request was sent to. So
 * the datapath needs no parser: the daemon has read the same bytes, as strictly as all others.
 */
#ifndef SP_ABI_DECISION_H
#define SP_ABI_DECISION_H

#include "half.h"
#include "siphash.h"

#define SP_DECISIONS_MAX	65536
#define SP_DECISION_BYTES_MAX	1024	/* of a request */
#define SP_DECISION_WORDS	4	/* hashed at once */
#define SP_DECISION_BLOCK	(SP_DECISION_WORDS * 8)

/**
 * struct sp_decision - value of map sp_decisions; the key is the first half of the digest
 * @check:	second half of the digest
 * @pool_id:	as in struct sp_half
 * @reading:	SP_READING_* of the response
 */
struct sp_decision {
	__u64	check;
	__u16	pool_id;
	__u8	reading;
	__u8	pad[5];
};
_Static_assert(sizeof(struct sp_decision) == 16, "struct sp_decision is ABI");

/*
 * struct sp_decision_key - the single entry of map sp_decision_key: secret and random. Each
 * configuration has its own, so decisions of an older one are never found.
 */
struct sp_decision_key {
	__u64	word[2];
};

/* SipHash-2-4 with 128 bits of result. */
struct sp_digest {
	__u64	key;
	__u64	check;
};

sp_inline struct sp_siphash sp_decision_begin(const struct sp_decision_key *k,
					      const struct sp_tuple *front, __u32 bytes)
{
	const __be32 *w = front->daddr.w;
	struct sp_siphash s = {
		k->word[0] ^ 0x736f6d6570736575ULL, k->word[1] ^ 0x646f72616e646f6dULL ^ 0xee,
		k->word[0] ^ 0x6c7967656e657261ULL, k->word[1] ^ 0x7465646279746573ULL,
	};

	sp_siphash_word(&s, (__u64)w[0] << 32 | w[1]);
	sp_siphash_word(&s, (__u64)w[2] << 32 | w[3]);
	sp_siphash_word(&s, (__u64)bytes << 32 | front->dport);
	return s;
}

/* @block: of SP_DECISION_WORDS */
sp_inline void sp_decision_add(struct sp_siphash *s, const __u64 *block)
{
	for (int i = 0; i < SP_DECISION_WORDS; i++)
		sp_siphash_word(s, block[i]);
}

sp_inline struct sp_digest sp_decision_end(struct sp_siphash *s)
{
	struct sp_digest d;

	s->v2 ^= 0xee;
	for (int i = 0; i < 4; i++)
		sp_siphash_round(s);
	d.key = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
	s->v1 ^= 0xdd;
	for (int i = 0; i < 4; i++)
		sp_siphash_round(s);
	d.check = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
	return d;
}

#ifndef __bpf__
/* @bytes: SP_DECISION_BYTES_MAX at most */
sp_inline struct sp_digest sp_decision_digest(const struct sp_decision_key *k,
					      const struct sp_tuple *front, const void *bytes,
					      __u32 n)
{
	struct sp_siphash s = sp_decision_begin(k, front, n);
	__u64 padded[SP_DECISION_BYTES_MAX / 8] = { 0 };

	__builtin_memcpy(padded, bytes, n);
	for (__u32 at = 0; at < n; at += SP_DECISION_BLOCK)
		sp_decision_add(&s, padded + at / 8);
	return sp_decision_end(&s);
}
#endif

#endif
