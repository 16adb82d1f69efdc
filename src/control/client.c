/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * client.c - a client of the control socket: its request, and the answer
 *
 * Theory of operation. A fixed table of clients, each with one state:
 *
 *	FREE -> READING -> LISTING <-> WRITING -> [DRAINING ->] CLOSING -> FREE
 *
 *	READING	collects the request in @in; limit SP_CONTROL_REQUEST_MS
 *	LISTING	a batch of the list is due: the idle handle makes one, of one client, per turn of the loop, so that
 *		neither a long list nor many of them keep the loop from packets
 *	WRITING	@out belongs to libuv; limit PIECE_MS. Nothing is produced for a client that does not read, so
 *		@out is never longer than FLUSH_BYTES and a batch.
 *	DRAINING the rest of a request that was too long is thrown away; limit DRAIN_MS. To close before it was read
 *		would be an error for the client, which may then not read the answer
 *	CLOSING	until libuv gives the handle back
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "control/internal.h"

#define FLUSH_BYTES 16384
#define PIECE_MS    30000
#define DRAIN_MS    2000

static void on_written(uv_write_t *write, int status);

/* ---- output ---- */

static int out_append(const char *data, size_t len, void *arg)
{
	struct sp_client_out *out = arg;

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
static int out_append_json(struct sp_client_out *out, json_t *json)
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

static uint64_t deadline_of(const struct sp_client *client, enum sp_client_state state)
{
	uint64_t now_ms = uv_now(client->server->loop);

	switch (state) {
	case SP_CLIENT_READING:
		return now_ms + SP_CONTROL_REQUEST_MS;
	case SP_CLIENT_WRITING:
		return now_ms + PIECE_MS;
	case SP_CLIENT_DRAINING:
		return now_ms + DRAIN_MS;
	case SP_CLIENT_FREE:
	case SP_CLIENT_LISTING:
	case SP_CLIENT_CLOSING:
		break;
	}
	return SP_CONTROL_NEVER_MS;
}

static int is_served(enum sp_client_state state)
{
	return state != SP_CLIENT_FREE && state != SP_CLIENT_CLOSING;
}

void sp_client_enter(struct sp_client *client, enum sp_client_state state)
{
	struct sp_control_server *server = client->server;

	server->client_count += is_served(state) - is_served(client->state);
	server->listing_count += (state == SP_CLIENT_LISTING) - (client->state == SP_CLIENT_LISTING);
	client->state = state;
	client->deadline_ms = deadline_of(client, state);
	sp_control_server_turn(server);
}

void sp_client_close(struct sp_client *client)
{
	if (!is_served(client->state))
		return;
	sp_client_enter(client, SP_CLIENT_CLOSING);
	uv_close((uv_handle_t *)&client->pipe, sp_control_on_client_closed);
}

static void client_flush(struct sp_client *client)
{
	uv_buf_t buf = uv_buf_init(client->out.data, client->out.len);

	sp_client_enter(client, SP_CLIENT_WRITING);
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written))
		sp_client_close(client);
}

/* The last line of an answer, behind what is in @out already. Takes @json over. */
static void client_answer(struct sp_client *client, json_t *json)
{
	if (out_append_json(&client->out, json)) {
		sp_client_close(client);
		return;
	}
	client->is_last = 1;
	client_flush(client);
}

void sp_client_refuse(struct sp_client *client, const char *fmt, ...)
{
	va_list ap;

	uv_read_stop((uv_stream_t *)&client->pipe);
	va_start(ap, fmt);
	client_answer(client, json_pack("{s:o}", "error", json_vsprintf(fmt, ap)));
	va_end(ap);
}

static void on_drain_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_client *client = handle->data;

	*buf = uv_buf_init(client->in, sizeof(client->in));
}

static void on_drained(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	if (nread < 0)
		sp_client_close(stream->data);
}

/* The client hears the end of the answer at once. */
static void drain(struct sp_client *client)
{
	sp_client_enter(client, SP_CLIENT_DRAINING);
	if (uv_shutdown(&client->shutdown, (uv_stream_t *)&client->pipe, NULL) ||
	    uv_read_start((uv_stream_t *)&client->pipe, on_drain_alloc, on_drained))
		sp_client_close(client);
}

static void on_written(uv_write_t *write, int status)
{
	struct sp_client *client = write->data;

	if (client->state == SP_CLIENT_CLOSING) /* written before, or cancelled */
		return;
	client->out.len = 0;
	if (!status && client->is_last && client->in_len == sizeof(client->in))	/* so there may be more */
		drain(client);
	else if (status || client->is_last)
		sp_client_close(client);
	else
		sp_client_enter(client, SP_CLIENT_LISTING);
}

/* ---- lists ---- */

static int list_row(struct sp_client *client, const struct sp_connection_row *row)
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

static void list_end(struct sp_client *client)
{
	client_answer(client, json_pack("{s:b, s:I, s:I, s:b}", "end", 1, "shown", (json_int_t)client->shown,
					"total_seen", (json_int_t)client->seen, "more", client->has_more));
}

void sp_client_list_batch(struct sp_client *client)
{
	struct sp_control_server *server = client->server;
	int is_end = 0, err = 0, count;

	count = server->ops->connections(server->ctx, &client->cursor, server->rows, SP_CONTROL_BATCH_ROWS, &is_end);
	if (count < 0) {
		sp_client_refuse(client, "the list broke off: %s", strerror(-count));
		return;
	}
	assert(count <= SP_CONTROL_BATCH_ROWS);
	for (int i = 0; i < count && !client->has_more && !err; i++)
		err = list_row(client, &server->rows[i]);
	if (err)
		sp_client_close(client);
	else if (is_end || client->has_more)
		list_end(client);
	else if (client->out.len >= FLUSH_BYTES)
		client_flush(client);
}

/* ---- requests ---- */

static int may_change(struct sp_client *client)
{
	struct sp_control_server *server = client->server;
	uv_os_fd_t fd;

	return !uv_fileno((uv_handle_t *)&client->pipe, &fd) &&
	       sp_control_socket_is_owner(&server->socket, server->path, fd);
}

static void client_run(struct sp_client *client)
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
		sp_client_enter(client, SP_CLIENT_LISTING);
		break;
	case SP_CONTROL_COMMAND_COUNT:
		break;
	}
}

static void client_serve(struct sp_client *client, size_t line_len)
{
	char error[SP_CONTROL_ERROR_MAX];

	uv_read_stop((uv_stream_t *)&client->pipe);
	if (sp_control_request_parse(client->in, line_len, error, &client->request))
		sp_client_refuse(client, "%s", error);
	else if (sp_control_request_changes(&client->request) && !may_change(client))
		sp_client_refuse(client, "this is for root, and for the owner of %s", client->server->path);
	else
		client_run(client);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_client *client = handle->data;

	*buf = uv_buf_init(client->in + client->in_len, sizeof(client->in) - client->in_len);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct sp_client *client = stream->data;
	const char *newline;

	if (!nread)
		return;
	if (nread < 0) {
		if (nread == UV_EOF && client->in_len)
			sp_client_refuse(client, "request ends without a newline");
		else
			sp_client_close(client);
		return;
	}
	newline = memchr(client->in + client->in_len, '\n', nread);
	client->in_len += nread;
	if (newline)
		client_serve(client, newline - client->in);
	else if (client->in_len == sizeof(client->in))
		sp_client_refuse(client, "request is longer than %d bytes", SP_CONTROL_REQUEST_MAX);
}

void sp_client_start(struct sp_client *client)
{
	if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
		sp_client_close(client);
}
