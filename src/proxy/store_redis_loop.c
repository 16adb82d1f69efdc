// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/store_redis_loop.h"

#include <errno.h>
#include <stdlib.h>

struct sp_redis_link {
	uv_poll_t		poll;
	redisAsyncContext	*ac;
	int			events;
	int			wants_write;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sp_redis_link *l = poll->data;

	if (status < 0) {	/* POLLERR: libuv has stopped; let the system call say what it is */
		l->events = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	if (l->ac && events & UV_WRITABLE)
		redisAsyncHandleWrite(l->ac);
	if (l->ac && events & UV_READABLE)
		redisAsyncHandleRead(l->ac);
}

static void arm(struct sp_redis_link *l, int events)
{
	if (events == l->events)
		return;
	l->events = events;
	if (events)
		uv_poll_start(&l->poll, events, on_poll);
	else
		uv_poll_stop(&l->poll);
}

static void add_read(void *data)
{
	struct sp_redis_link *l = data;

	arm(l, l->events | UV_READABLE);
}

static void del_read(void *data)
{
	struct sp_redis_link *l = data;

	arm(l, l->events & ~UV_READABLE);
}

static void add_write(void *data)
{
	struct sp_redis_link *l = data;

	l->wants_write = 1;
	if (!(l->ac->c.flags & REDIS_CONNECTED))
		arm(l, l->events | UV_WRITABLE);
}

static void del_write(void *data)
{
	struct sp_redis_link *l = data;

	l->wants_write = 0;
	arm(l, l->events & ~UV_WRITABLE);
}

static void free_link(uv_handle_t *handle)
{
	free(handle->data);
}

static void cleanup(void *data)
{
	struct sp_redis_link *l = data;

	l->ac = NULL;
	uv_close((uv_handle_t *)&l->poll, free_link);
}

int sp_redis_link_new(uv_loop_t *loop, redisAsyncContext *ac, struct sp_redis_link **ret_link)
{
	struct sp_redis_link *l = calloc(1, sizeof(*l));
	int err = l ? uv_poll_init(loop, &l->poll, ac->c.fd) : -ENOMEM;

	if (err) {
		free(l);
		return err;
	}
	l->poll.data = l;
	l->ac = ac;
	ac->ev.data = l;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	*ret_link = l;
	return 0;
}

int sp_redis_link_flush(struct sp_redis_link *l)
{
	if (!l->wants_write || l->events & UV_WRITABLE)
		return 0;
	l->wants_write = 0;
	redisAsyncHandleWrite(l->ac);
	if (l->ac && l->wants_write)
		arm(l, l->events | UV_WRITABLE);	/* the socket takes no more for now */
	return 1;
}
