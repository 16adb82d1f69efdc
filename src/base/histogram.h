/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* histogram.h - durations, counted in fixed buckets. Knows nothing of the project. */
#ifndef SP_BASE_HISTOGRAM_H
#define SP_BASE_HISTOGRAM_H

#include "abi/ktypes.h"

/* Upper ends in microseconds, each included in its bucket; longer durations are in a last one. */
#define SP_HISTOGRAM_ENDS(X) \
	X(25) X(50) X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) \
	X(100000) X(250000) X(500000) X(1000000) X(2500000) X(5000000)

#define SP_HISTOGRAM_BUCKETS 18

/**
 * struct sp_histogram - durations since the start of the process
 * @counts:	durations in each bucket, without those of the buckets before
 * @sum_ns:	of all durations
 */
struct sp_histogram {
	__u64	counts[SP_HISTOGRAM_BUCKETS];
	__u64	sum_ns;
};

void sp_histogram_add(struct sp_histogram *histogram, __u64 duration_ns);

/* Upper end of a bucket; 0: the last bucket, without an end. */
__u32 sp_histogram_end_us(unsigned int bucket);

#endif
