/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * filters.h - who stands in front of ours among the clsact filters of an interface. For attach.c.
 */
#ifndef SP_DATAPATH_FILTERS_H
#define SP_DATAPATH_FILTERS_H

#include "abi/ktypes.h"

/*
 * Of our priority, the newest filter is the first. Needs no capability.
 * Return: the handle of one in front of that with handle @own; 0: none, or it can't be told
 */
__u32 sp_filters_in_front(unsigned int ifindex, int is_out, __u32 priority, __u32 own);

#endif
