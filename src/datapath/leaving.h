/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * leaving.h - interfaces that the configuration has no more, while splices may need them. For
 * attach.c and datapath.c.
 *
 * Such an interface still carries spliced packets, and answers no SYN. The interface is released
 * when no splice is as old as its removal.
 */
#ifndef SP_DATAPATH_LEAVING_H
#define SP_DATAPATH_LEAVING_H

#include <net/if.h>

#include "config/config.h"

/* @until_s: CLOCK_REALTIME: splices made before may still need the interface */
struct sp_leaving {
	char		interface[IFNAMSIZ];
	__u32		ifindex;
	__s64		until_s;
};

/* @map_fd: the map with the program's view of leaving interfaces */
struct sp_leavings {
	struct sp_leaving	of[SP_CONFIG_INTERFACES_MAX];
	unsigned int		count;
	int			map_fd;
};

/* Forget interfaces left by a former daemon. */
void sp_leaving_init(struct sp_leavings *l, int map_fd);
/*
 * Add an interface that is not configured any more. Return: 0: stays attached; -ENODEV: the
 * interface is gone; -ENOSPC: too many. After an error release it at once.
 */
int sp_leaving_add(struct sp_leavings *l, const struct sp_config *config, const char *interface,
		   __u64 now_ns);
/* Remove an interface that is configured again, or released. */
void sp_leaving_remove(struct sp_leavings *l, const char *interface);
/* The next unneeded interface; NULL: none. @oldest_s, @walk_s: as of struct sp_ager */
const struct sp_leaving *sp_leaving_next(const struct sp_leavings *l, __s64 oldest_s, __s64 walk_s);

#endif
