/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * machine.h - a proxy's host: a kernel with the datapath, and a daemon, all of src/proxy unchanged.
 * Fakes below the daemon: kernel.c of the datapath, store.c of the store, machine.c of raw sockets,
 * the relay's socket and libuv.
 */
#ifndef SP_SIM_MACHINE_H
#define SP_SIM_MACHINE_H

#include "proxy/proxy.h"

#define SIM_MACHINES_MAX 3

/**
 * struct sim_machine - a proxy's host
 * @life:	number of its daemon: calls for an earlier daemon do not reach it
 * @is_up:	power is on
 * @is_running:	a daemon runs
 * @is_frozen:	the daemon is suspended
 * @is_cut:	the store is out of reach
 * @is_announced: routers send packets for services here
 */
struct sim_machine {
	unsigned int		idx, life;
	__u8			is_up, is_running, is_frozen, is_cut, is_announced, is_awaited;
	__u64			silent_ns;
	char			name[16];
	struct sp_addr		snat;
	struct sp_config	*config;
	struct sp_datapath	*dp;
	struct sp_wire		*wire;
	struct sp_store		*store;
	struct sp_cluster	*cluster;
	struct sp_node		*node;
	struct sp_datagrams	*datagrams;
};
extern struct sim_machine sim_machines[SIM_MACHINES_MAX];
extern unsigned int sim_machine_count;

/* @count: 1: engine local; else machines share a store */
void sim_machines_begin(unsigned int count);
void sim_machines_end(void);

/* Kill the daemon (kill -9), and start a new daemon over the maps of the old. */
void sim_machine_kill(struct sim_machine *m);
void sim_machine_start(struct sim_machine *m);
/* Suspend the daemon until it is thawed. */
void sim_machine_freeze(struct sim_machine *m);
void sim_machine_thaw(struct sim_machine *m);
/* Cut the power, with loss of all kernel state, and restore it. */
void sim_machine_lose(struct sim_machine *m);
void sim_machine_return(struct sim_machine *m);

void sim_machine_receive(struct sim_machine *m, const void *packet, unsigned int len);

/*
 * Call @fn in the daemon of @life: at once, or when it is thawed; never, if @life is over by then.
 */
void sim_machine_call(struct sim_machine *m, unsigned int life, void (*fn)(void *arg), void *arg);

#endif
