/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* socket.c - the file of the control socket: made, replaced when stale, removed. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/socket.h"

static int socket_open(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Whether somebody answers there. EAGAIN is a listener with a full queue. */
static int probe_path(const struct sockaddr_un *addr)
{
	int fd = socket_open(), err;

	if (fd < 0)
		return fd;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	close(fd);
	return !err || err == -EAGAIN ? -EADDRINUSE : err;
}

static int clear_path(const struct sockaddr_un *addr)
{
	struct stat st;
	int err;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	err = probe_path(addr);
	if (err != -ECONNREFUSED)
		return err;
	return unlink(addr->sun_path) ? -errno : 0;
}

/* Linux makes the file with the mode of the descriptor, less the umask: at no time is it open to more users than
 * it should be. The second change gives back what the umask took. */
static int bind_path(int fd, const struct sockaddr_un *addr, struct stat *ret_st)
{
	int err;

	if (fchmod(fd, 0660) || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	if (!chmod(addr->sun_path, 0660) && !lstat(addr->sun_path, ret_st))
		return 0;
	err = -errno;
	unlink(addr->sun_path);
	return err;
}

int sp_control_socket_open(const char *path, struct sp_control_socket *ret_socket)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, err;

	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	err = clear_path(&addr);
	if (err)
		return err;
	fd = socket_open();
	if (fd < 0)
		return fd;
	err = bind_path(fd, &addr, &st);
	if (err) {
		close(fd);
		return err;
	}
	*ret_socket = (struct sp_control_socket){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

static int is_ours(const struct sp_control_socket *socket, const struct stat *st)
{
	return st->st_dev == socket->dev && st->st_ino == socket->ino;
}

int sp_control_socket_is_owner(const struct sp_control_socket *socket, const char *path,
			       int client_fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat st;

	if (getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return 0;
	return !peer.uid || (!lstat(path, &st) && is_ours(socket, &st) && st.st_uid == peer.uid);
}

void sp_control_socket_remove(const struct sp_control_socket *socket, const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && is_ours(socket, &st))
		unlink(path);
}
