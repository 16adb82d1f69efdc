/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control.c - server of the control socket.
 *
 * Theory of operation. A fixed table of clients, each with one state:
 *
 *	FREE -> READING -> LISTING <-> WRITING -> CLOSING -> FREE
 *
 *	READING	collects the request in @in; limit REQUEST_MS
 *	LISTING	a batch of the list is due: the idle handle makes one, of one client, per turn of the loop, so that
 *		neither a long list nor many of them keep the loop from packets
 *	WRITING	@out belongs to libuv; limit PIECE_MS. Nothing is produced for a client that does not read, so
 *		@out is never longer than FLUSH_BYTES and a batch.
 *	CLOSING	until libuv gives the handle back
 *
 * The idle handle runs only while somebody is LISTING (it keeps the loop from sleeping), the timer only while there
 * are clients. One place more than we serve takes the client that is told so; the next ones wait in the kernel.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/addr.h"
#include "control.h"
#include "control_request.h"
#include "control_socket.h"

#define SLOTS	    (SP_CONTROL_CLIENTS_MAX + 1)
#define BATCH_ROWS  64
#define FLUSH_BYTES 16384
#define REQUEST_MS  5000
#define PIECE_MS    30000
#define TICK_MS	    500
#define NEVER_MS    UINT64_MAX

enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_LISTING, CLIENT_WRITING, CLIENT_CLOSING };

struct out {
	char *data;
	size_t len;
	size_t size;
};

struct client {
	struct sp_control_server *server;
	enum client_state state;
	uint64_t deadline_ms;
	uv_pipe_t pipe;
	uv_write_t write;
	char in[SP_CONTROL_REQUEST_MAX];
	size_t in_len;
	struct out out;
	int is_last; /* nothing comes after @out */
	struct sp_control_request request;
	/* of a list */
	__u64 cursor;
	__u64 shown;
	__u64 seen;
	int has_more;
};

struct sp_control_server {
	uv_loop_t *loop;
	const struct sp_control_ops *ops;
	void *ctx;
	char *path;
	struct sp_control_socket socket;
	uv_pipe_t listener;
	uv_timer_t timer;
	uv_idle_t idle;
	unsigned int handle_count; /* not yet given back by libuv */
	unsigned int client_count;
	unsigned int listing_count;
	unsigned int turn_idx; /* whose batch may be next */
	int is_closing;
	int is_waiting; /* libuv holds an accepted connection that found no slot */
	struct client clients[SLOTS];
	struct sp_connection_row rows[BATCH_ROWS];
};

static void on_idle(uv_idle_t *handle);
static void on_tick(uv_timer_t *handle);
static void on_client_closed(uv_handle_t *handle);
static void on_written(uv_write_t *write, int status);

/* ---- output ---- */

static int out_append(const char *data, size_t len, void *arg)
{
	struct out *out = arg;

	if (out->size - out->len < len) {
		size_t size = (out->len + len) * 2;
		char *bigger = realloc(out->data, size);

		if (!bigger)
			return -1;
		out->data = bigger;
		out->size = size;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
	return 0;
}

/* One line. Takes @json over, which may be NULL: out of memory. */
static int out_append_json(struct out *out, json_t *json)
{
	int err = -ENOMEM;

	if (json && !json_dump_callback(json, out_append, out, JSON_COMPACT) && !out_append("\n", 1, out))
		err = 0;
	json_decref(json);
	return err;
}

static json_t *row_to_json(const struct sp_connection_row *row)
{
	char client[SP_ENDPOINT_STRLEN], vip[SP_ENDPOINT_STRLEN];
	char proxy[SP_ENDPOINT_STRLEN], backend[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&row->front.saddr, row->front.sport, client);
	sp_endpoint_format(&row->front.daddr, row->front.dport, vip);
	sp_endpoint_format(&row->back.saddr, row->back.sport, proxy);
	sp_endpoint_format(&row->back.daddr, row->back.dport, backend);
	return json_pack("{s:{s:s,s:s}, s:{s:s,s:s}, s:s?, s:s?, s:s?, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "front", "from", client, "to", vip, "back", "from", proxy, "to", backend,
			 "service", row->service, "pool", row->pool, "backend", row->backend, "state", row->state,
			 "age_ms", (json_int_t)(row->age_ns / 1000000),
			 "idle_ms", (json_int_t)(row->idle_ns / 1000000),
			 "bytes_up", (json_int_t)row->bytes_up, "bytes_down", (json_int_t)row->bytes_down,
			 "pkts_up", (json_int_t)row->pkts_up, "pkts_down", (json_int_t)row->pkts_down);
}

/* ---- clients ---- */

static uint64_t deadline_of(const struct client *client, enum client_state state)
{
	uint64_t now_ms = uv_now(client->server->loop);

	switch (state) {
	case CLIENT_READING:
		return now_ms + REQUEST_MS;
	case CLIENT_WRITING:
		return now_ms + PIECE_MS;
	case CLIENT_FREE:
	case CLIENT_LISTING:
	case CLIENT_CLOSING:
		break;
	}
	return NEVER_MS;
}

static int is_served(enum client_state state)
{
	return state != CLIENT_FREE && state != CLIENT_CLOSING;
}

/* All changes of state. Starts and stops what runs on behalf of states. */
static void client_enter(struct client *client, enum client_state state)
{
	struct sp_control_server *server = client->server;

	server->client_count += is_served(state) - is_served(client->state);
	server->listing_count += (state == CLIENT_LISTING) - (client->state == CLIENT_LISTING);
	client->state = state;
	client->deadline_ms = deadline_of(client, state);
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

static void client_close(struct client *client)
{
	if (!is_served(client->state))
		return;
	client_enter(client, CLIENT_CLOSING);
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void client_flush(struct client *client)
{
	uv_buf_t buf = uv_buf_init(client->out.data, client->out.len);

	client_enter(client, CLIENT_WRITING);
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written))
		client_close(client);
}

/* The last line of an answer, behind what is in @out already. Takes @json over. */
static void client_answer(struct client *client, json_t *json)
{
	if (out_append_json(&client->out, json)) {
		client_close(client);
		return;
	}
	client->is_last = 1;
	client_flush(client);
}

static void client_refuse(struct client *client, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void client_refuse(struct client *client, const char *fmt, ...)
{
	va_list ap;

	uv_read_stop((uv_stream_t *)&client->pipe);
	va_start(ap, fmt);
	client_answer(client, json_pack("{s:o}", "error", json_vsprintf(fmt, ap)));
	va_end(ap);
}

static void on_written(uv_write_t *write, int status)
{
	struct client *client = write->data;

	if (client->state == CLIENT_CLOSING) /* written before, or cancelled */
		return;
	client->out.len = 0;
	if (status || client->is_last)
		client_close(client);
	else
		client_enter(client, CLIENT_LISTING);
}

/* ---- lists ---- */

static int list_row(struct client *client, const struct sp_connection_row *row)
{
	client->seen++;
	if (!sp_control_request_match(&client->request, row))
		return 0;
	if (client->request.limit && client->shown == client->request.limit) {
		client->has_more = 1;
		return 0;
	}
	client->shown++;
	return out_append_json(&client->out, row_to_json(row));
}

static void list_end(struct client *client)
{
	client_answer(client, json_pack("{s:b, s:I, s:I, s:b}", "end", 1, "shown", (json_int_t)client->shown,
					"total_seen", (json_int_t)client->seen, "more", client->has_more));
}

static void list_batch(struct client *client)
{
	struct sp_control_server *server = client->server;
	int is_end = 0, err = 0, count;

	count = server->ops->connections(server->ctx, &client->cursor, server->rows, BATCH_ROWS, &is_end);
	if (count < 0) {
		client_refuse(client, "the list broke off: %s", strerror(-count));
		return;
	}
	assert(count <= BATCH_ROWS);
	for (int i = 0; i < count && !client->has_more && !err; i++)
		err = list_row(client, &server->rows[i]);
	if (err)
		client_close(client);
	else if (is_end || client->has_more)
		list_end(client);
	else if (client->out.len >= FLUSH_BYTES)
		client_flush(client);
}

/* One batch per turn; clients in turns. */
static void on_idle(uv_idle_t *handle)
{
	struct sp_control_server *server = handle->data;

	for (unsigned int i = 0; i < SLOTS; i++) {
		struct client *client = &server->clients[server->turn_idx];

		server->turn_idx = (server->turn_idx + 1) % SLOTS;
		if (client->state == CLIENT_LISTING) {
			list_batch(client);
			return;
		}
	}
}

/* ---- requests ---- */

static int may_change(struct client *client)
{
	struct sp_control_server *server = client->server;
	uv_os_fd_t fd;

	return !uv_fileno((uv_handle_t *)&client->pipe, &fd) &&
	       sp_control_socket_is_owner(&server->socket, server->path, fd);
}

static void client_run(struct client *client)
{
	struct sp_control_server *server = client->server;

	switch (client->request.command) {
	case SP_CONTROL_STATUS:
		client_answer(client, server->ops->status(server->ctx));
		break;
	case SP_CONTROL_DROPS:
		client_answer(client, server->ops->drops(server->ctx));
		break;
	case SP_CONTROL_CLUSTER:
		client_answer(client, server->ops->cluster(server->ctx));
		break;
	case SP_CONTROL_READY:
		client_answer(client, server->ops->ready(server->ctx));
		break;
	case SP_CONTROL_DRAIN:
		client_answer(client, server->ops->drain(server->ctx, client->request.is_undo));
		break;
	case SP_CONTROL_CONNECTIONS:
		client_enter(client, CLIENT_LISTING);
		break;
	case SP_CONTROL_COMMAND_COUNT:
		break;
	}
}

static void client_serve(struct client *client, size_t line_len)
{
	char error[SP_CONTROL_ERROR_MAX];

	uv_read_stop((uv_stream_t *)&client->pipe);
	if (sp_control_request_parse(client->in, line_len, error, &client->request))
		client_refuse(client, "%s", error);
	else if (sp_control_request_changes(&client->request) && !may_change(client))
		client_refuse(client, "this is for root, and for the owner of %s", client->server->path);
	else
		client_run(client);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *client = handle->data;

	*buf = uv_buf_init(client->in + client->in_len, sizeof(client->in) - client->in_len);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct client *client = stream->data;
	const char *newline;

	if (!nread)
		return;
	if (nread < 0) {
		if (nread == UV_EOF && client->in_len)
			client_refuse(client, "request ends without a newline");
		else
			client_close(client);
		return;
	}
	newline = memchr(client->in + client->in_len, '\n', nread);
	client->in_len += nread;
	if (newline)
		client_serve(client, newline - client->in);
	else if (client->in_len == sizeof(client->in))
		client_refuse(client, "request is longer than %d bytes", SP_CONTROL_REQUEST_MAX);
}

static void on_tick(uv_timer_t *handle)
{
	struct sp_control_server *server = handle->data;
	uint64_t now_ms = uv_now(server->loop);

	for (unsigned int i = 0; i < SLOTS; i++) {
		struct client *client = &server->clients[i];

		if (client->state == CLIENT_FREE || now_ms < client->deadline_ms)
			continue;
		if (client->state == CLIENT_READING)
			client_refuse(client, "no request within %d s", REQUEST_MS / 1000);
		else
			client_close(client);
	}
}

/* ---- coming and going ---- */

static struct client *find_free_slot(struct sp_control_server *server)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (server->clients[i].state == CLIENT_FREE)
			return &server->clients[i];
	return NULL;
}

static void reset_client(struct client *client)
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
	struct client *client = find_free_slot(server);

	server->is_waiting = !client;
	if (!client)
		return;
	reset_client(client);
	uv_pipe_init(server->loop, &client->pipe, 0);
	server->handle_count++;
	client_enter(client, CLIENT_READING);
	if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&client->pipe))
		client_close(client);
	else if (server->client_count > SP_CONTROL_CLIENTS_MAX)
		client_refuse(client, "%d clients are being served already; try again later",
			      SP_CONTROL_CLIENTS_MAX);
	else if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
		client_close(client);
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

static void on_client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct sp_control_server *server = client->server;

	client_enter(client, CLIENT_FREE);
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
	for (unsigned int i = 0; i < SLOTS; i++)
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
	for (unsigned int i = 0; i < SLOTS; i++)
		client_close(&server->clients[i]);
	uv_close((uv_handle_t *)&server->listener, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}
