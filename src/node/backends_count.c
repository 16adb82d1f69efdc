// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * backends_count.c - this proxy's connections with backends
 *
 * The daemon alone writes to the table of splices: puts and removals count. The datapath closes
 * splices, and closed splices stay in the table for a while: the ager's walk counts them.
 */
#include "node/backends_internal.h"

#define LOOKS_ADDED	2

static struct sp_backend *find_by_key(const struct sp_backends *b, const struct sp_tuple *down_key,
				      const struct sp_half *down)
{
	const struct sp_endpoint at = { down_key->saddr, down_key->sport };

	return sp_backends_of_half(b, &at, down->pool_id);
}

void sp_backends_opening(struct sp_backends *b, const struct sp_pool_conf *pool, int idx,
			 int change)
{
	struct sp_backend *backend = sp_backends_find(b, pool, idx);

	if (!backend || (change < 0 && !backend->opening))
		return;
	backend->opening += change;
	sp_backend_sum(backend);
}

void sp_backends_spliced(struct sp_backends *b, const struct sp_tuple *down_key,
			 const struct sp_entry *down, int change)
{
	struct sp_backend *backend = find_by_key(b, down_key, &down->half);

	if (!backend || (change < 0 && !backend->spliced))
		return;
	backend->spliced += change;
	if (change > 0 && backend->max) {
		sp_backend_list(backend, down_key, down->meta.client_isn);
		sp_backend_reap(b, backend, LOOKS_ADDED);
	}
	if (change < 0 && backend->closed && sp_state_is_closed(&down->state))
		backend->closed--;
	sp_backend_sum(backend);
}

void sp_backends_walked(struct sp_backends *b, const struct sp_tuple *down_key,
			const struct sp_entry *down)
{
	struct sp_backend *backend = find_by_key(b, down_key, &down->half);

	if (!backend)
		return;
	if (backend->walks_left == 1 && !sp_state_is_closed(&down->state) &&
	    down->half.spliced_s < backend->listed_since_s)
		sp_backend_list(backend, down_key, down->meta.client_isn);
	backend->walked++;
	backend->walked_closed += sp_state_is_closed(&down->state);
}

void sp_backends_walk_ends(struct sp_backends *b, int is_exact)
{
	for (struct sp_backend *backend = b->all; backend < b->all + b->count; backend++) {
		if (is_exact)
			backend->spliced = backend->walked;
		backend->closed = backend->walked_closed;
		backend->walks_left -= !!backend->walks_left;
		backend->walked = 0;
		backend->walked_closed = 0;
		sp_backend_sum(backend);
	}
}
