/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * machine.h - a proxy's host: a kernel with the datapath, and a daemon, which is all of src/proxy
 * as it is. Below it are fakes: kernel.c of the datapath, store.c of the store, machine.c of raw
 * sockets, the relay's socket and libuv.
 */
#ifndef SP_SIM_MACHINE_H
#define SP_SIM_MACHINE_H

#include "proxy/proxy.h"

#define SIM_MACHINES_MAX 3

/**
 * struct sim_machine - a proxy's host
 * @life:	which daemon it is: what was meant for one before does not reach it
 * @is_up:	it has power
 * @is_running:	there is a daemon
 * @is_frozen:	which the scheduler has forgotten
 * @is_cut:	it does not reach the store
 * @is_announced: routers send it packets for services
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

/* @count: 1: engine local; else they share a store */
void sim_machines_begin(unsigned int count);
void sim_machines_end(void);

/* kill -9; and a daemon is started again, over the maps of the one before. */
void sim_machine_kill(struct sim_machine *m);
void sim_machine_start(struct sim_machine *m);
/* Until it is thawed nothing of it runs. */
void sim_machine_freeze(struct sim_machine *m);
void sim_machine_thaw(struct sim_machine *m);
/* The power is gone, and comes back: with it goes all that the kernel had. */
void sim_machine_lose(struct sim_machine *m);
void sim_machine_return(struct sim_machine *m);

void sim_machine_receive(struct sim_machine *m, const void *packet, unsigned int len);

/*
 * What the daemon is to do: at once, or when it is thawed; nothing, if it is another one by then.
 */
void sim_machine_call(struct sim_machine *m, unsigned int life, void (*fn)(void *arg), void *arg);

#endif
