/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* backends_internal.h - the table of backends. For backends*.c and the test. */
#ifndef SP_NODE_BACKENDS_INTERNAL_H
#define SP_NODE_BACKENDS_INTERNAL_H

#include "node/backends.h"

struct sp_backends {
	const struct sp_config	*config;
	size_t			count;
	struct sp_backend	*all;		/* in the order of the configuration */
	struct sp_backend	**pools;	/* the first backend of each pool */
	struct sp_backend	**sorted;	/* by key_compare() */
	__u64			random;
	sp_backends_look_fn	is_open;
	void			*look_ctx;
	unsigned int		looks_left;
	size_t			look_next;
	int			has_resets;
};

/*
 * Found by index, if @pool is of the running configuration; by key, if @pool is of an older
 * configuration.
 */
struct sp_backend *sp_backends_find(const struct sp_backends *backends,
				    const struct sp_pool_conf *pool, size_t idx);
/* @pool_id: of a half, the lowest bits. Return: NULL: not in the configuration. */
struct sp_backend *sp_backends_of_half(const struct sp_backends *backends,
				       const struct sp_endpoint *at, __u16 pool_id);

/* backends_list.c: a splice more; @looks at the list remove some that have ended; all of it. */
void sp_backend_list(struct sp_backend *backend, const struct sp_tuple *down_key,
		     __u32 client_isn);
void sp_backend_reap(struct sp_backends *backends, struct sp_backend *backend, unsigned int looks);
void sp_backend_unlist(struct sp_backend *backend);

static inline __u64 sp_backend_seed(const struct sp_backend_conf *conf)
{
	return sp_balance_hash(conf->name, strlen(conf->name));
}

#endif
