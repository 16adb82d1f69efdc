/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * session.h - connections to the control socket: one request and its answer each. Only for
 * src/control.
 */
#ifndef SP_CONTROL_SESSION_H
#define SP_CONTROL_SESSION_H

#include <uv.h>

#include "control/control.h"
#include "control/output.h"
#include "control/request.h"
#include "control/socket.h"

#define SP_CONTROL_SLOTS      (SP_CONTROL_CLIENTS_MAX + 1)
#define SP_CONTROL_BATCH_ROWS 64
#define SP_CONTROL_REQUEST_MS 5000
#define SP_CONTROL_NEVER_MS   UINT64_MAX

enum sp_control_session_state {
	SP_SESSION_FREE, SP_SESSION_READING, SP_SESSION_WAITING, SP_SESSION_LISTING,
	SP_SESSION_TRACING, SP_SESSION_WRITING, SP_SESSION_DRAINING,
	SP_SESSION_CLOSING,
};

/**
 * struct sp_control_session - one connection
 * @all:	the table that it is in
 * @is_last:	nothing comes after @out
 * @cursor, @shown, @seen, @has_more: of a list; @shown of a trace, too
 * @is_tracing:	@trace is on until @trace_until_ms
 * @ticket:	of the reload or configuration that is WAITING
 * @place:	in a status
 */
struct sp_control_session {
	struct sp_control_sessions *all;
	enum sp_control_session_state state;
	uint64_t deadline_ms;
	uv_pipe_t pipe;
	uv_write_t write;
	uv_shutdown_t shutdown;
	char in[SP_CONTROL_REQUEST_MAX];
	size_t in_len;
	struct sp_control_output out;
	int is_last;
	struct sp_control_request request;
	__u64 cursor;
	__u64 shown;
	__u64 seen;
	int has_more;
	int is_tracing, trace;
	uint64_t trace_until_ms;
	__u64 ticket;
	struct sp_control_place place;
};

/**
 * struct sp_control_sessions - all connections
 * @path:	of @socket, which says whose the daemon is; borrowed
 * @gone:	a handle was given back, so a slot may be free; @owner is for its use
 * @handle_count: handles that libuv has not given back
 * @turn_idx:	the session whose batch is next
 */
struct sp_control_sessions {
	uv_loop_t *loop;
	const struct sp_control_ops *ops;
	void *ctx;
	const char *path;
	const struct sp_control_socket *socket;
	void (*gone)(struct sp_control_sessions *all);
	void *owner;
	uv_timer_t timer;
	uv_idle_t idle;
	unsigned int handle_count;
	unsigned int served_count;
	unsigned int listing_count;
	unsigned int turn_idx;
	int is_closing;
	struct sp_control_session slots[SP_CONTROL_SLOTS];
	struct sp_connection_row rows[SP_CONTROL_BATCH_ROWS];
};

/* @all: zero, but for what the caller has set: @loop to @owner */
void sp_control_sessions_init(struct sp_control_sessions *all);

/* Accept one connection and serve it. Return: 0; -EBUSY: no slot is free. */
int sp_control_sessions_accept(struct sp_control_sessions *all, uv_stream_t *listener);

/* As sp_control_reloaded(); @answer is borrowed. */
void sp_control_sessions_reloaded(struct sp_control_sessions *all, __u64 ticket, json_t *answer);

/* As sp_control_configured(). */
void sp_control_sessions_configured(struct sp_control_sessions *all, __u64 ticket,
				    struct sp_control_output *answer);

/* Cut all off. @all must stay until @gone finds no handle any more. */
void sp_control_sessions_close(struct sp_control_sessions *all);

#endif
