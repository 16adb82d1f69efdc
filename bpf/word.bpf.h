/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* word.bpf.h - boundaries, read and written as single words: no CPU sees half a change. */
#ifndef SP_BPF_WORD_H
#define SP_BPF_WORD_H

#include "abi/half.h"

/* Inverse of sp_boundary_word() */
static __always_inline struct sp_boundary boundary_of(__u64 word)
{
	struct sp_boundary b;

	__builtin_memcpy(&b, &word, sizeof(b));
	return b;
}

static __always_inline struct sp_boundary boundary_read(const struct sp_boundary *at)
{
	return boundary_of(*(const volatile __u64 *)at);
}

#ifdef __bpf__
/* Instructions of -mcpu=v3; the assembler of clang 16 lacks the first. */
static __always_inline __u64 word_swap(__u64 *at, __u64 was, __u64 is)
{
	register __u64 r0 asm("r0") = was;
	register __u64 *r1 asm("r1") = at;
	register __u64 r2 asm("r2") = is;

	/* r0 = cmpxchg_64(r1 + 0, r0, r2) */
	asm volatile(".byte 0xdb, 0x21, 0, 0, 0xf1, 0, 0, 0"
		     : "+r"(r0) : "r"(r1), "r"(r2) : "memory");
	return r0;
}

static __always_inline void word_or(__u64 *at, __u64 bits)
{
	asm volatile("lock *(u64 *)(%0 + 0) |= %1" : : "r"(at), "r"(bits) : "memory");
}

static __always_inline void word_and(__u64 *at, __u64 bits)
{
	asm volatile("lock *(u64 *)(%0 + 0) &= %1" : : "r"(at), "r"(bits) : "memory");
}
#else
static __always_inline __u64 word_swap(__u64 *at, __u64 was, __u64 is)
{
	return __sync_val_compare_and_swap(at, was, is);
}

static __always_inline void word_or(__u64 *at, __u64 bits) { __sync_fetch_and_or(at, bits); }
static __always_inline void word_and(__u64 *at, __u64 bits) { __sync_fetch_and_and(at, bits); }
#endif

/* Return: whether the boundary was @was, and is @is now. */
static __always_inline int boundary_swap(struct sp_boundary *at, struct sp_boundary was,
					 struct sp_boundary is)
{
	__u64 word = sp_boundary_word(was);

	return word_swap((__u64 *)at, word, sp_boundary_word(is)) == word;
}

static __always_inline __u64 reading_word(__u8 reading)
{
	return sp_boundary_word((struct sp_boundary){ .reading = reading });
}

/* Flags are added or cleared; concurrent changes stay. */
static __always_inline void boundary_mark(struct sp_boundary *at, __u8 reading)
{
	word_or((__u64 *)at, reading_word(reading));
}

static __always_inline void boundary_unmark(struct sp_boundary *at, __u8 reading)
{
	word_and((__u64 *)at, ~reading_word(reading));
}

#endif
