// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define BLOCK	65536

static struct fake {
	uv_pipe_t		listener;
	const struct nonsense	*how;
} fake;

/* A connection. @in: an incomplete command so far; @held: an answer to send after the next */
struct peer {
	uv_pipe_t	pipe;
	uv_timer_t	timer;
	char		in[65536];
	size_t		in_len;
	int		closing, is_silent;
	char		held[512];
	char		drip[512];
	unsigned int	dripped;
	int		scripts;
};

struct out {
	uv_write_t	req;
	uv_buf_t	buf;
	unsigned int	times;		/* still to come, of @block */
	char		bytes[BLOCK];
};

/* ---- out ---- */

static void on_free(uv_handle_t *handle)
{
	struct peer *p = handle->data;

	if (++p->closing == 2)
		free(p);
}

static void hang_up(struct peer *p)
{
	if (uv_is_closing((uv_handle_t *)&p->pipe))
		return;
	uv_close((uv_handle_t *)&p->timer, on_free);
	uv_close((uv_handle_t *)&p->pipe, on_free);
}

static void on_written(uv_write_t *req, int status);

static void write_out(struct out *o, uv_stream_t *to)
{
	if (uv_is_closing((uv_handle_t *)to) || uv_write(&o->req, to, &o->buf, 1, on_written))
		free(o);
}

static void on_written(uv_write_t *req, int status)
{
	struct out *o = (struct out *)req;

	if (!status && o->times) {
		o->times--;
		write_out(o, req->handle);
	} else {
		free(o);
	}
}

static void say(struct peer *p, const char *bytes, size_t len)
{
	struct out *o = len ? malloc(sizeof(*o)) : NULL;

	if (!o)
		return;
	memcpy(o->bytes, bytes, len);
	o->buf = uv_buf_init(o->bytes, len);
	o->times = 0;
	write_out(o, (uv_stream_t *)&p->pipe);
}

/* Send @times times @again, in blocks of as many copies as fit. */
static void say_again(struct peer *p, const char *again, unsigned int times)
{
	struct out *o = malloc(sizeof(*o));
	size_t len = strlen(again), per = BLOCK / len;

	for (size_t i = 0; i < per; i++)
		memcpy(o->bytes + i * len, again, len);
	o->buf = uv_buf_init(o->bytes, per * len);
	o->times = times / per;
	write_out(o, (uv_stream_t *)&p->pipe);
}

static void on_drip(uv_timer_t *timer)
{
	struct peer *p = timer->data;

	if (p->drip[p->dripped])
		say(p, p->drip + p->dripped++, 1);
}

static void say_nonsense(struct peer *p, const struct nonsense *n)
{
	if (n->say)
		say(p, n->say, n->len ? n->len : strlen(n->say));
	if (n->times)
		say_again(p, n->again, n->times);
}

/* ---- answers ---- */

static const char *bulk(char *text, size_t room, const char *of)
{
	snprintf(text, room, "$%zu\r\n%s\r\n", strlen(of), of);
	return text;
}

static const char *nothing(const char *command, int script)
{
	switch (script) {
	case SP_SCRIPT_REFRESH: case SP_SCRIPT_DROP: case SP_SCRIPT_STASH: case SP_SCRIPT_UNSTASH:
		return ":1\r\n";
	case SP_SCRIPT_SCAN: return "*2\r\n$1\r\n0\r\n*0\r\n";
	case SP_SCRIPT_ANNOUNCE: case SP_SCRIPT_ORPHANS: return "*0\r\n";
	}
	return strcmp(command, "HGETALL") ? "$-1\r\n" : "*0\r\n";
}

/* The right answer of an empty server. @script: -1: no EVALSHA */
static void proper(struct peer *p, const char *command, int script, char *text, size_t room)
{
	struct timeval now;
	char sha[41];

	if (!strcmp(command, "INFO")) {
		bulk(text, room,
		     "# Server\r\nrun_id:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nmaxmemory:0\r\n");
	} else if (!strcmp(command, "SCRIPT")) {
		snprintf(sha, sizeof(sha), "%040x", p->scripts++);
		bulk(text, room, sha);
	} else if (script == SP_SCRIPT_PROBE) {
		gettimeofday(&now, NULL);
		snprintf(text, room,
			 "*3\r\n$16\r\n0123456789abcdef\r\n$10\r\n%ld\r\n$6\r\n%06ld\r\n",
			 (long)now.tv_sec,
			 (long)now.tv_usec);
	} else {
		snprintf(text, room, "%s", nothing(command, script));
	}
}

static int is_meant(const struct nonsense *n, const char *command, int script)
{
	switch (n->at) {
	case AT_ANY: return 1;
	case AT_INFO: return !strcmp(command, "INFO");
	case AT_LOAD: return !strcmp(command, "SCRIPT");
	}
	return script >= 0 && n->at == script;
}

static void answer(struct peer *p, const char *command, int script)
{
	const struct nonsense *n = fake.how;
	char text[512];

	proper(p, command, script, text, sizeof(text));
	if (!is_meant(n, command, script)) {
		say(p, text, strlen(text));
		say(p, p->held, strlen(p->held));
		p->held[0] = 0;
		return;
	}
	if (n->how == BEHIND)
		say(p, text, strlen(text));
	if (n->how == LATER)
		memcpy(p->held, text, sizeof(text));
	else if (n->how == IN_PIECES && strlen(p->drip) + strlen(text) < sizeof(p->drip))
		strcat(p->drip, text);
	else
		say_nonsense(p, n);
	if (n->how == BEFORE)
		say(p, text, strlen(text));
	if (n->how == THEN_CLOSE)
		hang_up(p);
	p->is_silent = n->how == THEN_SILENT;
}

/* ---- in ---- */

/* Read the first words of a command. Return: its bytes; 0: incomplete. */
static size_t split(const char *in, size_t len, char words[2][48])
{
	const char *at = in, *end = in + len;
	int count = 0, size = 0;

	words[0][0] = words[1][0] = 0;
	if (!memchr(at, '\n', len) || sscanf(at, "*%d", &count) != 1)
		return 0;
	at = memchr(at, '\n', end - at);
	for (int i = 0; i < count; i++) {
		at++;
		if (at >= end || !memchr(at, '\n', end - at) || sscanf(at, "$%d", &size) != 1)
			return 0;
		at = (const char *)memchr(at, '\n', end - at) + 1;
		if (end - at < size + 2)
			return 0;
		if (i < 2)
			snprintf(words[i], sizeof(words[i]), "%.*s", size, at);
		at += size + 1;
	}
	return at + 1 - in;
}

static void on_alloc(uv_handle_t *handle, size_t wished, uv_buf_t *buf)
{
	struct peer *p = handle->data;

	*buf = uv_buf_init(p->in + p->in_len, sizeof(p->in) - 1 - p->in_len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *p = stream->data;
	char words[2][48];
	size_t len;

	if (n < 0) {
		hang_up(p);
		return;
	}
	p->in_len = p->is_silent ? 0 : p->in_len + n;
	while (!p->is_silent && !uv_is_closing((uv_handle_t *)stream) &&
	       (len = split(p->in, p->in_len, words))) {
		p->in_len -= len;
		memmove(p->in, p->in + len, p->in_len);
		answer(p, words[0], strcmp(words[0], "EVALSHA") ? -1 :
		       (int)strtol(words[1], NULL, 16));
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct peer *p = calloc(1, sizeof(*p));

	uv_pipe_init(listener->loop, &p->pipe, 0);
	uv_timer_init(listener->loop, &p->timer);
	p->pipe.data = p;
	p->timer.data = p;
	uv_accept(listener, (uv_stream_t *)&p->pipe);
	if (fake.how->at == AT_CONNECT)
		say_nonsense(p, fake.how);
	if (fake.how->how == IN_PIECES)
		uv_timer_start(&p->timer, on_drip, 2, 2);
	uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
}

void fake_open(uv_loop_t *loop, const char *path, const struct nonsense *how)
{
	fake.how = how;
	uv_pipe_init(loop, &fake.listener, 0);
	if (uv_pipe_bind(&fake.listener, path) ||
	    uv_listen((uv_stream_t *)&fake.listener, 16, on_connection))
		abort();
}

void fake_close(void)
{
	uv_close((uv_handle_t *)&fake.listener, NULL);
}
