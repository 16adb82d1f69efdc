/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loader.h - reads a configuration in a thread, because a large file takes longer than packets should
 * wait. The thread has no state of the daemon: it makes a new configuration and hands that over.
 */
#ifndef SP_NODE_LOADER_H
#define SP_NODE_LOADER_H

#include "node/role.h"

typedef struct uv_loop_s uv_loop_t;
struct sp_loader;

/**
 * sp_loaded_fn - the end of a load, in the event loop
 * @ticket:	of the latest sp_loader_start() that this load answers
 * @err:	as of sp_config_load(), with @error
 * @next:	taken over; NULL after an error
 */
typedef void (*sp_loaded_fn)(void *ctx, __u64 ticket, int err, const char *error,
			     struct sp_config *next);

/* Before sp_confine(): the thread confines itself. Return: 0 or -errno. */
int sp_loader_open(uv_loop_t *loop, const struct sp_role *role, const char *path, sp_loaded_fn fn,
		   void *ctx, struct sp_loader **ret_loader);
/*
 * Load, or load once more behind a load under way: the file may have changed since its begin.
 * Return: a ticket, rising from 1.
 */
__u64 sp_loader_start(struct sp_loader *loader);
/* Waits for the end of a load. The loop turns once more. NULL is ignored. */
void sp_loader_close(struct sp_loader *loader);

#endif
