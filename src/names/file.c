// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* file.c - see file.h */
#include "names/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static int is_same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int fail_read(struct sp_file *f, const char *what)
{
	snprintf(f->error, sizeof(f->error), "%s: %s", f->pool->backends_file, what);
	f->failed_reads++;
	return 0;
}

/* A pipe or a device could block, or have no end. */
static int open_file(const char *path, struct stat *ret_stat)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_stat))
		err = -errno;
	else if (!S_ISREG(ret_stat->st_mode))
		err = -EISDIR;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static ssize_t read_bytes(int fd, char *bytes, size_t size)
{
	size_t used = 0;
	ssize_t got = 0;

	while (used < size && (got = read(fd, bytes + used, size - used)) > 0)
		used += got;
	return got < 0 ? -errno : (ssize_t)used;
}

static int is_same_list(const struct sp_backend_list *a, const struct sp_backend_list *b)
{
	if (!a || a->count != b->count)
		return 0;
	for (size_t i = 0; i < a->count; i++) {
		const struct sp_backend_conf *x = &a->all[i], *y = &b->all[i];

		if (sp_endpoint_compare(&x->at, &y->at) || strcmp(x->name, y->name) ||
		    x->weight != y->weight || x->is_backup != y->is_backup ||
		    x->max_connections != y->max_connections)
			return 0;
	}
	return 1;
}

static int use_bytes(struct sp_file *f, const struct sp_config *config, const char *bytes,
		     size_t size, __u64 now_ns)
{
	struct sp_backend_list *list;
	int has_changed;

	if (sp_backend_list_load(f->pool->backends_file, bytes, size, config, f->pool, f->error,
				 &list)) {
		f->failed_reads++;
		return 0;
	}
	f->error[0] = 0;
	f->reads++;
	f->read_ns = now_ns;
	has_changed = !is_same_list(f->list, list);
	sp_backend_list_free(f->list);
	f->list = list;
	return has_changed;
}

int sp_file_read(struct sp_file *f, const struct sp_config *config, __u64 now_ns)
{
	char *bytes = malloc(SP_BACKENDS_FILE_BYTES_MAX + 1);
	int has_changed = 0, fd;
	ssize_t size = -ENOMEM;

	f->poke = SP_FILE_QUIET;
	fd = open_file(f->pool->backends_file, &f->read);
	if (fd >= 0 && bytes)
		size = read_bytes(fd, bytes, SP_BACKENDS_FILE_BYTES_MAX + 1);
	f->seen = f->read;
	f->is_missing = fd == -ENOENT;
	if (fd < 0)
		fail_read(f, fd == -EISDIR ? "is no regular file" : strerror(-fd));
	else if (size < 0)
		fail_read(f, strerror(-size));
	else if (size > SP_BACKENDS_FILE_BYTES_MAX)
		fail_read(f, "found more than 1 MiB; allowed: as much");
	else
		has_changed = use_bytes(f, config, bytes, size, now_ns);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return has_changed;
}

int sp_file_look(struct sp_file *f, const struct sp_config *config, __u64 now_ns)
{
	enum sp_file_poke poke = f->poke;
	struct stat now;
	int is_settled;

	if (poke == SP_FILE_QUIET && now_ns < f->look_ns)
		return 0;
	f->look_ns = now_ns + SP_FILE_POLL_NS;
	f->poke = SP_FILE_QUIET;
	if (stat(f->pool->backends_file, &now))
		return f->is_missing ? 0 : sp_file_read(f, config, now_ns);
	if (poke != SP_FILE_WRITTEN && !f->is_missing && is_same_stat(&now, &f->read))
		return 0;
	is_settled = poke != SP_FILE_QUIET || is_same_stat(&now, &f->seen);
	f->seen = now;
	return is_settled ? sp_file_read(f, config, now_ns) : 0;
}

/* An unreadable file is a warning: --check may run on another machine. */
static int check_file(const struct sp_config *config, const struct sp_pool_conf *pool)
{
	struct sp_file file = { .pool = pool };
	int is_bad;

	if (!pool->backends_file)
		return 0;
	sp_file_read(&file, config, 0);
	is_bad = file.error[0] && file.read.st_size && !file.is_missing;
	if (file.error[0])
		sp_log(is_bad ? SP_LOG_ERR : SP_LOG_WARN, "pool %s: %s", pool->name, file.error);
	sp_backend_list_free(file.list);
	return is_bad ? -EINVAL : 0;
}

int sp_files_check(const struct sp_config *config)
{
	int err = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		err = check_file(config, &config->pools[i]) ?: err;
	return err;
}

/* ---- the watch ---- */

static const char *base_name(const struct sp_file *f)
{
	return strrchr(f->pool->backends_file, '/') + 1;
}

void sp_file_watch(struct sp_file *f, int fd)
{
	char directory[PATH_MAX];

	if (f->wd >= 0 || fd < 0)
		return;
	snprintf(directory, sizeof(directory), "%.*s", (int)(base_name(f) - f->pool->backends_file),
		 f->pool->backends_file);
	f->wd = inotify_add_watch(fd, directory, WATCHED);
}

/* A renamed neighbour may be the directory on the way of a symbolic link. */
void sp_file_note(struct sp_file *f, const struct inotify_event *event)
{
	int is_own = event->wd == f->wd && event->len && !strcmp(event->name, base_name(f));

	if (is_own && event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		f->poke = SP_FILE_WRITTEN;
	else if (f->poke == SP_FILE_QUIET && (event->mask & IN_Q_OVERFLOW ||
					      (event->mask & IN_MOVED_TO && event->wd == f->wd)))
		f->poke = SP_FILE_MAYBE;
	if (event->wd == f->wd && event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
		f->wd = -1;
}
