// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * backends_count.c - the connections of each backend, of this proxy
 *
 * This daemon alone writes to the table of splices, so each put and removal counts. The datapath
 * closes splices, which stay in the table for a while, and the ager's walk counts closed splices.
 */
#include "node/backends_internal.h"

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
	backend->walked++;
	backend->walked_closed += sp_state_is_closed(&down->state);
}

void sp_backends_walk_ends(struct sp_backends *b, int is_exact)
{
	for (struct sp_backend *backend = b->all; backend < b->all + b->count; backend++) {
		if (is_exact)
			backend->spliced = backend->walked;
		backend->closed = backend->walked_closed;
		backend->walked = 0;
		backend->walked_closed = 0;
		sp_backend_sum(backend);
	}
}
