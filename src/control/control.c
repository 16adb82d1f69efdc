/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control.c - server of the control socket: clients come and go, and have their time. control/client.c serves them.
 *
 * The idle handle runs only while somebody is LISTING (it keeps the loop from sleeping), the timer only while there
 * are clients. One place more than we serve takes the client that is told so; the next ones wait in the kernel.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/internal.h"

#define TICK_MS 500

/* ---- turns ---- */

/* One batch per turn; clients in turns. */
static void on_idle(uv_idle_t *handle)
{
	struct sp_control_server *server = handle->data;

	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_client *client = &server->clients[server->turn_idx];

		server->turn_idx = (server->turn_idx + 1) % SP_CONTROL_SLOTS;
		if (client->state == SP_CLIENT_LISTING) {
			sp_client_list_batch(client);
			return;
		}
	}
}

static void on_tick(uv_timer_t *handle)
{
	struct sp_control_server *server = handle->data;
	uint64_t now_ms = uv_now(server->loop);

	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_client *client = &server->clients[i];

		if (client->state == SP_CLIENT_FREE || now_ms < client->deadline_ms)
			continue;
		if (client->state == SP_CLIENT_READING)
			sp_client_refuse(client, "no request within %d s", SP_CONTROL_REQUEST_MS / 1000);
		else
			sp_client_close(client);
	}
}

void sp_control_server_turn(struct sp_control_server *server)
{
	if (server->is_closing)
		return;
	if (server->listing_count)
		uv_idle_start(&server->idle, on_idle);
	else
		uv_idle_stop(&server->idle);
	if (!server->client_count)
		uv_timer_stop(&server->timer);
	else if (!uv_is_active((uv_handle_t *)&server->timer))
		uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
}

/* ---- coming and going ---- */

static struct sp_client *find_free_slot(struct sp_control_server *server)
{
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		if (server->clients[i].state == SP_CLIENT_FREE)
			return &server->clients[i];
	return NULL;
}

static void reset_client(struct sp_client *client)
{
	struct sp_control_server *server = client->server;

	free(client->out.data);
	memset(client, 0, sizeof(*client));
	client->server = server;
	client->pipe.data = client;
	client->write.data = client;
}

static void accept_client(struct sp_control_server *server)
{
	struct sp_client *client = find_free_slot(server);

	server->is_waiting = !client;
	if (!client)
		return;
	reset_client(client);
	uv_pipe_init(server->loop, &client->pipe, 0);
	server->handle_count++;
	sp_client_enter(client, SP_CLIENT_READING);
	if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&client->pipe))
		sp_client_close(client);
	else if (server->client_count > SP_CONTROL_CLIENTS_MAX)
		sp_client_refuse(client, "%d clients are being served already; try again later",
			      SP_CONTROL_CLIENTS_MAX);
	else
		sp_client_start(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
	if (!status)
		accept_client(listener->data);
}

/* Memory of a closing server goes with its last handle: from then on libuv calls none of the functions here. */
static void put_handle(struct sp_control_server *server)
{
	if (--server->handle_count || !server->is_closing)
		return;
	free(server->path);
	free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	put_handle(handle->data);
}

void sp_control_on_client_closed(uv_handle_t *handle)
{
	struct sp_client *client = handle->data;
	struct sp_control_server *server = client->server;

	sp_client_enter(client, SP_CLIENT_FREE);
	reset_client(client);
	if (server->is_waiting && !server->is_closing)
		accept_client(server);
	put_handle(server);
}

/* ---- opening and closing ---- */

static void init_handles(struct sp_control_server *server)
{
	uv_pipe_init(server->loop, &server->listener, 0);
	uv_timer_init(server->loop, &server->timer);
	uv_idle_init(server->loop, &server->idle);
	server->handle_count = 3;
	server->listener.data = server;
	server->timer.data = server;
	server->idle.data = server;
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		server->clients[i].server = server;
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
	server->loop = loop;
	server->ops = ops;
	server->ctx = ctx;
	server->path = strdup(path);
	err = server->path ? sp_control_socket_open(path, &server->socket) : -ENOMEM;
	if (err) {
		free(server->path);
		free(server);
		return err;
	}
	init_handles(server);
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
	if (!server || server->is_closing)
		return;
	server->is_closing = 1;
	sp_control_socket_remove(&server->socket, server->path);
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		sp_client_close(&server->clients[i]);
	uv_close((uv_handle_t *)&server->listener, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}
