// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * server.c - the control socket: opened, its connections accepted, closed. session.c serves them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/session.h"

/*
 * @is_waiting: libuv holds an accepted connection that found no slot; @is_listener_gone: libuv has
 *		given it back
 */
struct sp_control_server {
	char *path;
	struct sp_control_socket socket;
	uv_pipe_t listener;
	int is_waiting;
	int is_listener_gone;
	struct sp_control_sessions sessions;
};

static void accept_one(struct sp_control_server *server)
{
	server->is_waiting = sp_control_sessions_accept(&server->sessions,
							(uv_stream_t *)&server->listener) == -EBUSY;
}

static void on_connection(uv_stream_t *listener, int status)
{
	if (!status)
		accept_one(listener->data);
}

/* The memory goes with the last handle: from then on libuv calls none of these functions. */
static void free_when_over(struct sp_control_server *server)
{
	if (!server->is_listener_gone || server->sessions.handle_count)
		return;
	free(server->path);
	free(server);
}

static void on_gone(struct sp_control_sessions *sessions)
{
	struct sp_control_server *server = sessions->owner;

	if (server->is_waiting && !sessions->is_closing)
		accept_one(server);
	free_when_over(server);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct sp_control_server *server = handle->data;

	server->is_listener_gone = 1;
	free_when_over(server);
}

static void init_server(struct sp_control_server *server, uv_loop_t *loop,
			const struct sp_control_ops *ops, void *ctx)
{
	struct sp_control_sessions *sessions = &server->sessions;

	sessions->loop = loop;
	sessions->ops = ops;
	sessions->ctx = ctx;
	sessions->path = server->path;
	sessions->socket = &server->socket;
	sessions->gone = on_gone;
	sessions->owner = server;
	sp_control_sessions_init(sessions);
	uv_pipe_init(loop, &server->listener, 0);
	server->listener.data = server;
}

static int listen_on(struct sp_control_server *server)
{
	int err = uv_pipe_open(&server->listener, server->socket.fd);

	if (err) {
		close(server->socket.fd);
		return err;
	}
	return uv_listen((uv_stream_t *)&server->listener, SP_CONTROL_CLIENTS_MAX, on_connection);
}

int sp_control_open(uv_loop_t *loop, const char *path, const struct sp_control_ops *ops, void *ctx,
		    struct sp_control_server **ret_server)
{
	struct sp_control_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return -ENOMEM;
	/* libuv writes without MSG_NOSIGNAL: a client that leaves early would end the daemon */
	signal(SIGPIPE, SIG_IGN);
	server->path = strdup(path);
	err = server->path ? sp_control_socket_open(path, &server->socket) : -ENOMEM;
	if (err) {
		free(server->path);
		free(server);
		return err;
	}
	init_server(server, loop, ops, ctx);
	err = listen_on(server);
	if (err) {
		sp_control_close(server);
		return err;
	}
	*ret_server = server;
	return 0;
}

void sp_control_close(struct sp_control_server *server)
{
	if (!server || server->sessions.is_closing)
		return;
	sp_control_socket_remove(&server->socket, server->path);
	sp_control_sessions_close(&server->sessions);
	uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

void sp_control_configured(struct sp_control_server *server, __u64 ticket,
			   struct sp_control_output *answer)
{
	sp_control_sessions_configured(&server->sessions, ticket, answer);
}

void sp_control_reloaded(struct sp_control_server *server, __u64 ticket, json_t *answer)
{
	sp_control_sessions_reloaded(&server->sessions, ticket, answer);
	json_decref(answer);
}
