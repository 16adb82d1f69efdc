/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* netlink.h - a socket for queries about interfaces and routes. */
#ifndef SP_BASE_NETLINK_H
#define SP_BASE_NETLINK_H

/*
 * Opened with the first call, @fd being -1, and kept: a confined daemon opens no more of this
 * family. A read ends after 0.2 s. Return: *@fd.
 */
int sp_netlink_get(int *fd);

#endif
