// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "faults.h"

#include "machine.h"
#include "world.h"

static void undo(void *machine, __u64 fault)
{
	struct sim_machine *m = machine;

	switch ((enum sim_fault)fault) {
	case SIM_FAULT_KILL: sim_machine_start(m); break;
	case SIM_FAULT_FREEZE: sim_machine_thaw(m); break;
	case SIM_FAULT_LOSE: sim_machine_return(m); break;
	case SIM_FAULT_CUT: m->is_cut = 0; break;
	case SIM_FAULT_NONE: break;
	}
}

static void happen(void *machine, __u64 fault)
{
	struct sim_machine *m = machine;

	switch ((enum sim_fault)fault) {
	case SIM_FAULT_KILL: sim_machine_kill(m); break;
	case SIM_FAULT_FREEZE: sim_machine_freeze(m); break;
	case SIM_FAULT_LOSE: sim_machine_lose(m); break;
	case SIM_FAULT_CUT: m->is_cut = 1; break;
	case SIM_FAULT_NONE: break;
	}
}

void sim_fault_plan(struct sim_machine *m, enum sim_fault fault, __u64 at_ns, __u64 for_ns)
{
	sim_at(at_ns, happen, m, fault);
	if (for_ns)
		sim_at(at_ns + for_ns, undo, m, fault);
}

enum sim_fault sim_fault_choose(void)
{
	return SIM_FAULT_KILL + sim_below(sim_machine_count == 1 ? 2 : 3);
}

__u64 sim_fault_duration(void)
{
	return 20 * SIM_MS + sim_below(sim_chance(500) ? 300 * SIM_MS : 3 * SIM_S);
}
