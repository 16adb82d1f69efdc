/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* socket.h - the file of the control socket. Only for src/control. */
#ifndef SP_CONTROL_SOCKET_H
#define SP_CONTROL_SOCKET_H

#include <sys/types.h>

/* A bound descriptor, not listening yet, and the identity of its file. */
struct sp_control_socket {
	int	fd;
	dev_t	dev;
	ino_t	ino;
};

/* Bind to @path, mode 0660; a stale socket there is replaced. Return: as sp_control_open(). */
int sp_control_socket_open(const char *path, struct sp_control_socket *ret_socket);

/*
 * Whether the process at the other end of @client_fd is root's, or of the user to whom the file
 * belongs now.
 */
int sp_control_socket_is_owner(const struct sp_control_socket *socket, const char *path,
			       int client_fd);

/*
 * Remove the file, if it is still the one that we made: another daemon may have put its own there.
 */
void sp_control_socket_remove(const struct sp_control_socket *socket, const char *path);

#endif
