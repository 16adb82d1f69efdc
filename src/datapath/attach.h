/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * attach.h - the programs at interfaces, where they stay without the daemon. For datapath.c and
 * state.c. Context: event loop; system calls only.
 */
#ifndef SP_DATAPATH_ATTACH_H
#define SP_DATAPATH_ATTACH_H

#include "datapath/leaving.h"

/**
 * sp_attach() - attach to each interface, in the place of older programs without a gap
 * @path:	directory of the pins, one for each interface and direction
 * @in_fd:	for ingress
 * @out_fd:	for egress; -1: none
 *
 * @leavings:	NULL: nothing is spliced
 *
 * By tcx; by clsact if the kernel is older than 6.6, or with SPLICED_ATTACH=clsact in the
 * environment (for tests). Interfaces no longer configured are detached: by tcx when no splice
 * needs them any more (leaving.h), else now. Return: 0 or -errno, logged.
 */
int sp_attach(const char *path, const struct sp_config *config, int in_fd, int out_fd,
	      struct sp_leavings *leavings);
/* Detach interfaces of @leavings unneeded by splices. @oldest_s, @walk_s: of struct sp_ager */
void sp_attach_let_go(const char *path, struct sp_leavings *leavings, __s64 oldest_s, __s64 walk_s);

/* Return: whether @path has pins of clsact. Those change by netlink, with CAP_NET_ADMIN. */
int sp_attach_is_by_clsact(const char *path);

/**
 * struct sp_hook - the state of one direction of an interface, between checks
 * @ifindex:	when the program was attached
 * @revision:	see struct sp_tcx
 * @look_ns:	time of the next query of the chain, unless the interface is new
 * @next_ns:	earliest time for another move of the program to the front
 * @err:	of the last check
 */
struct sp_hook {
	unsigned int	ifindex;
	__u64		revision, look_ns, next_ns;
	int		err;
};

struct sp_hooks {
	struct sp_hook	in[SP_CONFIG_INTERFACES_MAX], out[SP_CONFIG_INTERFACES_MAX];
};

/**
 * sp_attach_check() - check that the programs are still attached, and first; about once a second
 * @hooks:	zeroed after each sp_attach()
 *
 * Each call checks that the interfaces exist. A query of a chain takes the kernel's lock of all
 * interfaces, so it happens each 10 s, or after an error. If an interface has come back, tcx
 * attaches the program again; clsact lacks the capabilities. Faults become warnings. Return: the
 * name of an interface without our programs, borrowed from @config; NULL: none.
 */
const char *sp_attach_check(const char *path, const struct sp_config *config, int in_fd, int out_fd,
			    struct sp_hooks *hooks, __u64 now_ns);

/* Remove a pin of @dir_fd, and detach its program. Return: 0 or -errno. */
int sp_unpin(int dir_fd, const char *name);

#endif
