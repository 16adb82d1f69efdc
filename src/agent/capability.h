/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* capability.h - abilities of an agent, on this host and with these servers. Faults are logged. */
#ifndef SP_AGENT_CAPABILITY_H
#define SP_AGENT_CAPABILITY_H

#include "agent/untaken.h"
#include "cluster/cluster.h"
#include "datapath/datapath.h"

/* Set the host's forwarding so that the datapath finds routes to clients. */
void sp_capability_prepare_host(void);

/*
 * Return: SP_CAN_*, by the kernel (@can_adopt), the host's current settings, and VLANs on the
 * interfaces of @config.
 */
__u8 sp_capability_of_host(int can_adopt, const struct sp_config *config);

/**
 * sp_capability_send() - send proxies the endpoints for which connections can be adopted now, and
 * the MTU
 * @can:	of the host
 * @untaken:	listeners whose segments the host drops
 * An endpoint without a listener is left out: the host would answer RST, and no proxy would mark
 * the backend down. So is a listener of MPTCP, for which the kernel adopts no connection.
 */
void sp_capability_send(struct sp_cluster *cluster, struct sp_datapath *dp,
			const struct sp_config *config, __u8 can, const struct sp_untaken *untaken);

#endif
