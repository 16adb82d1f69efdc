/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* confine.h - spliced-check gives up privileges. For main.c. */
#ifndef SP_CHECK_CONFINE_H
#define SP_CHECK_CONFINE_H

/* Return: 0 or -errno. */
int sp_check_confine(void);

#endif
