// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* loader.c - see loader.h. The thread of the worker has the result until the load is done. */
#include "node/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/worker.h"

struct sp_loader {
	struct sp_work		work;
	struct sp_worker	*worker;
	const struct sp_role	*role;
	const char		*path;
	sp_loaded_fn		fn;
	void			*ctx;
	__u64			ticket, loading;	/* @loading: 0: no load */
	int			err;
	char			error[SP_CONFIG_ERROR_MAX];
	struct sp_config	*next;
};

static void run_load(struct sp_work *work)
{
	struct sp_loader *l = (struct sp_loader *)work;
	struct sp_config *next = NULL;

	l->error[0] = 0;
	l->err = l->role->load(l->path, l->error, &next);
	l->next = l->err ? NULL : next;
}

static void begin_load(struct sp_loader *l)
{
	l->loading = l->ticket;
	sp_worker_add(l->worker, &l->work);
}

/* The result leaves the loader first, because the callback may start the next load. */
static void end_load(struct sp_work *work)
{
	struct sp_loader *l = (struct sp_loader *)work;
	char error[SP_CONFIG_ERROR_MAX];
	struct sp_config *next = l->next;
	__u64 ticket = l->loading;
	int err = l->err;

	memcpy(error, l->error, sizeof(error));
	l->next = NULL;
	l->loading = 0;
	if (l->ticket > ticket)
		begin_load(l);
	l->fn(l->ctx, ticket, err, error, next);
}

static void drop_load(struct sp_work *work)
{
	struct sp_loader *l = (struct sp_loader *)work;

	sp_config_put(l->next);
	l->next = NULL;
}

__u64 sp_loader_start(struct sp_loader *l)
{
	l->ticket++;
	if (!l->loading)
		begin_load(l);
	return l->ticket;
}

int sp_loader_new(struct sp_worker *worker, const struct sp_role *role, const char *path,
		  sp_loaded_fn fn, void *ctx, struct sp_loader **ret_loader)
{
	struct sp_loader *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct sp_loader){
		.work = { .run = run_load, .done = end_load, .drop = drop_load },
		.worker = worker, .role = role, .path = path, .fn = fn, .ctx = ctx,
	};
	*ret_loader = l;
	return 0;
}

void sp_loader_free(struct sp_loader *l)
{
	free(l);
}
