/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel.h - whether the kernel has what the datapath needs. */
#ifndef SP_DATAPATH_KERNEL_H
#define SP_DATAPATH_KERNEL_H

/**
 * sp_kernel_check() - before the datapath is loaded: a line in the log says what is needed, and what is there
 * @program:	what the line calls it
 * Return: 0, also where the kernel does not tell; -EOPNOTSUPP.
 */
int sp_kernel_check(const char *program);

#endif
