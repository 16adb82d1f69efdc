// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* privileges.c - see privileges.h */
#include "web/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Its mode is 0660. Without a socket so far the user must be in its group. */
static int keep_group(const char *socket, const struct passwd *user)
{
	struct stat st;

	if (!stat(socket, &st))
		return setgroups(1, &st.st_gid) ? -errno : 0;
	log_warn_errno(errno, "%s: its group is not known, so '%s' must be in it", socket,
		       user->pw_name);
	return initgroups(user->pw_name, user->pw_gid) ? -errno : 0;
}

static int become_user(const char *name, const char *socket)
{
	const struct passwd *user = getpwnam(name);
	int err;

	if (!user || !user->pw_uid)
		return -ENOENT;
	err = keep_group(socket, user);
	if (err)
		return err;
	return setgid(user->pw_gid) || setuid(user->pw_uid) ? -errno : 0;
}

int sp_privileges_drop(const char *user, const char *socket)
{
	struct rlimit none = { 0, 0 };
	int err = geteuid() ? 0 : become_user(user, socket);

	if (err)
		return err;
	setrlimit(RLIMIT_CORE, &none);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}
