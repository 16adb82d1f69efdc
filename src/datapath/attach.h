/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* attach.h - the programs at interfaces, where they stay without us. For datapath.c and state.c. */
#ifndef SP_DATAPATH_ATTACH_H
#define SP_DATAPATH_ATTACH_H

#include "datapath/leaving.h"

/**
 * sp_attach() - attach to each interface, in the place of older programs without a gap
 * @path:	directory where they are pinned, once for each interface
 * @in_fd:	for ingress
 * @out_fd:	for egress; -1: none
 *
 * By tcx, or by clsact where the kernel is older than 6.6, or with
 * SPLICED_ATTACH=clsact in the environment (for tests of that way).
 * Interfaces that are no longer configured are let go: by tcx when nothing needs them any more (leaving.h), else now.
 * @leavings:	NULL: nothing is spliced
 * Return: 0 or -errno, logged.
 */
int sp_attach(const char *path, const struct sp_config *config, int in_fd, int out_fd, struct sp_leavings *leavings);
/* Now and then: those that nothing needs any more go. @oldest_s, @walk_s: as of struct sp_ager */
void sp_attach_let_go(const char *path, struct sp_leavings *leavings, __s64 oldest_s, __s64 walk_s);

/* Return: whether clsact filters are ours in @path: they change by netlink, which a confined daemon has no right to. */
int sp_attach_is_by_clsact(const char *path);

/**
 * struct sp_hook - what is remembered of one direction of an interface
 * @ifindex:	when it was attached
 * @revision:	see struct sp_tcx
 * @look_ns:	the chain is not looked at before, unless the interface is another one
 * @next_ns:	we don't put ourselves in front again before
 * @err:	of the last look
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
 * sp_attach_check() - about once a second while we run: is all still attached, and first?
 * @hooks:	zeroed whenever sp_attach() was called
 *
 * Interfaces are looked for each time; their chains, for which the kernel's lock of all interfaces is taken, each 10 s,
 * or when something is wrong. An interface that has come back is attached again, as long as that is possible without
 * capabilities: by tcx. What is not as it should be is a warning.
 * Return: the name of an interface without our programs; NULL: all is well.
 */
const char *sp_attach_check(const char *path, const struct sp_config *config, int in_fd, int out_fd,
			    struct sp_hooks *hooks, __u64 now_ns);

/* Remove one thing that is pinned in @dir_fd; what it keeps attached is detached. Return: 0 or -errno. */
int sp_unpin(int dir_fd, const char *name);

#endif
