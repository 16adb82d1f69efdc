/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* confine.h - the daemon gives up privileges after its start. For main.c. */
#ifndef SP_NODE_CONFINE_H
#define SP_NODE_CONFINE_H

/* Drop capabilities and restrict system calls, for good. Return: 0 or -errno. */
int sp_confine(void);
/* Drop this thread's capabilities; sp_confine() restricts its system calls. Return: 0 or -errno. */
int sp_confine_thread(void);

#endif
