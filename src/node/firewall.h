/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * firewall.h - a warning if a packet filter of this host refuses the daemon's packets, with the nft
 * lines that help. No errors: the warning is all.
 */
#ifndef SP_NODE_FIREWALL_H
#define SP_NODE_FIREWALL_H

#include "config/config.h"
#include "tcp/wire.h"

/* Warn if packets were refused since the last call; both borrowed. Call it a few times a second. */
void sp_firewall_tick(const struct sp_wire *wire, const struct sp_config *config, __u64 now_ns);

/*
 * The lines of nft that exempt the daemon's packets from connection tracking. @buf has
 * SP_WARNING_REMEDY_MAX bytes. Return: @buf, or a constant text.
 */
const char *sp_firewall_remedy(const struct sp_config *config, char *buf);

#endif
