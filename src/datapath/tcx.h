/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tcx.h - our program in an interface's chain of programs (Linux 6.6). For attach.c. */
#ifndef SP_DATAPATH_TCX_H
#define SP_DATAPATH_TCX_H

#include "abi/ktypes.h"

/**
 * struct sp_tcx - a chain: one direction of one interface
 * @interface, @path: borrowed; @path is the pin of our link
 * @revision:	of the chain, when our program was its first; 0: not known
 */
struct sp_tcx {
	const char	*interface, *path;
	unsigned int	ifindex;
	int		prog_fd, is_out;
	__u64		revision;
};

/*
 * Attach as the first program. An older program of ours that is the first is replaced without a
 * gap. Other programs in the chain become warnings, if the daemon still has the capability to
 * query. Return: 0; -EINVAL: the kernel has no tcx; -errno.
 */
int sp_tcx_attach(struct sp_tcx *t, __u64 now_ns);

/*
 * Check the chain. Return: 0: unchanged; -ESTALE: programs were added or removed, and may be before
 * ours; -ENOLINK: our program was detached, or the interface is a new one of that name.
 */
int sp_tcx_check(struct sp_tcx *t);

/*
 * After -ESTALE: move to the front. For a moment our program is not attached. Return: 0 or -errno.
 */
int sp_tcx_to_front(struct sp_tcx *t);

#endif
