/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tcx.h - our place among the programs of an interface, where it has a chain of them (Linux 6.6). For attach.c. */
#ifndef SP_DATAPATH_TCX_H
#define SP_DATAPATH_TCX_H

#include "abi/ktypes.h"

/**
 * struct sp_tcx - a chain: one direction of one interface
 * @path:	where our link is pinned
 * @revision:	of the chain, when we were its first; 0: not known
 */
struct sp_tcx {
	const char	*interface, *path;
	unsigned int	ifindex;
	int		prog_fd, is_out;
	__u64		revision;
};

/*
 * Be the first, in the place of an older program of ours without a gap where that is the first. Who else is there is
 * said as a warning, as long as we have the capabilities to ask. Return: 0; -EINVAL: the kernel has no tcx; -errno.
 */
int sp_tcx_attach(struct sp_tcx *t, __u64 now_ns);

/*
 * While we run. Return: 0: as we have left it; -ESTALE: others have come or gone, and may stand before us; -ENOLINK: we
 * are not there any more, or it is another interface of that name.
 */
int sp_tcx_check(struct sp_tcx *t);

/* After -ESTALE: to the front again. For a moment nothing of ours is there. Return: 0 or -errno. */
int sp_tcx_to_front(struct sp_tcx *t);

#endif
