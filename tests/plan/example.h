/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* example.h - three operating units, a warm and a cold spare */
#ifndef SP_TESTS_EXAMPLE_H
#define SP_TESTS_EXAMPLE_H

#include "plan/model.h"

static inline struct sp_plan_model example(void)
{
	return (struct sp_plan_model){
		.operating = 3, .warm = 1, .cold = 1,
		.rate = {
			[SP_PLAN_RATE_lambda] = .02, [SP_PLAN_RATE_alpha] = .005,
				[SP_PLAN_RATE_coverage] = .9,
			[SP_PLAN_RATE_beta] = 6, [SP_PLAN_RATE_mu] = 1,
			[SP_PLAN_RATE_breakdown] = .01,
			[SP_PLAN_RATE_mend] = .5, [SP_PLAN_RATE_theta] = .5,
		},
	};
}

#endif
