// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "datapath/attach.h"
#include "base/log.h"

#define LAYOUT		"v7"	/* of the pinned maps; each layout has its own directory */
#define BPFFS_MAGIC	0xcafe4a11
#define LOCK_TRIES	50
#define LOCK_PAUSE_US	20000

static int is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPFFS_MAGIC;
}

static int make_dir(const char *state_dir, const char *dir)
{
	if (!strncmp(state_dir, "/sys/fs/bpf", 11) && !is_bpffs("/sys/fs/bpf"))
		mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	if (mkdir(state_dir, 0700) && errno != EEXIST)
		return -errno;
	if (!is_bpffs(state_dir))
		return -EMEDIUMTYPE;
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

static int lock_dir(const char *state_dir, int *ret_fd)
{
	int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : -EBUSY;

	for (int i = 0; err == -EBUSY && i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			err = 0;
		else if (errno != EWOULDBLOCK)
			err = -errno;
		else
			usleep(LOCK_PAUSE_US);
	}
	if (!err)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return err;
}

static int lock_or_log(const char *state_dir, int *ret_fd)
{
	int err = lock_dir(state_dir, ret_fd);

	if (err == -EBUSY)
		log_err("state_dir %s: another spliced runs with it; end that one first",
			state_dir);
	else if (err && err != -ENOENT)
		log_err_errno(err, "state_dir %s: can't lock it", state_dir);
	return err;
}

/* A user with write access to the directory can unpin, and so detach, the datapath. */
static int check_owner(const char *state_dir, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	log_err("state_dir %s: belongs to uid %u with mode %03o; must be ours and writable only by us",
		state_dir, st.st_uid, st.st_mode & 0777);
	return -EPERM;
}

int sp_state_open(const char *state_dir, struct sp_state *ret_state)
{
	struct sp_state state;
	int err;

	if (snprintf(state.dir, sizeof(state.dir), "%s/%s", state_dir,
		     LAYOUT) >= (int)sizeof(state.dir))
		err = -ENAMETOOLONG;
	else
		err = make_dir(state_dir, state.dir);
	if (err) {
		log_err_errno(err, "state_dir %s: must be a directory below a mounted bpffs (`mount -t bpf bpf /sys/fs/bpf`)",
			      state_dir);
		return err;
	}
	err = lock_or_log(state_dir, &state.lock_fd);
	if (err)
		return err;
	err = check_owner(state_dir, state.lock_fd);
	if (err)
		sp_state_close(&state);
	else
		*ret_state = state;
	return err;
}

void sp_state_close(struct sp_state *state)
{
	if (state->lock_fd >= 0)
		close(state->lock_fd);
	state->lock_fd = -1;
}

static int is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int is_layout(const char *name)
{
	return name[0] == 'v' && name[1] && !name[1 + strspn(name + 1, "0123456789")];
}

/* The pins of a layout are files in a directory. */
static int remove_layout(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			err = sp_unpin(dirfd(dir), entry->d_name) ?: err;
	closedir(dir);
	if (unlinkat(parent_fd, name, AT_REMOVEDIR))
		err = err ?: -errno;
	return err;
}

static int remove_layouts(const char *state_dir)
{
	DIR *dir = opendir(state_dir);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (is_layout(entry->d_name))
			err = remove_layout(dirfd(dir), entry->d_name) ?: err;
	closedir(dir);
	return err;
}

void sp_state_sweep(const char *state_dir)
{
	DIR *dir = opendir(state_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_layout(entry->d_name) && strcmp(entry->d_name, LAYOUT)) {
			log_warn("state_dir %s: %s is of another version and is removed; connections spliced by that end",
				 state_dir, entry->d_name);
			remove_layout(dirfd(dir), entry->d_name);
		}
	if (dir)
		closedir(dir);
}

int sp_state_remove(const char *state_dir)
{
	int fd, err = lock_or_log(state_dir, &fd);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = is_bpffs(state_dir) ? remove_layouts(state_dir) : -EMEDIUMTYPE;
	if (!err && rmdir(state_dir))
		err = -errno;
	if (err)
		log_err_errno(err, "state_dir %s: can't remove all of it", state_dir);
	close(fd);
	return err;
}
