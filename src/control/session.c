// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * session.c - a connection to the control socket: its request, and the answer
 *
 * Theory of operation. A fixed table of sessions, each with one state:
 *
 *	FREE -> READING -> [WAITING ->] LISTING <-> WRITING -> [DRAINING ->] CLOSING -> FREE
 *			-> TRACING <-> WRITING
 *
 *	READING	collects the request in @in; limit SP_CONTROL_REQUEST_MS
 *	LISTING	a batch of a list or of a status is due: the idle handle makes one batch, of one session, per
 *		turn of the loop. So neither a long list nor many lists keep the loop from packets.
 *	WAITING	a reload or a configuration is under way, which has an end
 *	WRITING	@out belongs to libuv; limit PIECE_MS. For a client that does not read nothing is produced, so
 *		@out is never longer than FLUSH_BYTES and a batch.
 *	TRACING	each tick writes the lines of a trace, until it is over, or the client leaves
 *	DRAINING the rest of a request that was too long is thrown away; limit DRAIN_MS. To close before that
 *		would be an error for the client, which may then not read the answer.
 *	CLOSING	until libuv gives the handle back
 *
 * The idle handle runs while a session is LISTING, as it keeps the loop from sleeping; the timer
 * runs while there are sessions. One slot more than SP_CONTROL_CLIENTS_MAX takes the client that is
 * told so; the next clients wait in the kernel.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/session.h"

#define FLUSH_BYTES 16384
#define PIECE_MS    30000
#define DRAIN_MS    2000
#define TICK_MS     200

static void on_idle(uv_idle_t *handle);
static void on_tick(uv_timer_t *handle);
static void on_written(uv_write_t *write, int status);
static void trace_turn(struct sp_control_session *s);
static void on_session_closed(uv_handle_t *handle);

/* ---- states ---- */

static uint64_t deadline_of(const struct sp_control_session *s, enum sp_control_session_state state)
{
	uint64_t now_ms = uv_now(s->all->loop);

	switch (state) {
	case SP_SESSION_READING:
		return now_ms + SP_CONTROL_REQUEST_MS;
	case SP_SESSION_WRITING:
		return now_ms + PIECE_MS;
	case SP_SESSION_DRAINING:
		return now_ms + DRAIN_MS;
	case SP_SESSION_FREE:
	case SP_SESSION_WAITING:
	case SP_SESSION_LISTING:
	case SP_SESSION_TRACING:
	case SP_SESSION_CLOSING:
		break;
	}
	return SP_CONTROL_NEVER_MS;
}

static int is_served(enum sp_control_session_state state)
{
	return state != SP_SESSION_FREE && state != SP_SESSION_CLOSING;
}

/* Start and stop what runs on behalf of states. */
static void update_handles(struct sp_control_sessions *all)
{
	if (all->is_closing)
		return;
	if (all->listing_count)
		uv_idle_start(&all->idle, on_idle);
	else
		uv_idle_stop(&all->idle);
	if (!all->served_count)
		uv_timer_stop(&all->timer);
	else if (!uv_is_active((uv_handle_t *)&all->timer))
		uv_timer_start(&all->timer, on_tick, TICK_MS, TICK_MS);
}

/* All changes of state. */
static void enter_state(struct sp_control_session *s, enum sp_control_session_state state)
{
	struct sp_control_sessions *all = s->all;

	all->served_count += is_served(state) - is_served(s->state);
	all->listing_count += (state == SP_SESSION_LISTING) - (s->state == SP_SESSION_LISTING);
	s->state = state;
	s->deadline_ms = deadline_of(s, state);
	update_handles(all);
}

/* Return: how many lines found no room. */
static __u64 stop_trace(struct sp_control_session *s)
{
	if (!s->is_tracing)
		return 0;
	s->is_tracing = 0;
	return s->all->ops->trace_end(s->all->ctx, s->trace);
}

static void end_status(struct sp_control_session *s)
{
	if (s->place.held)
		s->all->ops->status_ends(s->all->ctx, &s->place);
	s->place = (struct sp_control_place){ 0 };
}

static void close_session(struct sp_control_session *s)
{
	if (!is_served(s->state))
		return;
	stop_trace(s);
	end_status(s);
	enter_state(s, SP_SESSION_CLOSING);
	uv_close((uv_handle_t *)&s->pipe, on_session_closed);
}

static void flush_output(struct sp_control_session *s)
{
	uv_buf_t buf = uv_buf_init(s->out.data, s->out.len);

	enter_state(s, SP_SESSION_WRITING);
	if (uv_write(&s->write, (uv_stream_t *)&s->pipe, &buf, 1, on_written))
		close_session(s);
}

/* The last line of an answer, behind what is in @out already. Takes @json over. */
static void answer_last(struct sp_control_session *s, json_t *json)
{
	if (sp_control_output_add(&s->out, json)) {
		close_session(s);
		return;
	}
	s->is_last = 1;
	flush_output(s);
}

static void refuse_request(struct sp_control_session *s, const char *fmt,
			   ...) __attribute__((format(printf, 2, 3)));
static void refuse_request(struct sp_control_session *s, const char *fmt, ...)
{
	va_list ap;

	uv_read_stop((uv_stream_t *)&s->pipe);
	va_start(ap, fmt);
	answer_last(s, json_pack("{s:o}", "error", json_vsprintf(fmt, ap)));
	va_end(ap);
}

static void on_drain_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_control_session *s = handle->data;

	*buf = uv_buf_init(s->in, sizeof(s->in));
}

static void on_drained(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	if (nread < 0)
		close_session(stream->data);
}

/* The client hears the end of the answer at once. */
static void drain_input(struct sp_control_session *s)
{
	enter_state(s, SP_SESSION_DRAINING);
	if (uv_shutdown(&s->shutdown, (uv_stream_t *)&s->pipe, NULL) ||
	    uv_read_start((uv_stream_t *)&s->pipe, on_drain_alloc, on_drained))
		close_session(s);
}

static void on_written(uv_write_t *write, int status)
{
	struct sp_control_session *s = write->data;

	if (s->state == SP_SESSION_CLOSING) /* written before, or cancelled */
		return;
	s->out.len = 0;
	if (!status && s->is_last && s->in_len == sizeof(s->in))	/* so there may be more */
		drain_input(s);
	else if (status || s->is_last)
		close_session(s);
	else if (s->is_tracing)
		trace_turn(s);
	else
		enter_state(s, SP_SESSION_LISTING);
}

/* ---- lists ---- */

static int add_row(struct sp_control_session *s, const struct sp_connection_row *row)
{
	s->seen++;
	if (!sp_control_request_match(&s->request, row))
		return 0;
	if (s->request.limit && s->shown == s->request.limit) {
		s->has_more = 1;
		return 0;
	}
	s->shown++;
	return sp_control_output_add(&s->out, sp_control_row_json(row));
}

static void end_list(struct sp_control_session *s)
{
	answer_last(s, json_pack("{s:b, s:I, s:I, s:b}", "end", 1, "shown", (json_int_t)s->shown,
				 "total_seen", (json_int_t)s->seen, "more", s->has_more));
}

static void list_batch(struct sp_control_session *s)
{
	struct sp_control_sessions *all = s->all;
	int is_end = 0, err = 0, count;

	count = all->ops->connections(all->ctx, &s->cursor, all->rows, SP_CONTROL_BATCH_ROWS,
				      &is_end);
	if (count < 0) {
		refuse_request(s, "the list broke off: %s", strerror(-count));
		return;
	}
	assert(count <= SP_CONTROL_BATCH_ROWS);
	for (int i = 0; i < count && !s->has_more && !err; i++)
		err = add_row(s, &all->rows[i]);
	if (err)
		close_session(s);
	else if (is_end || s->has_more)
		end_list(s);
	else if (s->out.len >= FLUSH_BYTES)
		flush_output(s);
}

/* ---- the state of the daemon ---- */

static void status_batch(struct sp_control_session *s)
{
	int is_overview = s->request.command == SP_CONTROL_OVERVIEW;
	int more = s->all->ops->status(s->all->ctx, is_overview, &s->place, &s->out);

	if (more < 0) {
		close_session(s);
		return;
	}
	s->is_last = !more;
	if (!more)
		end_status(s);
	if (!more || s->out.len >= FLUSH_BYTES)
		flush_output(s);
}

/* ---- traces ---- */

/* What has come since the last turn, as far as one piece has room. */
static void trace_turn(struct sp_control_session *s)
{
	const struct sp_control_ops *ops = s->all->ops;
	int is_over = uv_now(s->all->loop) >= s->trace_until_ms;
	json_t *line = NULL;

	while (s->out.len < FLUSH_BYTES && (!s->request.limit || s->shown < s->request.limit) &&
	       (line = ops->trace_next(s->all->ctx, s->trace))) {
		s->shown++;
		if (sp_control_output_add(&s->out, line)) {
			close_session(s);
			return;
		}
	}
	if ((is_over && !line) || (s->request.limit && s->shown == s->request.limit))
		answer_last(s, json_pack("{s:b, s:I, s:I}", "end", 1, "shown",
					 (json_int_t)s->shown, "lost", (json_int_t)stop_trace(s)));
	else if (s->out.len)
		flush_output(s);
	else
		enter_state(s, SP_SESSION_TRACING);
}

static void on_tracing_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	if (nread < 0)
		close_session(stream->data);
}

static void begin_trace(struct sp_control_session *s)
{
	s->trace = s->all->ops->trace_begin(s->all->ctx, &s->request);
	if (s->trace < 0) {
		refuse_request(s, "trace: %s", s->trace == -EBUSY ? "as many as may be are on" :
			       strerror(-s->trace));
		return;
	}
	s->is_tracing = 1;
	s->trace_until_ms = uv_now(s->all->loop) + s->request.seconds * 1000;
	enter_state(s, SP_SESSION_TRACING);
	if (uv_read_start((uv_stream_t *)&s->pipe, on_drain_alloc, on_tracing_read))
		close_session(s);
}

/* ---- requests ---- */

static int may_change(struct sp_control_session *s)
{
	uv_os_fd_t fd;

	return !uv_fileno((uv_handle_t *)&s->pipe, &fd) &&
	       sp_control_socket_is_owner(s->all->socket, s->all->path, fd);
}

static void run_request(struct sp_control_session *s)
{
	const struct sp_control_ops *ops = s->all->ops;
	void *ctx = s->all->ctx;

	switch (s->request.command) {
	case SP_CONTROL_STATUS:
	case SP_CONTROL_OVERVIEW:
	case SP_CONTROL_CONNECTIONS:
		enter_state(s, SP_SESSION_LISTING);
		break;
	case SP_CONTROL_DROPS:
		answer_last(s, ops->drops(ctx));
		break;
	case SP_CONTROL_CLUSTER:
		answer_last(s, ops->cluster(ctx));
		break;
	case SP_CONTROL_READY:
		answer_last(s, ops->ready(ctx));
		break;
	case SP_CONTROL_DRAIN:
		answer_last(s, ops->drain(ctx, s->request.is_undo));
		break;
	case SP_CONTROL_RELOAD:
		enter_state(s, SP_SESSION_WAITING);
		s->ticket = ops->reload(ctx);
		break;
	case SP_CONTROL_CONFIG:
		enter_state(s, SP_SESSION_WAITING);
		s->ticket = ops->config(ctx, *s->request.file ? s->request.file : NULL);
		if (!s->ticket)
			refuse_request(s, "as many configurations as may be are asked for; try again later");
		break;
	case SP_CONTROL_BACKEND:
		answer_last(s, ops->backend(ctx, s->request.name, s->request.order,
					   s->request.is_here));
		break;
	case SP_CONTROL_EVENTS:
		answer_last(s, ops->events(ctx, s->request.since, s->request.limit));
		break;
	case SP_CONTROL_EXPLAIN:
		answer_last(s, ops->explain(ctx, &s->request.wish));
		break;
	case SP_CONTROL_TRACE:
		begin_trace(s);
		break;
	case SP_CONTROL_COMMAND_COUNT:
		break;
	}
}

static void serve_request(struct sp_control_session *s, size_t line_len)
{
	char error[SP_CONTROL_ERROR_MAX];

	uv_read_stop((uv_stream_t *)&s->pipe);
	if (sp_control_request_parse(s->in, line_len, error, &s->request))
		refuse_request(s, "%s", error);
	else if (sp_control_request_changes(&s->request) && !may_change(s))
		refuse_request(s, "only root and the owner of %s may do this", s->all->path);
	else
		run_request(s);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_control_session *s = handle->data;

	*buf = uv_buf_init(s->in + s->in_len, sizeof(s->in) - s->in_len);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct sp_control_session *s = stream->data;
	const char *newline;

	if (!nread)
		return;
	if (nread < 0) {
		if (nread == UV_EOF && s->in_len)
			refuse_request(s, "request ends without a newline");
		else
			close_session(s);
		return;
	}
	newline = memchr(s->in + s->in_len, '\n', nread);
	s->in_len += nread;
	if (newline)
		serve_request(s, newline - s->in);
	else if (s->in_len == sizeof(s->in))
		refuse_request(s, "request is longer than %d bytes", SP_CONTROL_REQUEST_MAX);
}

static void start_reading(struct sp_control_session *s)
{
	if (uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read))
		close_session(s);
}

/* ---- all sessions ---- */

/* One batch per turn; lists in turns. */
static void on_idle(uv_idle_t *handle)
{
	struct sp_control_sessions *all = handle->data;

	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_control_session *s = &all->slots[all->turn_idx];

		all->turn_idx = (all->turn_idx + 1) % SP_CONTROL_SLOTS;
		if (s->state != SP_SESSION_LISTING)
			continue;
		if (s->request.command == SP_CONTROL_CONNECTIONS)
			list_batch(s);
		else
			status_batch(s);
		return;
	}
}

static void on_tick(uv_timer_t *handle)
{
	struct sp_control_sessions *all = handle->data;
	uint64_t now_ms = uv_now(all->loop);

	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_control_session *s = &all->slots[i];

		if (s->state == SP_SESSION_TRACING)
			trace_turn(s);
		else if (s->state == SP_SESSION_FREE || now_ms < s->deadline_ms)
			continue;
		else if (s->state == SP_SESSION_READING)
			refuse_request(s, "no request within %d s", SP_CONTROL_REQUEST_MS / 1000);
		else
			close_session(s);
	}
}

static void reset_slot(struct sp_control_session *s)
{
	struct sp_control_sessions *all = s->all;

	free(s->out.data);
	memset(s, 0, sizeof(*s));
	s->all = all;
	s->pipe.data = s;
	s->write.data = s;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct sp_control_sessions *all = handle->data;

	all->handle_count--;
	all->gone(all);
}

static void on_session_closed(uv_handle_t *handle)
{
	struct sp_control_session *s = handle->data;

	enter_state(s, SP_SESSION_FREE);
	reset_slot(s);
	s->all->handle_count--;
	s->all->gone(s->all);
}

static struct sp_control_session *find_free_slot(struct sp_control_sessions *all)
{
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		if (all->slots[i].state == SP_SESSION_FREE)
			return &all->slots[i];
	return NULL;
}

int sp_control_sessions_accept(struct sp_control_sessions *all, uv_stream_t *listener)
{
	struct sp_control_session *s = find_free_slot(all);

	if (!s)
		return -EBUSY;
	reset_slot(s);
	uv_pipe_init(all->loop, &s->pipe, 0);
	all->handle_count++;
	enter_state(s, SP_SESSION_READING);
	if (uv_accept(listener, (uv_stream_t *)&s->pipe))
		close_session(s);
	else if (all->served_count > SP_CONTROL_CLIENTS_MAX)
		refuse_request(s, "%d clients are being served already; try again later",
			       SP_CONTROL_CLIENTS_MAX);
	else
		start_reading(s);
	return 0;
}

void sp_control_sessions_reloaded(struct sp_control_sessions *all, __u64 ticket, json_t *answer)
{
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_control_session *s = &all->slots[i];

		if (s->state == SP_SESSION_WAITING && s->ticket <= ticket &&
		    s->request.command == SP_CONTROL_RELOAD)
			answer_last(s, json_incref(answer));
	}
}

void sp_control_sessions_configured(struct sp_control_sessions *all, __u64 ticket,
				    struct sp_control_output *answer)
{
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++) {
		struct sp_control_session *s = &all->slots[i];

		if (s->state != SP_SESSION_WAITING || s->ticket != ticket ||
		    s->request.command != SP_CONTROL_CONFIG)
			continue;
		free(s->out.data);
		s->out = *answer;
		*answer = (struct sp_control_output){ 0 };
		s->is_last = 1;
		flush_output(s);
		return;
	}
	free(answer->data);
	*answer = (struct sp_control_output){ 0 };
}

void sp_control_sessions_init(struct sp_control_sessions *all)
{
	uv_timer_init(all->loop, &all->timer);
	uv_idle_init(all->loop, &all->idle);
	all->handle_count = 2;
	all->timer.data = all;
	all->idle.data = all;
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		all->slots[i].all = all;
}

void sp_control_sessions_close(struct sp_control_sessions *all)
{
	all->is_closing = 1;
	for (unsigned int i = 0; i < SP_CONTROL_SLOTS; i++)
		close_session(&all->slots[i]);
	uv_close((uv_handle_t *)&all->timer, on_handle_closed);
	uv_close((uv_handle_t *)&all->idle, on_handle_closed);
}
