/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* confine.h - what the daemon can't do any more once it has started */
#ifndef SP_NODE_CONFINE_H
#define SP_NODE_CONFINE_H

/* No way back. Return: 0 or -errno. */
int sp_confine(void);

#endif
