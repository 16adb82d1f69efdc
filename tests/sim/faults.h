/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* faults.h - faults of machines: one machine at a time, so that the rest have seen every act. */
#ifndef SP_SIM_FAULTS_H
#define SP_SIM_FAULTS_H

#include "abi/ktypes.h"

struct sim_machine;

enum sim_fault {
	SIM_FAULT_NONE, SIM_FAULT_KILL, SIM_FAULT_FREEZE, SIM_FAULT_LOSE, SIM_FAULT_CUT,
};

/* @at_ns: begin, absolute; @for_ns: duration; 0: for good */
void sim_fault_plan(struct sim_machine *m, enum sim_fault fault, __u64 at_ns, __u64 for_ns);
/* A lone machine keeps its kernel. */
enum sim_fault sim_fault_choose(void);
__u64 sim_fault_duration(void);

#endif
