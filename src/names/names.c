// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* names.c - see names.h */
#include "names/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/warnings.h"

#define EVENTS_BYTES	4096
#define PAUSE_NS	300000000ULL	/* between two changes of the configuration */

/* ---- pools ---- */

static void drop_kept(struct sp_open_pool *pool)
{
	sp_config_put(pool->kept_config);
	pool->kept_config = NULL;
	pool->kept = NULL;
}

static int update_pool(struct sp_names *n, struct sp_open_pool *pool)
{
	int has_changed = 0;

	for (size_t k = 0; pool->conf && k < pool->conf->name_count; k++)
		has_changed |= sp_name_update(n, &pool->names[k]);
	if (pool->kept && !sp_open_pool_waits(pool)) {
		drop_kept(pool);
		has_changed = 1;
	}
	return has_changed;
}

static void update_pools(struct sp_names *n)
{
	for (size_t i = 0; i < n->pool_count; i++)
		n->is_changed |= update_pool(n, &n->pools[i]);
	n->is_answered = 0;
	sp_names_sweep(n);
}

static void warn_of_file(const struct sp_file *f, __u64 now_ns)
{
	if (!f->error[0])
		sp_warn_over(SP_WARNING_BACKENDS_FILE, f->pool->backends_file);
	else
		sp_warn(SP_WARNING_BACKENDS_FILE, now_ns, f->pool->backends_file, "pool %s: %s: %s",
			f->pool->name, f->error, f->list ? "its backends stay as they were" :
			"it has no backends so far");
}

static int look_at_file(struct sp_names *n, struct sp_open_pool *pool, __u64 now_ns)
{
	__u64 before = pool->file->reads + pool->file->failed_reads;
	int has_changed;

	sp_file_watch(pool->file, n->inotify);
	has_changed = sp_file_look(pool->file, n->written, now_ns);
	if (pool->file->reads + pool->file->failed_reads == before)
		return 0;
	warn_of_file(pool->file, now_ns);
	if (has_changed)
		sp_log_limited(SP_LOG_INFO, SP_LOG_BURST, "pool %s: %zu backends in %s",
			       pool->conf->name, pool->file->list->count,
			       pool->conf->backends_file);
	n->is_answered |= pool->kept != NULL;
	return has_changed;
}

static void on_tick(uv_timer_t *timer)
{
	struct sp_names *n = timer->data;
	__u64 now_ns = sp_now_ns();

	sp_names_each(n, sp_names_begin_round);
	for (size_t i = 0; i < n->pool_count; i++)
		if (n->pools[i].file)
			n->is_changed |= look_at_file(n, &n->pools[i], now_ns);
	if (n->is_answered)
		update_pools(n);
	if (!n->is_changed || !n->changed || now_ns < n->told_ns + PAUSE_NS)
		return;
	n->is_changed = 0;
	n->told_ns = now_ns;
	n->changed(n->ctx);
}

/* ---- files ---- */

static void note_events(struct sp_names *n, const char *bytes, ssize_t size)
{
	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event = (const void *)(bytes + at);

		for (size_t i = 0; i < n->pool_count; i++)
			if (n->pools[i].file)
				sp_file_note(n->pools[i].file, event);
		at += sizeof(*event) + event->len;
	}
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
	_Alignas(struct inotify_event) char bytes[EVENTS_BYTES];
	struct sp_names *n = poll->data;

	note_events(n, bytes, read(n->inotify, bytes, sizeof(bytes)));
}

static void free_file(struct sp_file *f)
{
	if (!f)
		return;
	sp_backend_list_free(f->list);
	free(f);
}

/* A file of the same path goes on, checked against the new configuration. */
static int open_file(struct sp_names *n, struct sp_open_pool *pool, struct sp_open_pool *before)
{
	struct sp_file *f = before ? before->file : NULL;
	int is_same = f && !strcmp(f->pool->backends_file, pool->conf->backends_file);

	if (is_same) {
		before->file = NULL;
		f->is_new = 0;
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->is_new = 1;
		f->wd = -1;
	}
	f->pool = pool->conf;
	pool->file = f;
	sp_file_watch(f, n->inotify);
	sp_file_read(f, n->written, sp_now_ns());
	warn_of_file(f, sp_now_ns());
	return 0;
}

/* ---- a configuration ---- */

static const struct sp_pool_conf *find_pool(const struct sp_config *config, __u32 id)
{
	for (size_t i = 0; config && i < config->pool_count; i++)
		if (config->pools[i].id == id)
			return &config->pools[i];
	return NULL;
}

/* The places of a name that was there before stay until the next answer. */
static void inherit_places(struct sp_name *named, struct sp_open_pool *before)
{
	for (size_t i = 0; before && i < before->conf->name_count; i++) {
		struct sp_name *old = &before->names[i];

		if (strcmp(old->conf->text, named->conf->text))
			continue;
		named->places = old->places;
		named->count = old->count;
		old->places = NULL;
		old->count = 0;
	}
}

static int open_pool(struct sp_names *n, struct sp_open_pool *pool,
		     const struct sp_pool_conf *conf, struct sp_open_pool *before)
{
	pool->conf = conf;
	pool->names = calloc(conf->name_count + 1, sizeof(*pool->names));
	if (!pool->names)
		return -ENOMEM;
	for (size_t i = 0; i < conf->name_count; i++) {
		struct sp_name *named = &pool->names[i];

		named->conf = &conf->names[i];
		named->lookup = sp_names_lookup(n, named->conf->type, named->conf->host);
		inherit_places(named, before);
		sp_name_update(n, named);
	}
	return conf->backends_file ? open_file(n, pool, before) : 0;
}

static void keep_backends(struct sp_open_pool *pool, struct sp_config *running)
{
	const struct sp_pool_conf *kept = find_pool(running, pool->conf->id);

	if (!kept || !sp_open_pool_waits(pool))
		return;
	pool->kept = kept;
	pool->kept_config = sp_config_get(running);
}

static void free_pools(struct sp_open_pool *pools, size_t count)
{
	for (size_t i = 0; pools && i < count; i++) {
		struct sp_open_pool *pool = &pools[i];

		for (size_t k = 0; pool->names && k < pool->conf->name_count; k++)
			free(pool->names[k].places);
		if (pool->file)
			sp_warn_over(SP_WARNING_BACKENDS_FILE, pool->conf->backends_file);
		free(pool->names);
		free_file(pool->file);
		drop_kept(pool);
	}
	free(pools);
}

static struct sp_open_pool *find_named(struct sp_open_pool *pools, size_t count, __u32 id)
{
	for (size_t i = 0; i < count; i++)
		if (pools[i].conf && pools[i].conf->id == id)
			return &pools[i];
	return NULL;
}

static void age_lookup(struct sp_names *n, struct sp_lookup *l)
{
	l->is_new = 0;
}

static int open_pools(struct sp_names *n, struct sp_open_pool *old, size_t old_count,
		      struct sp_config *running)
{
	int err = 0;

	sp_names_each(n, age_lookup);
	for (size_t i = 0; !err && i < n->pool_count; i++) {
		const struct sp_pool_conf *conf = &n->written->pools[i];

		if (!sp_pool_is_open(conf))
			continue;
		err = open_pool(n, &n->pools[i], conf, find_named(old, old_count, conf->id));
		if (!err)
			keep_backends(&n->pools[i], running);
	}
	return err;
}

int sp_names_configure(struct sp_names *n, struct sp_config *written, struct sp_config *running)
{
	struct sp_open_pool *old = n->pools;
	struct sp_config *old_written = n->written;
	size_t old_count = n->pool_count;
	int err;

	n->pools = calloc(written->pool_count + 1, sizeof(*n->pools));
	if (!n->pools) {
		n->pools = old;
		return -ENOMEM;
	}
	n->pool_count = written->pool_count;
	n->written = sp_config_get(written);
	err = open_pools(n, old, old_count, running);
	free_pools(old, old_count);
	sp_config_put(old_written);
	sp_names_drop_resolver(n);
	sp_names_sweep(n);
	sp_names_renew_resolver(n);
	n->is_changed = 0;
	sp_names_each(n, sp_names_begin_round);
	return err;
}

void sp_names_on_change(struct sp_names *n, sp_names_fn fn, void *ctx)
{
	n->changed = fn;
	n->ctx = ctx;
}

const struct sp_open_pool *sp_names_pool(const struct sp_names *n, size_t pool_idx)
{
	if (!n || pool_idx >= n->pool_count || !n->pools[pool_idx].conf)
		return NULL;
	return &n->pools[pool_idx];
}

/* ---- life ---- */

int sp_names_open(uv_loop_t *loop, struct sp_names **ret_names)
{
	struct sp_names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->loop = loop;
	uv_timer_init(loop, &n->tick);
	n->tick.data = n;
	uv_timer_start(&n->tick, on_tick, SP_NAMES_TICK_MS, SP_NAMES_TICK_MS);
	n->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (n->inotify < 0) {
		log_warn_errno(errno, "changes of backends_file are noticed by time only");
	} else {
		uv_poll_init(loop, &n->watch, n->inotify);
		n->watch.data = n;
		uv_poll_start(&n->watch, UV_READABLE, on_watch);
	}
	*ret_names = n;
	return 0;
}

/* The memory stays: libuv has handles in there until the end of the daemon. */
void sp_names_close(struct sp_names *n)
{
	if (!n)
		return;
	uv_timer_stop(&n->tick);
	if (n->inotify >= 0)
		uv_poll_stop(&n->watch);
	sp_names_drop_resolver(n);
	free_pools(n->pools, n->pool_count);
	n->pools = NULL;
	n->pool_count = 0;
	sp_names_sweep(n);
	sp_config_put(n->written);
	n->written = NULL;
}

static void on_wait_over(uv_timer_t *timer)
{
	*(int *)timer->data = 1;
}

static void count_untried(struct sp_names *n, struct sp_lookup *l)
{
	n->untried += !l->is_tried;
}

void sp_names_wait(struct sp_names *n, unsigned int ms)
{
	uv_timer_t timer;
	int is_over = 0;

	uv_timer_init(n->loop, &timer);
	timer.data = &is_over;
	uv_timer_start(&timer, on_wait_over, ms, 0);
	while (!is_over) {
		n->untried = 0;
		sp_names_each(n, count_untried);
		if (!n->untried)
			break;
		uv_run(n->loop, UV_RUN_ONCE);
		if (n->is_answered)
			on_tick(&n->tick);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(n->loop, UV_RUN_NOWAIT);
}
