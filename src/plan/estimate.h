/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* estimate.h - how long a model would take. Read by src/plan/. */
#ifndef SP_PLAN_ESTIMATE_H
#define SP_PLAN_ESTIMATE_H

#include "model.h"

/*
 * Seconds of this machine for all that is printed of a model; @hours as of sp_plan_measure().
 * Return: 0; -ENOMEM.
 */
int sp_plan_estimate(const struct sp_plan_model *model, double hours, double *ret_s);

#endif
