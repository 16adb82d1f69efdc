/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - a proxy's kernel: the real programs of bpf/, compiled for this machine, over maps in
 * memory. The daemon's datapath.h is implemented here, too.
 */
#ifndef SP_SIM_KERNEL_H
#define SP_SIM_KERNEL_H

#include "datapath/datapath.h"

#define SIM_PACKET_MAX 9216

/* Maps of a machine outlive its daemon. */
struct sp_datapath *sim_kernel_new(void);
void sim_kernel_free(struct sp_datapath *dp);

/*
 * Run the datapath on an IP packet. Return: bytes of the leaving packet, in the place of @packet,
 * with room for SIM_PACKET_MAX; 0: dropped, sent up, or passed to the stack.
 */
unsigned int sim_kernel_receive(struct sp_datapath *dp, void *packet, unsigned int len);
/*
 * Halves that sp_entry_is_live() counts: neither closed, nor of a port that the client has reused.
 */
unsigned int sim_kernel_live_halves(const struct sp_datapath *dp);
/* Whether events wait in the ring. */
int sim_kernel_has_events(const struct sp_datapath *dp);

#endif
