/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* clock.h - the clock that daemon and datapath share. */
#ifndef SP_BASE_CLOCK_H
#define SP_BASE_CLOCK_H

#include <time.h>

#include "abi/ktypes.h"

/*
 * CLOCK_MONOTONIC_COARSE, as bpf_ktime_get_coarse_ns() reads it: some milliseconds late, and cheap.
 */
__u64 sp_now_ns(void);

/* CLOCK_MONOTONIC, for durations of microseconds. */
static inline __u64 sp_exact_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* CLOCK_REALTIME, for what other machines read. */
static inline __u64 sp_real_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

#endif
