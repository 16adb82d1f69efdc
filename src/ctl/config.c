/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* config.c - see config.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/config.h"

#define PATH_LEN 32
#define STATUS_FAILED 126

/* A nameless file with a text of the answer; NULL: errno. */
static FILE *write_text(const json_t *answer, const char *key, char path[PATH_LEN])
{
	const char *text = json_string_value(json_object_get(answer, key));
	int fd = memfd_create(key, 0);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");

	if (!file)
		return NULL;
	fputs(text ? text : "", file);
	fflush(file);
	rewind(file);
	snprintf(path, PATH_LEN, "/proc/self/fd/%d", fileno(file));
	return file;
}

/* Each hunk begins with the name of its pool or service. */
static void run_diff(const char *running, const char *next, const char *name)
{
	execlp("diff", "diff", "-u", "-F", "^  - name: ", "--label", "running", "--label", name,
	       running, next, (char *)NULL);
	_exit(STATUS_FAILED);
}

static int wait_for_diff(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return -ENOEXEC;
	return WEXITSTATUS(status);
}

int sp_config_diff(const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "file"));
	char paths[2][PATH_LEN];
	FILE *running = write_text(answer, "config", paths[0]);
	FILE *next = running ? write_text(answer, "next", paths[1]) : NULL;
	int ret = -errno;
	pid_t pid;

	if (next) {
		fflush(stdout);
		pid = fork();
		if (!pid)
			run_diff(paths[0], paths[1], name ? name : "next");
		ret = pid < 0 ? -errno : wait_for_diff(pid);
		fclose(next);
	}
	if (running)
		fclose(running);
	return ret;
}
