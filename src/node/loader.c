// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * loader.c - see loader.h
 *
 * @lock guards @is_wanted, @is_quitting, @is_done and the result. The loop alone has the tickets.
 */
#include "node/loader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "node/confine.h"

struct sp_loader {
	const struct sp_role	*role;
	const char		*path;
	sp_loaded_fn		fn;
	void			*ctx;
	pthread_t		thread;
	uv_async_t		wakeup;
	pthread_mutex_t		lock;
	pthread_cond_t		changed;
	int			is_confined, is_wanted, is_quitting, is_done, err;
	char			error[SP_CONFIG_ERROR_MAX];
	struct sp_config	*next;
	__u64			ticket, loading;	/* @loading: 0: no load */
};

static void load_one(struct sp_loader *l)
{
	char error[SP_CONFIG_ERROR_MAX] = "";
	struct sp_config *next = NULL;
	int err = l->role->load(l->path, error, &next);

	pthread_mutex_lock(&l->lock);
	l->err = err;
	l->next = err ? NULL : next;
	memcpy(l->error, error, sizeof(error));
	l->is_done = 1;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wakeup);
}

/* Return: whether a load is wanted; 0: the end. */
static int wait_for_work(struct sp_loader *l)
{
	int is_wanted;

	pthread_mutex_lock(&l->lock);
	while (!l->is_wanted && !l->is_quitting)
		pthread_cond_wait(&l->changed, &l->lock);
	is_wanted = l->is_wanted && !l->is_quitting;
	l->is_wanted = 0;
	pthread_mutex_unlock(&l->lock);
	return is_wanted;
}

static void *run_thread(void *arg)
{
	struct sp_loader *l = arg;
	int err = sp_confine();

	pthread_mutex_lock(&l->lock);
	l->is_confined = 1;
	l->err = err;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	while (!err && wait_for_work(l))
		load_one(l);
	return NULL;
}

static void begin_load(struct sp_loader *l)
{
	l->loading = l->ticket;
	pthread_mutex_lock(&l->lock);
	l->is_wanted = 1;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* The result leaves the loader first, because the callback may start the next load. */
static void on_wakeup(uv_async_t *wakeup)
{
	struct sp_loader *l = wakeup->data;
	char error[SP_CONFIG_ERROR_MAX];
	__u64 ticket = l->loading;
	struct sp_config *next;
	int is_done, err;

	pthread_mutex_lock(&l->lock);
	is_done = l->is_done;
	err = l->err;
	next = l->next;
	memcpy(error, l->error, sizeof(error));
	l->next = NULL;
	l->is_done = 0;
	pthread_mutex_unlock(&l->lock);
	if (!is_done)
		return;
	l->loading = 0;
	if (l->ticket > ticket)
		begin_load(l);
	l->fn(l->ctx, ticket, err, error, next);
}

__u64 sp_loader_start(struct sp_loader *l)
{
	l->ticket++;
	if (!l->loading)
		begin_load(l);
	return l->ticket;
}

/* All signals are the loop's. Return: 0 or -errno, also of the thread's confinement. */
static int start_thread(struct sp_loader *l)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&l->thread, NULL, run_thread, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return err;
	pthread_mutex_lock(&l->lock);
	while (!l->is_confined)
		pthread_cond_wait(&l->changed, &l->lock);
	err = l->err;
	pthread_mutex_unlock(&l->lock);
	if (err)
		pthread_join(l->thread, NULL);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	struct sp_loader *l = handle->data;

	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->changed);
	free(l);
}

int sp_loader_open(uv_loop_t *loop, const struct sp_role *role, const char *path, sp_loaded_fn fn,
		   void *ctx, struct sp_loader **ret_loader)
{
	struct sp_loader *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	*l = (struct sp_loader){ .role = role, .path = path, .fn = fn, .ctx = ctx };
	err = uv_async_init(loop, &l->wakeup, on_wakeup);
	if (err) {
		free(l);
		return err;
	}
	l->wakeup.data = l;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	err = start_thread(l);
	if (err)
		uv_close((uv_handle_t *)&l->wakeup, on_closed);
	else
		*ret_loader = l;
	return err;
}

void sp_loader_close(struct sp_loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->is_quitting = 1;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	sp_config_put(l->next);
	uv_close((uv_handle_t *)&l->wakeup, on_closed);
}
