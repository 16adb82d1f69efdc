// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * backends_list.c - open splices of backends with `max_connections`
 *
 * The datapath closes a splice without a message, but room at a backend is needed before the ager's
 * next walk. So splices are listed, and each choice looks at a part of a full backend's list. Each
 * addition looks at two splices of the list, so closed splices do not pile up.
 */
#include "node/backends_internal.h"

#include <stdlib.h>

#define ROOM_FIRST	64
#define LOOKS_TICK	64

void sp_backend_list(struct sp_backend *backend, const struct sp_tuple *down_key, __u32 client_isn)
{
	struct sp_listed *l = &backend->listed;
	__u32 room = l->room ? 2 * l->room : ROOM_FIRST;
	struct sp_listed_one *all;

	if (l->count == l->room) {
		all = realloc(l->all, room * sizeof(*all));
		if (!all)
			return;		/* not counted */
		l->all = all;
		l->room = room;
	}
	l->all[l->count++] = (struct sp_listed_one){ *down_key, client_isn };
}

void sp_backend_reap(struct sp_backends *b, struct sp_backend *backend, unsigned int looks)
{
	struct sp_listed *l = &backend->listed;

	if (!b->is_open)
		return;
	for (; looks && l->count && b->looks_left; looks--, b->looks_left--) {
		const struct sp_listed_one *one;

		if (l->at >= l->count)
			l->at = 0;
		one = &l->all[l->at];
		if (b->is_open(b->look_ctx, &one->down_key, one->client_isn))
			l->at++;
		else
			l->all[l->at] = l->all[--l->count];
	}
	sp_backend_sum(backend);
}

void sp_backend_unlist(struct sp_backend *backend)
{
	free(backend->listed.all);
	backend->listed = (struct sp_listed){ 0 };
}

void sp_backends_on_look(struct sp_backends *b, sp_backends_look_fn is_open, void *ctx)
{
	b->is_open = is_open;
	b->look_ctx = ctx;
	b->looks_left = SP_BACKENDS_LOOKS;
}

/* Half of the looks go to all lists in turns, so that counts are right also without new splices. */
void sp_backends_tick(struct sp_backends *b)
{
	b->looks_left = SP_BACKENDS_LOOKS;
	for (size_t i = 0; i < b->count && b->looks_left > SP_BACKENDS_LOOKS / 2; i++) {
		struct sp_backend *backend = &b->all[b->look_next];

		b->look_next = b->look_next + 1 < b->count ? b->look_next + 1 : 0;
		if (backend->listed.count)
			sp_backend_reap(b, backend, LOOKS_TICK);
	}
}
