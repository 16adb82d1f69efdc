/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * access_writer.h - a process that writes the access log, since a stuck disk blocks a writer. The
 * process ends with the daemon.
 */
#ifndef SP_NODE_ACCESS_WRITER_H
#define SP_NODE_ACCESS_WRITER_H

#include "abi/ktypes.h"

#define SP_ACCESS_TARGETS_MAX	64
#define SP_ACCESS_BATCH_MAX	(32 * 1024)

enum sp_access_order { SP_ACCESS_OPEN, SP_ACCESS_WRITE, SP_ACCESS_REOPEN };

/*
 * struct sp_access_message - to the writer, before the name of a target or before lines. The
 * answer is a __u32: the number of lines lost.
 */
struct sp_access_message {
	__u16	order;
	__u16	target;
	char	text[SP_ACCESS_BATCH_MAX];
};

/*
 * Before the daemon opens files: the writer is a copy of this process, without capabilities.
 * @closes: descriptors of no use to the writer; -1: none. Return: the daemon's end of a socket, or
 * -errno.
 */
int sp_access_writer_open(const int *closes, unsigned int count);

#endif
