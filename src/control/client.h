/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* client.h - a request to the daemon and the lines of its answer. Protocol: control.h. */
#ifndef SP_CONTROL_CLIENT_H
#define SP_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdio.h>

struct sp_client {
	FILE		*stream;
	char		*line;
	size_t		line_size;
	long long	deadline_ms;	/* for all of it, CLOCK_MONOTONIC; 0: none */
};

/**
 * sp_client_open() - connect to the socket at @path
 * @limit_ms:	for all calls together; 0: the daemon may be silent for 40 s each time
 * Return: 0; -errno, of which -ENOENT, -ECONNREFUSED and -EACCES are what users see; -EAGAIN when
 * @limit_ms is over.
 */
int sp_client_open(const char *path, int limit_ms, struct sp_client *ret_client);

/* Also after a failed open, when @client was zeroed. */
void sp_client_close(struct sp_client *client);

/**
 * sp_client_send() - send the request
 * Return: 0, also when the daemon hung up already: what it has to say is still to be read; -errno.
 */
int sp_client_send(struct sp_client *client, const json_t *request);

/**
 * sp_client_read() - the next line of the answer
 * @ret_object: an object, taken over by the caller
 *
 * Return: 0; -ENODATA when the daemon closed the connection; -EAGAIN when it said nothing in
 * time; -EBADMSG when the line is no JSON object; -errno.
 */
int sp_client_read(struct sp_client *client, json_t **ret_object);

#endif
