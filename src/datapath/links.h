/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * links.h - a descriptor that is readable when an interface has come, gone or changed. For the
 * event loop of main.c.
 */
#ifndef SP_DATAPATH_LINKS_H
#define SP_DATAPATH_LINKS_H

/* Return: to be polled; or -errno. */
int sp_links_open(void);
/* Read all messages, without their contents: the caller has to check all interfaces. */
void sp_links_drain(int fd);

#endif
