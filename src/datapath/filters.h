/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * filters.h - filters in front of ours among the clsact filters of an interface. For attach.c.
 */
#ifndef SP_DATAPATH_FILTERS_H
#define SP_DATAPATH_FILTERS_H

#include "abi/ktypes.h"

/*
 * The newest filter of our priority is the first. Needs no capability.
 * Return: the handle of a filter in front of the filter with handle @own; 0: none, or unknown
 */
__u32 sp_filters_in_front(unsigned int ifindex, int is_out, __u32 priority, __u32 own);

#endif
