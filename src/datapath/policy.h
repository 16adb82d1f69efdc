/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy.h - IPsec policies of this host: read at the start, then updated by netlink. For
 * datapath.c.
 */
#ifndef SP_DATAPATH_POLICY_H
#define SP_DATAPATH_POLICY_H

#include "abi/policy.h"

#define SP_POLICIES_KNOWN_MAX 1024

/*
 * Theory of operation
 *
 * Packets of the datapath bypass the kernel's IPsec (bpf_redirect_neigh()). A packet that a policy
 * wants encrypted, or forbids, would leave in clear. The datapath can't encrypt, so it has a table
 * of policies. Each half consults the table with each route lookup, about four times a second:
 * packets that a policy fits are dropped (ipsec among the drops). The daemon makes no such splice
 * to begin with. Policies of an xfrm interface (if_id) are ignored.
 *
 * A policy of direction in or fwd forbids packets that come in clear. Such packets are not
 * answered: one table serves for both. The defaults of the host (`ip xfrm policy setdefault`) are
 * in the table, too, for packets that no policy fits.
 *
 * The table is read with the capabilities of the start; later the kernel reports changes.
 */
struct sp_policy_watch;

/* Return: 0 or -errno; *@ret_watch is NULL if the kernel has no IPsec. */
int sp_policy_watch_open(struct sp_policy_watch **ret_watch);
void sp_policy_watch_close(struct sp_policy_watch *watch);

/* The descriptor to poll: readable after a change. */
int sp_policy_watch_fd(const struct sp_policy_watch *watch);

/* Return: whether the table has changed. */
int sp_policy_watch_read(struct sp_policy_watch *watch, __u64 now_ns);

/*
 * Return: number of policies that the table has no room for: then all packets are forbidden that no
 * other policy lets pass.
 */
unsigned int sp_policy_watch_beyond(const struct sp_policy_watch *watch);

/* Borrowed; NULL if @watch is. */
const struct sp_policies *sp_policy_watch_table(const struct sp_policy_watch *watch);

/* Return: whether a policy forbids packets of @out; 0 if @table is NULL. */
int sp_policies_forbid(const struct sp_policies *table, const struct sp_tuple *out);

#endif
