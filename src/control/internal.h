/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* internal.h - the server of the control socket and its clients. Only for control*.c. */
#ifndef SP_CONTROL_INTERNAL_H
#define SP_CONTROL_INTERNAL_H

#include <uv.h>

#include "control/control.h"
#include "control/request.h"
#include "control/socket.h"

#define SP_CONTROL_SLOTS      (SP_CONTROL_CLIENTS_MAX + 1)
#define SP_CONTROL_BATCH_ROWS 64
#define SP_CONTROL_REQUEST_MS 5000
#define SP_CONTROL_NEVER_MS   UINT64_MAX

enum sp_client_state {
	SP_CLIENT_FREE, SP_CLIENT_READING, SP_CLIENT_LISTING, SP_CLIENT_WRITING, SP_CLIENT_DRAINING, SP_CLIENT_CLOSING,
};

struct sp_client_out {
	char *data;
	size_t len;
	size_t size;
};

struct sp_client {
	struct sp_control_server *server;
	enum sp_client_state state;
	uint64_t deadline_ms;
	uv_pipe_t pipe;
	uv_write_t write;
	uv_shutdown_t shutdown;
	char in[SP_CONTROL_REQUEST_MAX];
	size_t in_len;
	struct sp_client_out out;
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
	struct sp_client clients[SP_CONTROL_SLOTS];
	struct sp_connection_row rows[SP_CONTROL_BATCH_ROWS];
};

/* control.c - a client has another state: starts and stops what runs on behalf of states */
void sp_control_server_turn(struct sp_control_server *server);
void sp_control_on_client_closed(uv_handle_t *handle);

/* control/client.c - one that was accepted: read its request, and answer */
void sp_client_start(struct sp_client *client);
/* All changes of state. */
void sp_client_enter(struct sp_client *client, enum sp_client_state state);
void sp_client_close(struct sp_client *client);
void sp_client_refuse(struct sp_client *client, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The next rows of a list. */
void sp_client_list_batch(struct sp_client *client);

#endif
