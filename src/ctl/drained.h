/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* drained.h - number of connections of a backend. Only for splicectl. */
#ifndef SP_CTL_DRAINED_H
#define SP_CTL_DRAINED_H

#include <jansson.h>

/**
 * struct sp_drained - a backend, as the daemon has it
 * @pool, @name: parts of "POOL/NAME", borrowed from it
 * @takes_new:	new connections may come
 */
struct sp_drained {
	char		pool[128];
	const char	*name;
	json_int_t	open;
	int		takes_new;
};

/**
 * sp_drained_count() - ask the daemon at @path about the backend @name, "POOL/NAME"
 * Return: 0; -ENOENT: no such backend; -EAGAIN: no answer in time; another -errno.
 */
int sp_drained_count(const char *path, const char *name, struct sp_drained *ret_drained);

#endif
