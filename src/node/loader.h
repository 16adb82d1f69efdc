/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loader.h - reads the daemon's configuration in the worker, because a large file takes longer than
 * packets should wait: the result is a new configuration.
 */
#ifndef SP_NODE_LOADER_H
#define SP_NODE_LOADER_H

#include "node/role.h"

struct sp_loader;
struct sp_worker;

/**
 * sp_loaded_fn - the end of a load, in the event loop
 * @ticket:	of the latest sp_loader_start() that this load answers
 * @err:	as of sp_config_load(), with @error
 * @next:	taken over; NULL after an error
 */
typedef void (*sp_loaded_fn)(void *ctx, __u64 ticket, int err, const char *error,
			     struct sp_config *next);

/* All are borrowed. Return: 0 or -ENOMEM. */
int sp_loader_new(struct sp_worker *worker, const struct sp_role *role, const char *path,
		  sp_loaded_fn fn, void *ctx, struct sp_loader **ret_loader);
/*
 * Load, or load once more behind a load under way: the file may have changed since its begin.
 * Return: a ticket, rising from 1.
 */
__u64 sp_loader_start(struct sp_loader *loader);
/* The worker is closed. NULL is ignored. */
void sp_loader_free(struct sp_loader *loader);

#endif
