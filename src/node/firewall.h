/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* firewall.h - a packet filter of this host that refuses what we send: said as a warning, with the lines that help. */
#ifndef SP_NODE_FIREWALL_H
#define SP_NODE_FIREWALL_H

#include "config/config.h"
#include "tcp/wire.h"

/* Looks whether packets were refused since the last call. A few times a second. */
void sp_firewall_tick(const struct sp_wire *wire, const struct sp_config *config, __u64 now_ns);

#endif
