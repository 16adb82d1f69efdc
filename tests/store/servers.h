/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * servers.h - real servers of a store, for tests: redis-server processes on Unix sockets in a
 * temporary directory.
 */
#ifndef SP_TEST_SERVERS_H
#define SP_TEST_SERVERS_H

#include <hiredis/hiredis.h>

#define SERVERS_MAX	5
#define SKIP		77	/* meson's exit code of a skipped test */

struct server {
	int	pid;		/* 0: not running */
	char	path[108];
};

struct servers {
	char		dir[64];
	int		count;
	const char	*password;
	struct server	at[SERVERS_MAX];
};

/* Start @count servers. Exit with SKIP if there is no redis-server. @password may be NULL. */
void servers_start(struct servers *s, int count, const char *password);
/* Start a server, empty: no data is ever written to disk. Return once it answers. */
void server_start(struct servers *s, int idx);
void server_kill(struct servers *s, int idx);
/* SIGSTOP, SIGCONT */
void server_signal(struct servers *s, int idx, int signum);
/* Open a connection of the test's own, past the code under test. */
redisContext *server_connect(struct servers *s, int idx);
/* An integer field of INFO. */
long long server_info(struct servers *s, int idx, const char *field);
/* Kill all servers and remove the directory. Also at exit. */
void servers_stop(struct servers *s);

#endif
