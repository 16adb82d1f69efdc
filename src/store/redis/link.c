// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * link.c - a stream to a server
 *
 * The protocol's reader is hiredis', without its contexts: those end the process on an answer
 * without a question, and take as much memory as the server wishes.
 *
 * Here an answer has a bounded length and number of elements (the reader bounds the nesting), and
 * each command has one answer. All else is nonsense: later answers can't be matched to commands, so
 * the connection is closed.
 */
#include "store/redis/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sockaddr.h"

#define ANSWER_BYTES_MAX	(1024 * 1024)	/* a head or a page of a scan is smaller */
#define ANSWER_ELEMENTS_MAX	8192
#define ASKED_MAX		(1 << 17)
#define OUT_BYTES_MAX		(32 * 1024 * 1024)
#define READ_BYTES		16384

#if HIREDIS_MAJOR < 1
typedef int elements_t;
#else
typedef size_t elements_t;
#endif

/**
 * struct sp_redis_link - a stream
 * @elements:	of the answer that is being read
 * @asked:	a ring of @asked_room, a power of 2; the oldest command is at @asked_first
 * @out:	bytes that are not written yet
 * @is_writing:	the socket's buffer is full
 */
struct sp_redis_link {
	uv_poll_t				poll;
	int					fd;
	const struct sp_redis_link_events	*events;
	void					*ctx;
	redisReader				*reader;
	redisReplyObjectFunctions		make;
	void *(*make_array)(const redisReadTask *task, elements_t elements);
	size_t					elements;
	struct sp_redis_asked			*asked;
	unsigned int				asked_room, asked_first, asked_count;
	char					*out;
	size_t					out_len, out_room;
	__u8					is_open, is_writing, is_closed;
};

static void report_broken(struct sp_redis_link *l, const char *why, int is_nonsense)
{
	if (!l->is_closed)
		l->events->broken(l->ctx, why, is_nonsense);
}

/* ---- answers ---- */

/* hiredis' own function takes memory for all elements before the first has come. */
static void *make_array(const redisReadTask *task, elements_t elements)
{
	struct sp_redis_link *l = task->privdata;

	l->elements += elements;
	return l->elements <= ANSWER_ELEMENTS_MAX ? l->make_array(task, elements) : NULL;
}

static int make_reader(struct sp_redis_link *l)
{
	l->reader = redisReaderCreate();
	if (!l->reader)
		return -ENOMEM;
	l->make = *l->reader->fn;
	l->make_array = l->make.createArray;
	l->make.createArray = make_array;
	l->reader->fn = &l->make;
	l->reader->privdata = l;
	return 0;
}

/* Return: may there be more? */
static int take_answer(struct sp_redis_link *l, redisReply *reply)
{
	struct sp_redis_asked asked;

	l->elements = 0;
	if (!l->asked_count) {
		report_broken(l, "an answer without a command", 1);
		return 0;
	}
	asked = l->asked[l->asked_first];
	l->asked_first = (l->asked_first + 1) & (l->asked_room - 1);
	l->asked_count--;
	l->events->answer(l->ctx, asked, reply);
	return !l->is_closed;
}

static void take_answers(struct sp_redis_link *l)
{
	void *reply;
	int more;

	do {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			report_broken(l, l->elements > ANSWER_ELEMENTS_MAX ?
				      "an answer of too many elements" : l->reader->errstr, 1);
			return;
		}
		if (!reply)
			break;
		more = take_answer(l, reply);
		freeReplyObject(reply);
	} while (more);
	if (!l->is_closed && l->reader->len - l->reader->pos > ANSWER_BYTES_MAX)
		report_broken(l, "an answer that is too long", 1);
}

static void read_some(struct sp_redis_link *l)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		report_broken(l, n ? strerror(errno) : "the server has closed the connection", 0);
	else if (redisReaderFeed(l->reader, bytes, n) != REDIS_OK)
		report_broken(l, l->reader->errstr, 0);
	else
		take_answers(l);
}

/* ---- commands ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm_poll(struct sp_redis_link *l)
{
	int reads = l->is_open ? UV_READABLE : 0;
	int writes = !l->is_open || l->is_writing ? UV_WRITABLE : 0;

	uv_poll_start(&l->poll, reads | writes, on_poll);
}

static void write_some(struct sp_redis_link *l)
{
	ssize_t n = send(l->fd, l->out, l->out_len, MSG_NOSIGNAL);
	int was_writing = l->is_writing;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		report_broken(l, strerror(errno), 0);
		return;
	}
	if (n > 0) {
		l->out_len -= n;
		memmove(l->out, l->out + n, l->out_len);
	}
	l->is_writing = l->out_len > 0;
	if (l->is_writing != was_writing)
		arm_poll(l);
}

int sp_redis_link_flush(struct sp_redis_link *l)
{
	if (!l->is_open || l->is_writing || !l->out_len)
		return 0;
	write_some(l);
	return 1;
}

/* The new ring begins with the oldest command. */
static int grow_asked(struct sp_redis_link *l)
{
	unsigned int room = l->asked_room ? l->asked_room * 2 : 64;
	struct sp_redis_asked *asked;

	if (room > ASKED_MAX)
		return -ENOBUFS;
	asked = malloc(room * sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	for (unsigned int i = 0; i < l->asked_count; i++)
		asked[i] = l->asked[(l->asked_first + i) & (l->asked_room - 1)];
	free(l->asked);
	l->asked = asked;
	l->asked_room = room;
	l->asked_first = 0;
	return 0;
}

static int grow_out(struct sp_redis_link *l)
{
	size_t room = l->out_room ? l->out_room * 2 : 4 * SP_CMD_BYTES_MAX;
	char *out = room <= OUT_BYTES_MAX ? realloc(l->out, room) : NULL;

	if (!out)
		return -ENOBUFS;
	l->out = out;
	l->out_room = room;
	return 0;
}

int sp_redis_link_ask(struct sp_redis_link *l, const struct sp_cmd *cmd,
		      struct sp_redis_asked asked)
{
	int err = l->asked_count == l->asked_room ? grow_asked(l) : 0;

	if (!err && l->out_len + cmd->len > l->out_room)
		err = grow_out(l);
	if (err)
		return err;
	memcpy(l->out + l->out_len, cmd->bytes, cmd->len);
	l->out_len += cmd->len;
	l->asked[(l->asked_first + l->asked_count++) & (l->asked_room - 1)] = asked;
	return 0;
}

/* ---- open and closed ---- */

static void finish_connect(struct sp_redis_link *l)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		report_broken(l, strerror(err), 0);
		return;
	}
	l->is_open = 1;
	arm_poll(l);
	l->events->opened(l->ctx);
}

/* For libuv, POLLERR is no readiness: the system call returns the error. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sp_redis_link *l = poll->data;

	if (!l->is_open) {
		finish_connect(l);
		return;
	}
	if (l->is_writing && (status < 0 || events & UV_WRITABLE))
		write_some(l);
	if (!l->is_closed && (status < 0 || events & UV_READABLE))
		read_some(l);
}

static socklen_t address_of(const struct sp_store_server_conf *server, union sp_sockaddr *ret_at)
{
	if (!server->path)
		return sp_sockaddr_make(&server->at.addr, server->at.port_be, ret_at);
	memset(ret_at, 0, sizeof(*ret_at));
	ret_at->un.sun_family = AF_UNIX;
	strncpy(ret_at->un.sun_path, server->path, sizeof(ret_at->un.sun_path) - 1);
	return sizeof(ret_at->un);
}

static int connect_to(const struct sp_store_server_conf *server)
{
	union sp_sockaddr at;
	socklen_t len = address_of(server, &at);
	int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1,
		err;

	if (fd < 0)
		return -errno;
	if (at.any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!connect(fd, &at.any, len) || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void free_link(uv_handle_t *handle)
{
	struct sp_redis_link *l = handle->data;

	close(l->fd);
	redisReaderFree(l->reader);
	free(l->asked);
	free(l->out);
	free(l);
}

int sp_redis_link_open(uv_loop_t *loop, const struct sp_store_server_conf *server,
		       const struct sp_redis_link_events *events, void *ctx,
		       struct sp_redis_link **ret_link)
{
	struct sp_redis_link *l = calloc(1, sizeof(*l));
	int err = l ? make_reader(l) : -ENOMEM;

	if (err)
		goto out_link;
	l->events = events;
	l->ctx = ctx;
	l->fd = connect_to(server);
	err = l->fd < 0 ? l->fd : 0;
	if (err)
		goto out_reader;
	err = uv_poll_init(loop, &l->poll, l->fd);
	if (err)
		goto out_fd;
	l->poll.data = l;
	arm_poll(l);
	*ret_link = l;
	return 0;
out_fd:
	close(l->fd);
out_reader:
	redisReaderFree(l->reader);
out_link:
	free(l);
	return err;
}

void sp_redis_link_close(struct sp_redis_link *l)
{
	if (l->is_closed)
		return;
	l->is_closed = 1;
	uv_close((uv_handle_t *)&l->poll, free_link);
	for (unsigned int i = 0; i < l->asked_count; i++)
		l->events->answer(l->ctx, l->asked[(l->asked_first + i) & (l->asked_room - 1)],
				  NULL);
	l->asked_count = 0;
}
