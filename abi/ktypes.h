/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ktypes.h - fixed-width kernel types, for BPF and user space alike. No other file chooses their
 * origin.
 */
#ifndef SP_ABI_KTYPES_H
#define SP_ABI_KTYPES_H

#include <linux/types.h>

#ifdef __bpf__
#define sp_inline static __attribute__((always_inline)) inline
#else
#define sp_inline static inline
#endif

#endif
