// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* access_sink.c - see access_sink.h */
#include "node/access_sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "node/access_writer.h"

/* @lines: in @message */
struct target {
	char				name[256];
	struct sp_access_message	message;
	size_t				len;
	__u32				lines;
	int				is_open;
};

/* @is_reopening: the order is not sent so far */
struct sp_access_sink {
	int		fd;
	int		is_reopening;
	__u64		lines, dropped;
	unsigned int	count;
	struct target	*targets[SP_ACCESS_TARGETS_MAX];
};

int sp_access_sink_new(int fd, struct sp_access_sink **ret_sink)
{
	struct sp_access_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = fd;
	*ret_sink = s;
	return 0;
}

static int send_order(struct sp_access_sink *s, const void *message, size_t text_len)
{
	size_t len = offsetof(struct sp_access_message, text) + text_len;

	if (s->fd < 0 || send(s->fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return s->fd < 0 ? -ENOTCONN : 0;
	if (errno == EPIPE || errno == ECONNRESET) {
		log_err("the writer of access logs has ended: no log until the daemon starts anew");
		s->fd = -1;
	}
	return -errno;
}

/* A target has its place for the life of the daemon. */
int sp_access_sink_target(struct sp_access_sink *s, const char *to)
{
	struct target *t;

	if (!strcmp(to, "none"))
		return SP_ACCESS_TARGET_NONE;
	for (unsigned int i = 0; i < s->count; i++)
		if (!strcmp(s->targets[i]->name, to))
			return i;
	if (s->count == SP_ACCESS_TARGETS_MAX || strlen(to) >= sizeof(t->name))
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOSPC;
	strcpy(t->name, to);
	t->message.target = s->count;
	s->targets[s->count] = t;
	return s->count++;
}

static int open_target(struct sp_access_sink *s, struct target *t)
{
	struct { __u16 order, target; char text[256]; } open = { SP_ACCESS_OPEN,
								 t->message.target, "" };
	int err;

	if (t->is_open)
		return 0;
	strcpy(open.text, t->name);
	err = send_order(s, &open, strlen(t->name));
	t->is_open = !err;
	return err;
}

/* Return: whether the lines are on their way, or there are none. */
static int flush_target(struct sp_access_sink *s, struct target *t)
{
	if (!t->len)
		return 1;
	t->message.order = SP_ACCESS_WRITE;
	if (s->fd >= 0 && (open_target(s, t) || send_order(s, &t->message, t->len)) && s->fd >= 0)
		return 0;
	if (s->fd < 0)
		s->dropped += t->lines;
	t->len = 0;
	t->lines = 0;
	return 1;
}

void sp_access_sink_write(struct sp_access_sink *s, int target, const char *line, size_t len)
{
	struct target *t = target < 0 ? NULL : s->targets[target];

	s->lines++;
	if (!t || s->fd < 0 || len > SP_ACCESS_BATCH_MAX ||
	    (t->len + len > SP_ACCESS_BATCH_MAX && !flush_target(s, t))) {
		s->dropped++;
		return;
	}
	memcpy(t->message.text + t->len, line, len);
	t->len += len;
	t->lines++;
}

void sp_access_sink_drop(struct sp_access_sink *s)
{
	s->dropped++;
}

static void hear_lost(struct sp_access_sink *s)
{
	__u32 lost;

	while (s->fd >= 0 && recv(s->fd, &lost, sizeof(lost), MSG_DONTWAIT) == sizeof(lost))
		s->dropped += lost;
}

void sp_access_sink_flush(struct sp_access_sink *s)
{
	struct { __u16 order, target; } reopen = { SP_ACCESS_REOPEN, 0 };

	if (!s->count)
		return;
	for (unsigned int i = 0; i < s->count; i++)
		flush_target(s, s->targets[i]);
	if (s->is_reopening)
		s->is_reopening = send_order(s, &reopen, 0) == -EAGAIN;
	hear_lost(s);
}

void sp_access_sink_reopen(struct sp_access_sink *s)
{
	s->is_reopening = 1;
	sp_access_sink_flush(s);
}

void sp_access_sink_counts(const struct sp_access_sink *s, __u64 *ret_lines, __u64 *ret_dropped)
{
	*ret_lines = s->lines;
	*ret_dropped = s->dropped;
}
