/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel.h - the kernel's features that the datapath needs. For datapath.c. */
#ifndef SP_DATAPATH_KERNEL_H
#define SP_DATAPATH_KERNEL_H

/**
 * sp_kernel_check() - before the datapath is loaded; logs a missing feature
 * @program:	name for the log
 * Return: 0, also if the kernel does not tell; -EOPNOTSUPP.
 */
int sp_kernel_check(const char *program);

/* After the kernel refused the datapath with @err. Return: the remedy, for a line of the log. */
const char *sp_kernel_remedy(int err);

#endif
