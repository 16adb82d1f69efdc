// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "servers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_STEPS	1000
#define WAIT_STEP_US	5000

static struct servers *running;

static void stop_running(void)
{
	if (running)
		servers_stop(running);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void exec_server(const struct servers *s, const char *path)
{
	const char *args[] = {
		"redis-server", "--port", "0", "--unixsocket", path, "--unixsocketperm", "700",
			"--save", "",
		"--appendonly", "no", "--dir", s->dir, "--daemonize", "no", "--logfile",
		"/dev/null",
		s->password ? "--requirepass" : NULL, s->password, NULL,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(args[0], (char *const *)args);
	_exit(errno == ENOENT ? SKIP : 1);
}

redisContext *server_connect(struct servers *s, int idx)
{
	redisContext *c = redisConnectUnix(s->at[idx].path);
	redisReply *reply = NULL;

	if (c && !c->err && s->password)
		reply = redisCommand(c, "AUTH %s", s->password);
	if (!c || c->err || (reply && reply->type == REDIS_REPLY_ERROR)) {
		if (c)
			redisFree(c);
		c = NULL;
	}
	if (reply)
		freeReplyObject(reply);
	return c;
}

static int answers(struct servers *s, int idx)
{
	redisContext *c = server_connect(s, idx);
	redisReply *reply = c ? redisCommand(c, "PING") : NULL;
	int is_up = reply && reply->type == REDIS_REPLY_STATUS;

	if (reply)
		freeReplyObject(reply);
	if (c)
		redisFree(c);
	return is_up;
}

void server_start(struct servers *s, int idx)
{
	struct server *at = &s->at[idx];
	int status;

	unlink(at->path);
	at->pid = fork();
	if (at->pid < 0)
		die("fork");
	if (!at->pid)
		exec_server(s, at->path);
	for (int i = 0; i < WAIT_STEPS; i++) {
		if (answers(s, idx))
			return;
		if (waitpid(at->pid, &status, WNOHANG) == at->pid) {
			fprintf(stderr, "redis-server has ended\n");
			at->pid = 0;
			exit(WIFEXITED(status) && WEXITSTATUS(status) == SKIP ? SKIP : 1);
		}
		usleep(WAIT_STEP_US);
	}
	fprintf(stderr, "redis-server doesn't answer\n");
	exit(1);
}

void servers_start(struct servers *s, int count, const char *password)
{
	char dir[] = "/tmp/spliced-store-XXXXXX";

	signal(SIGPIPE, SIG_IGN);
	memset(s, 0, sizeof(*s));
	if (!mkdtemp(dir))
		die(dir);
	strcpy(s->dir, dir);
	if (!running)
		atexit(stop_running);
	running = s;
	s->password = password;
	for (s->count = 0; s->count < count; s->count++) {
		snprintf(s->at[s->count].path, sizeof(s->at[0].path), "%s/%d.sock", dir, s->count);
		server_start(s, s->count);
	}
}

void server_kill(struct servers *s, int idx)
{
	if (s->at[idx].pid <= 0)
		return;
	kill(s->at[idx].pid, SIGKILL);
	waitpid(s->at[idx].pid, NULL, 0);
	s->at[idx].pid = 0;
}

void server_signal(struct servers *s, int idx, int signum)
{
	if (s->at[idx].pid > 0)
		kill(s->at[idx].pid, signum);
}

long long server_info(struct servers *s, int idx, const char *field)
{
	redisContext *c = server_connect(s, idx);
	redisReply *reply = c ? redisCommand(c, "INFO everything") : NULL;
	long long value = -1;
	char *at = reply && reply->type == REDIS_REPLY_STRING ? strstr(reply->str, field) : NULL;

	if (at)
		value = atoll(at + strlen(field) + 1);
	if (reply)
		freeReplyObject(reply);
	if (c)
		redisFree(c);
	return value;
}

void servers_stop(struct servers *s)
{
	for (int i = 0; i < SERVERS_MAX; i++) {
		server_kill(s, i);
		if (s->at[i].path[0])
			unlink(s->at[i].path);
	}
	rmdir(s->dir);
	if (running == s)
		running = NULL;
}
