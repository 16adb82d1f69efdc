/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* states.h - the states of the model, and its chain. Read by src/plan/ and its tests. */
#ifndef SP_PLAN_STATES_H
#define SP_PLAN_STATES_H

#include "chain.h"
#include "model.h"

enum sp_repairman { SP_REPAIRMAN_VACATION, SP_REPAIRMAN_BUSY, SP_REPAIRMAN_DOWN };

/* (s, n, u) of model.h */
struct sp_state {
	enum sp_repairman	repairman;
	unsigned int		failed;
	unsigned int		unsafe;
};

/* 6K - 1, numbered by the units that are failed: so rates lie in a narrow band. */
size_t sp_state_count(const struct sp_plan_model *model);
struct sp_state sp_state_of(const struct sp_plan_model *model, size_t number);
size_t sp_state_number(const struct sp_plan_model *model, struct sp_state state);

/* Return: 0, and sp_chain_fini() is due; -ENOMEM. */
int sp_states_chain(const struct sp_plan_model *model, struct sp_chain *ret_chain);

#endif
