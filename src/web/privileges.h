/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* privileges.h - root becomes a user without privileges, who may still open the control socket */
#ifndef SP_WEB_PRIVILEGES_H
#define SP_WEB_PRIVILEGES_H

/**
 * sp_privileges_drop() - no new privileges from here on; as root also: become @user
 * @socket:	path of the control socket, whose group is kept
 * Return: 0; -ENOENT: no such user; or -errno.
 */
int sp_privileges_drop(const char *user, const char *socket);

#endif
