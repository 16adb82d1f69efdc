/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_head.h - properties of every parser of a head */
#ifndef SP_FUZZ_HEAD_H
#define SP_FUZZ_HEAD_H

#include "fuzz.h"
#include "l7/head.h"

/*
 * Verdicts are INCOMPLETE for a while, then a single verdict for ever. Long inputs are cut at a
 * sample of lengths.
 */
static inline void check_monotony(enum sp_parse_verdict (*verdict_of)(const uint8_t *data,
								      size_t size),
				  enum sp_parse_verdict whole, const uint8_t *data, size_t size)
{
	enum sp_parse_verdict seen = SP_PARSE_INCOMPLETE;

	for (size_t len = 0; len < size; len += 1 + size / 256) {
		enum sp_parse_verdict v = verdict_of(data, len);

		PROMISE(seen == SP_PARSE_INCOMPLETE || v == seen);
		PROMISE(v == SP_PARSE_INCOMPLETE || v == whole);
		seen = v;
	}
}

#endif
