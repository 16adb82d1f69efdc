/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* histogram.c - see histogram.h */
#include "base/histogram.h"

#define NS_PER_US 1000ULL

static const __u32 ends_us[] = {
#define X(us) us,
	SP_HISTOGRAM_ENDS(X)
#undef X
};
_Static_assert(sizeof(ends_us) / sizeof(ends_us[0]) + 1 == SP_HISTOGRAM_BUCKETS, "and the last");

__u32 sp_histogram_end_us(unsigned int bucket)
{
	return bucket + 1 < SP_HISTOGRAM_BUCKETS ? ends_us[bucket] : 0;
}

void sp_histogram_add(struct sp_histogram *histogram, __u64 duration_ns)
{
	unsigned int bucket = 0;

	while (bucket + 1 < SP_HISTOGRAM_BUCKETS && duration_ns > ends_us[bucket] * NS_PER_US)
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum_ns += duration_ns;
}
