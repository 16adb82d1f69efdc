/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* confine.h - the daemon gives up privileges after its start. For main.c. */
#ifndef SP_NODE_CONFINE_H
#define SP_NODE_CONFINE_H

/*
 * Drop capabilities and restrict system calls of the calling thread, for good. All threads at once
 * would take seccomp(2), which is not in @system-service of systemd. Return: 0 or -errno.
 */
int sp_confine(void);

#endif
