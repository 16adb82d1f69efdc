// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * starter.c - see starter.h
 *
 * Theory of operation. The starter is forked at the daemon's start, and gives up its privileges in
 * stages:
 *
 * 1. User and group 65534, no further group. Without CAP_SETUID, as in a container, still root.
 * 2. No capabilities, and no gain of capabilities by a program.
 *
 * The program is opened before, so that spliced-check has the daemon's version after an upgrade,
 * too. A message is a letter; some letters have a text. SIGTERM and SIGINT of a whole process group
 * are for the daemon: the starter ends when the daemon's socket closes.
 */
#include "node/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define PROGRAM		"spliced-check"
#define RECORDS_FD	3	/* of the program */
#define NOBODY		65534

enum { LETTER_START = 's', LETTER_KILL = 'k', LETTER_STARTED = 'S', LETTER_ENDED = 'E' };

/* @pid: of spliced-check, 0: none; @pidfd: -1: none */
struct child {
	int	orders, records, program;
	pid_t	pid;
	int	pidfd;
};

/* ---- the process ---- */

static void send_letter(const struct child *c, char letter, const char *text)
{
	char message[SP_STARTER_TEXT_MAX];
	int len = snprintf(message, sizeof(message), "%c%.100s", letter, text);

	send(c->orders, message, len, MSG_NOSIGNAL);
}

static void drop_privileges(void)
{
	cap_t none = cap_init();

	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		log_warn_errno(errno, "spliced-check can't become user %d", NOBODY);
	if (!none || cap_set_proc(none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		log_err_errno(errno, "spliced-check can't give up privileges: no checks");
		_exit(1);
	}
	cap_free(none);
}

/* Of the environment only the marks of the journal, for log lines. */
static void exec_program(const struct child *c)
{
	char *argv[] = { PROGRAM, NULL }, journal[128], *envp[] = { journal, NULL };
	const char *stream = getenv("JOURNAL_STREAM");
	int fd = fcntl(c->records, F_DUPFD, RECORDS_FD + 1), program;

	program = fcntl(c->program, F_DUPFD_CLOEXEC, RECORDS_FD + 2);
	if (!stream || snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%s", stream) >=
	    (int)sizeof(journal))
		envp[0] = NULL;
	if (fd < 0 || program < 0 || dup2(fd, RECORDS_FD) < 0)
		_exit(126);
	close(fd);
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

static void start_program(struct child *c)
{
	char text[32];

	if (c->pid)
		return;
	c->pid = fork();
	if (!c->pid)
		exec_program(c);
	if (c->pid < 0) {
		c->pid = 0;
		send_letter(c, LETTER_ENDED, strerror(errno));
		return;
	}
	c->pidfd = syscall(SYS_pidfd_open, c->pid, 0);
	snprintf(text, sizeof(text), "%d", c->pid);
	send_letter(c, LETTER_STARTED, text);
}

static void collect_program(struct child *c)
{
	char text[64];
	int status;

	if (waitpid(c->pid, &status, WNOHANG) <= 0)
		return;
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "it ended with status %d", WEXITSTATUS(status));
	close(c->pidfd);
	c->pidfd = -1;
	c->pid = 0;
	send_letter(c, LETTER_ENDED, text);
}

static void follow_orders(struct child *c)
{
	char letter;

	if (recv(c->orders, &letter, 1, 0) <= 0)
		_exit(0);	/* the daemon has ended */
	if (letter == LETTER_START)
		start_program(c);
	else if (letter == LETTER_KILL && c->pid)
		kill(c->pid, SIGKILL);
}

static void run_starter(struct child *c)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE };

	for (unsigned int i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NAME, "spliced-starter");
	drop_privileges();
	for (;;) {
		struct pollfd fds[] = { { c->orders, POLLIN, 0 }, { c->pidfd, POLLIN, 0 } };

		poll(fds, c->pid ? 2 : 1, -1);
		if (fds[0].revents)
			follow_orders(c);
		if (c->pid && fds[1].revents)
			collect_program(c);
	}
}

/* ---- the daemon ---- */

/* Beside this program. */
static int open_program(int *ret_fd)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *name;

	if (len < 0)
		return -errno;
	path[len] = 0;
	name = strrchr(path, '/');
	strcpy(name ? name + 1 : path, PROGRAM);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int make_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) ? -errno : 0;
}

static void close_pair(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

int sp_starter_open(struct sp_starter *ret_starter)
{
	int orders[2], records[2], err;
	struct child child = { .pidfd = -1 };
	pid_t pid;

	*ret_starter = (struct sp_starter){ -1, -1 };
	err = open_program(&child.program);
	if (err)
		return err;
	err = make_pair(orders);
	if (err)
		goto no_orders;
	err = make_pair(records);
	if (err)
		goto no_records;
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (!pid) {
		child.orders = orders[1];
		child.records = records[1];
		close(orders[0]);
		close(records[0]);
		run_starter(&child);
	}
	close(orders[1]);
	close(records[1]);
	close(child.program);
	if (pid > 0) {
		*ret_starter = (struct sp_starter){ orders[0], records[0] };
		return 0;
	}
	err = -errno;
	close(orders[0]);
	close(records[0]);
	return err;

no_records:
	close_pair(orders);
no_orders:
	close(child.program);
	return err;
}

static int send_order(const struct sp_starter *starter, char letter)
{
	return send(starter->orders, &letter, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sp_starter_start(const struct sp_starter *starter)
{
	return send_order(starter, LETTER_START);
}

int sp_starter_kill(const struct sp_starter *starter)
{
	return send_order(starter, LETTER_KILL);
}

int sp_starter_read(const struct sp_starter *starter, int *ret_pid, char text[SP_STARTER_TEXT_MAX])
{
	char message[SP_STARTER_TEXT_MAX];
	ssize_t len = recv(starter->orders, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (len <= 0)
		return SP_STARTER_GONE;
	message[len] = 0;
	*ret_pid = atoi(message + 1);
	snprintf(text, SP_STARTER_TEXT_MAX, "%.100s", message + 1);
	return message[0] == LETTER_STARTED ? SP_STARTER_STARTED : SP_STARTER_ENDED;
}
