/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * links.h - a descriptor that says when an interface has come, gone or changed. For the event loop
 * of main.c.
 */
#ifndef SP_DATAPATH_LINKS_H
#define SP_DATAPATH_LINKS_H

/* Return: to be polled; or -errno. */
int sp_links_open(void);
/* What happened is not told: all interfaces are to be looked at. */
void sp_links_drain(int fd);

#endif
