// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* worker.c - see worker.h. @lock guards the two lists and the flags. */
#include "node/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "node/confine.h"

/* First in, first out. */
struct list {
	struct sp_work	*first, **end;
};

struct sp_worker {
	pthread_t	thread;
	uv_async_t	wakeup;
	pthread_mutex_t	lock;
	pthread_cond_t	changed;
	int		is_confined, is_quitting, err;
	struct list	wanted, ended;
};

static void init_list(struct list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void push_work(struct list *list, struct sp_work *work)
{
	work->next = NULL;
	*list->end = work;
	list->end = &work->next;
}

static struct sp_work *pop_work(struct list *list)
{
	struct sp_work *work = list->first;

	if (!work)
		return NULL;
	list->first = work->next;
	if (!list->first)
		list->end = &list->first;
	return work;
}

/* Return: NULL: the end. */
static struct sp_work *wait_for_work(struct sp_worker *w)
{
	struct sp_work *work;

	pthread_mutex_lock(&w->lock);
	while (!w->wanted.first && !w->is_quitting)
		pthread_cond_wait(&w->changed, &w->lock);
	work = w->is_quitting ? NULL : pop_work(&w->wanted);
	pthread_mutex_unlock(&w->lock);
	return work;
}

static void end_work(struct sp_worker *w, struct sp_work *work)
{
	pthread_mutex_lock(&w->lock);
	push_work(&w->ended, work);
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->wakeup);
}

static void *run_thread(void *arg)
{
	struct sp_worker *w = arg;
	int err = sp_confine();
	struct sp_work *work;

	pthread_mutex_lock(&w->lock);
	w->is_confined = 1;
	w->err = err;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	while (!err && (work = wait_for_work(w))) {
		work->run(work);
		end_work(w, work);
	}
	return NULL;
}

static struct sp_work *take_ended(struct sp_worker *w)
{
	struct sp_work *work;

	pthread_mutex_lock(&w->lock);
	work = pop_work(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return work;
}

static void on_wakeup(uv_async_t *wakeup)
{
	struct sp_work *work;

	while ((work = take_ended(wakeup->data)))
		work->done(work);
}

void sp_worker_add(struct sp_worker *w, struct sp_work *work)
{
	pthread_mutex_lock(&w->lock);
	push_work(&w->wanted, work);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* All signals are the loop's. Return: 0 or -errno, also of the thread's confinement. */
static int start_thread(struct sp_worker *w)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&w->thread, NULL, run_thread, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return err;
	pthread_mutex_lock(&w->lock);
	while (!w->is_confined)
		pthread_cond_wait(&w->changed, &w->lock);
	err = w->err;
	pthread_mutex_unlock(&w->lock);
	if (err)
		pthread_join(w->thread, NULL);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	struct sp_worker *w = handle->data;

	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
}

int sp_worker_open(uv_loop_t *loop, struct sp_worker **ret_worker)
{
	struct sp_worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	init_list(&w->wanted);
	init_list(&w->ended);
	err = uv_async_init(loop, &w->wakeup, on_wakeup);
	if (err) {
		free(w);
		return err;
	}
	w->wakeup.data = w;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	err = start_thread(w);
	if (err)
		uv_close((uv_handle_t *)&w->wakeup, on_closed);
	else
		*ret_worker = w;
	return err;
}

static void drop_all(struct list *list)
{
	struct sp_work *work;

	while ((work = pop_work(list)))
		if (work->drop)
			work->drop(work);
}

void sp_worker_close(struct sp_worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_quitting = 1;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	drop_all(&w->ended);
	drop_all(&w->wanted);
	uv_close((uv_handle_t *)&w->wakeup, on_closed);
}
