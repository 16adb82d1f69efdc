/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* client.c - one request to the daemon and the lines of its answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"

#define SILENCE_MS 40000

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* How long the next call may take. */
static void limit_silence(int fd, long long deadline_ms)
{
	long long left_ms = deadline_ms ? deadline_ms - now_ms() : SILENCE_MS;
	struct timeval silence;

	if (left_ms < 1) /* zero would be: without a limit */
		left_ms = 1;
	silence = (struct timeval){ .tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
}

static int connect_to(const char *path, long long deadline_ms)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	limit_silence(fd, deadline_ms);
	if (!connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int sp_client_open(const char *path, int limit_ms, struct sp_client *ret_client)
{
	long long deadline_ms = limit_ms ? now_ms() + limit_ms : 0;
	int fd = connect_to(path, deadline_ms), err;
	FILE *stream;

	if (fd < 0)
		return fd;
	stream = fdopen(fd, "r");
	if (!stream) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_client = (struct sp_client){ .stream = stream, .deadline_ms = deadline_ms };
	return 0;
}

void sp_client_close(struct sp_client *client)
{
	free(client->line);
	if (client->stream)
		fclose(client->stream);
	*client = (struct sp_client){ 0 };
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
		data += sent;
		len -= sent;
	}
	return 0;
}

int sp_client_send(struct sp_client *client, const json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT);
	size_t len;
	int err;

	if (!line)
		return -ENOMEM;
	len = strlen(line);
	if (client->deadline_ms)
		limit_silence(fileno(client->stream), client->deadline_ms);
	line[len] = '\n'; /* in place of the terminator */
	err = send_all(fileno(client->stream), line, len + 1);
	free(line);
	return err;
}

int sp_client_read(struct sp_client *client, json_t **ret_object)
{
	json_t *object;
	ssize_t len;

	if (client->deadline_ms)
		limit_silence(fileno(client->stream), client->deadline_ms);
	errno = 0;
	len = getline(&client->line, &client->line_size, client->stream);
	if (len < 0)
		return errno && errno != ECONNRESET ? -errno : -ENODATA;
	if (client->line[len - 1] != '\n') /* broke off in the middle */
		return -ENODATA;
	object = json_loadb(client->line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return -EBADMSG;
	}
	*ret_object = object;
	return 0;
}
