/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - what a proxy's kernel does: the real programs of bpf/, compiled for this machine, over
 * maps in memory. It is also the daemon's datapath.h.
 */
#ifndef SP_SIM_KERNEL_H
#define SP_SIM_KERNEL_H

#include "datapath/datapath.h"

#define SIM_PACKET_MAX 9216

/* A machine's maps: they outlive its daemon. */
struct sp_datapath *sim_kernel_new(void);
void sim_kernel_free(struct sp_datapath *dp);

/*
 * An IP packet comes in. Return: bytes of what leaves, in @packet's place, which has room for
 * SIM_PACKET_MAX; 0: it was dropped, or went up, or to the stack.
 */
unsigned int sim_kernel_receive(struct sp_datapath *dp, void *packet, unsigned int len);
/* Halves that are neither closed nor left behind. */
unsigned int sim_kernel_live_halves(const struct sp_datapath *dp);
/* Whether anything waits in the ring. */
int sim_kernel_has_events(const struct sp_datapath *dp);

#endif
