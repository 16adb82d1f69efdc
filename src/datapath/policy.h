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
 * What the datapath sends goes past the kernel's IPsec (bpf_redirect_neigh()), so it would leave in
 * clear what a policy says must be encrypted, or must not leave. It can't encrypt. So it keeps a
 * table of policies and looks into it whenever it looks a way out up, about four times a second for
 * each half: what a policy is meant for is dropped (ipsec among the drops). The daemon makes no
 * such splice to begin with. Policies of an xfrm interface (if_id) are none of these.
 *
 * A policy of direction in or fwd says what must not come in clear. What it is meant for is not
 * answered: one table serves for both. So do the defaults of the host (`ip xfrm policy
 * setdefault`), for what no policy fits.
 *
 * The table is read with the capabilities of the start; later the kernel tells what changes.
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
 * Return: how many policies are beyond what the table holds: then all is forbidden that no other
 * one lets pass.
 */
unsigned int sp_policy_watch_beyond(const struct sp_policy_watch *watch);

/* Borrowed; NULL if @watch is. */
const struct sp_policies *sp_policy_watch_table(const struct sp_policy_watch *watch);

/* Return: whether a policy forbids packets of @out; 0 if @table is NULL. */
int sp_policies_forbid(const struct sp_policies *table, const struct sp_tuple *out);

#endif
