/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * leaving.h - interfaces that the configuration has no more, while splices may need them. For
 * attach.c and datapath.c.
 *
 * Such an interface goes on carrying what is spliced, and answers no SYN. It is let go when no
 * splice is left that is as old as its removal.
 */
#ifndef SP_DATAPATH_LEAVING_H
#define SP_DATAPATH_LEAVING_H

#include <net/if.h>

#include "config/config.h"

/* @until_s: CLOCK_REALTIME: splices of then may still need it */
struct sp_leaving {
	char		interface[IFNAMSIZ];
	__u32		ifindex;
	__s64		until_s;
};

/* @map_fd: what the program knows of them */
struct sp_leavings {
	struct sp_leaving	of[SP_CONFIG_INTERFACES_MAX];
	unsigned int		count;
	int			map_fd;
};

/* What a daemon before us has left is forgotten. */
void sp_leaving_init(struct sp_leavings *l, int map_fd);
/*
 * It is not configured any more. Return: 0: it stays attached; -ENODEV: it is gone; -ENOSPC: too
 * many. It is to be let go at once then.
 */
int sp_leaving_add(struct sp_leavings *l, const struct sp_config *config, const char *interface,
		   __u64 now_ns);
/* It is configured again, or let go. */
void sp_leaving_remove(struct sp_leavings *l, const char *interface);
/* The next one that nothing needs; NULL: none. @oldest_s, @walk_s: as of struct sp_ager */
const struct sp_leaving *sp_leaving_next(const struct sp_leavings *l, __s64 oldest_s, __s64 walk_s);

#endif
