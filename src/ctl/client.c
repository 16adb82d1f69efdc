/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* client.c - one request to the daemon and the lines of its answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

#define SILENCE_S 40

static int connect_to(const char *path)
{
	const struct timeval silence = { .tv_sec = SILENCE_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
	if (!connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int sp_client_open(const char *path, struct sp_client *ret_client)
{
	int fd = connect_to(path), err;
	FILE *stream;

	if (fd < 0)
		return fd;
	stream = fdopen(fd, "r");
	if (!stream) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_client = (struct sp_client){ .stream = stream };
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
	line[len] = '\n'; /* in place of the terminator */
	err = send_all(fileno(client->stream), line, len + 1);
	free(line);
	return err;
}

int sp_client_read(struct sp_client *client, json_t **ret_object)
{
	json_t *object;
	ssize_t len;

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
