/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* clock.h - the clock that daemon and datapath share. */
#ifndef SP_BASE_CLOCK_H
#define SP_BASE_CLOCK_H

#include "abi/ktypes.h"

/*
 * CLOCK_MONOTONIC_COARSE, as bpf_ktime_get_coarse_ns() reads it: some milliseconds late, and cheap.
 */
__u64 sp_now_ns(void);

#endif
