/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* capability.h - what an agent can do for proxies, on this host and with these servers */
#ifndef SP_AGENT_CAPABILITY_H
#define SP_AGENT_CAPABILITY_H

#include "agent/untaken.h"
#include "cluster/cluster.h"
#include "datapath/datapath.h"

/* Lets routes to clients be found for what servers of this host send. What can't be is logged. */
void sp_capability_prepare_host(void);

/*
 * SP_CAN_*, by what the kernel has (@can_adopt), the host's settings, and VLANs of the interfaces of @config, as they are
 * now; what is missing is logged.
 */
__u8 sp_capability_of_host(int can_adopt, const struct sp_config *config);

/**
 * sp_capability_tell() - tell proxies of which servers the handshakes can be taken over at this moment, and the MTU
 * @can:	of the host
 * @untaken:	those of which the host drops what they should take
 * What has no listener would answer RST, and no proxy would mark it down; one that listens by MPTCP takes no handshake.
 */
void sp_capability_tell(struct sp_cluster *cluster, struct sp_datapath *dp, const struct sp_config *config, __u8 can,
			const struct sp_untaken *untaken);

#endif
