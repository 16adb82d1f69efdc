/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* extend.c - a configuration with backends beside the written backends. */
#include "config/doc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/**
 * struct filling - of a pool's list
 * @doc:	owns the memory of the new configuration
 * @sorted:	endpoints of the pool so far, for bsearch()
 * @checks_left: room for backends with checks, in all pools
 */
struct filling {
	struct sp_doc		*doc;
	size_t			checks_left;
	size_t			sorted_count;
	struct sp_endpoint	sorted[SP_CONFIG_BACKENDS_MAX];
};

/* The place of @at in @f->sorted, also if it is new. */
static size_t find_place(const struct filling *f, const struct sp_endpoint *at)
{
	size_t low = 0, high = f->sorted_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sp_endpoint_compare(&f->sorted[mid], at) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Return: 0; -EEXIST; -ENOSPC. */
static int note_endpoint(struct filling *f, const struct sp_endpoint *at)
{
	size_t place = find_place(f, at);

	if (place < f->sorted_count && !sp_endpoint_compare(&f->sorted[place], at))
		return -EEXIST;
	if (f->sorted_count == SP_CONFIG_BACKENDS_MAX)
		return -ENOSPC;
	memmove(&f->sorted[place + 1], &f->sorted[place],
		(f->sorted_count - place) * sizeof(f->sorted[0]));
	f->sorted[place] = *at;
	f->sorted_count++;
	return 0;
}

static int add_backend(struct filling *f, struct sp_pool_conf *pool,
		       const struct sp_backend_conf *from)
{
	int has_check = pool->check.type != SP_CHECK_NONE, err;
	struct sp_backend_conf *to = &pool->backends[pool->backend_count];

	if (has_check && !f->checks_left)
		return -ENOSPC;
	err = note_endpoint(f, &from->at);
	if (err)
		return err;
	*to = *from;
	to->name = sp_doc_strdup(f->doc, from->name);
	to->origin = sp_doc_strdup(f->doc, from->origin);
	if (!to->name || !to->origin)
		return -ENOMEM;
	pool->backend_count++;
	f->checks_left -= has_check;
	return 0;
}

static int extend_pool(struct filling *f, struct sp_pool_conf *pool,
		       const struct sp_more_backends *more, unsigned int *ret_left_off)
{
	const struct sp_backend_conf *written = pool->backends;

	*ret_left_off = 0;
	if (!more->count)
		return 0;
	pool->backends = sp_doc_alloc(f->doc, pool->backend_count + more->count, sizeof(*written));
	if (!pool->backends)
		return -ENOMEM;
	if (pool->backend_count)
		memcpy(pool->backends, written, pool->backend_count * sizeof(*written));
	f->sorted_count = 0;
	for (size_t i = 0; i < pool->backend_count; i++)
		note_endpoint(f, &written[i].at);
	for (size_t i = 0; i < more->count; i++) {
		int err = add_backend(f, pool, &more->all[i]);

		if (err == -ENOMEM)
			return err;
		*ret_left_off += err == -ENOSPC;
	}
	return 0;
}

static size_t count_checks(const struct sp_config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].check.type != SP_CHECK_NONE)
			count += config->pools[i].backend_count;
	return count;
}

static int extend_pools(struct filling *f, struct sp_config *config,
			const struct sp_more_backends *more, unsigned int *ret_left_off)
{
	const struct sp_pool_conf *written = config->pools;
	int err = 0;

	f->checks_left = SP_CHECKS_MAX - count_checks(config);
	config->pools = sp_doc_alloc(f->doc, config->pool_count, sizeof(*written));
	if (!config->pools)
		return -ENOMEM;
	memcpy(config->pools, written, config->pool_count * sizeof(*written));
	for (size_t i = 0; !err && i < config->pool_count; i++)
		err = extend_pool(f, &config->pools[i], &more[i], &ret_left_off[i]);
	return err;
}

int sp_config_extend(struct sp_config *written, const struct sp_more_backends *more,
		     unsigned int *ret_left_off, struct sp_config **ret_config)
{
	struct sp_loaded *loaded = calloc(1, sizeof(*loaded));
	struct filling *filling = calloc(1, sizeof(*filling));
	char error[SP_CONFIG_ERROR_MAX];
	struct sp_doc doc = { .path = "", .error = error };
	int err = -ENOMEM;

	if (loaded && filling) {
		loaded->config = *written;
		loaded->config.refs = 1;
		loaded->config.written = sp_config_get(written);
		filling->doc = &doc;
		err = extend_pools(filling, &loaded->config, more, ret_left_off);
		loaded->chunks = doc.chunks;
	}
	free(filling);
	if (err && loaded)
		sp_config_free(&loaded->config);
	if (!err)
		*ret_config = &loaded->config;
	return err;
}
