// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * access_writer.c - see access_writer.h
 *
 * Theory of operation. The daemon sends batches of lines, and waits for nothing. A failed write
 * loses lines, and the daemon hears of their number. A file is opened for the first lines, and after
 * an order to reopen; after a failure there is a new try each second. A stuck disk holds up the
 * lines of all targets, and the daemon's socket fills: then the daemon drops lines.
 */
#include "node/access_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "base/clock.h"
#include "base/log.h"

#define SOCKET_BYTES	(4 << 20)
#define AGAIN_NS	1000000000ULL
#define SYSLOG_PATH	"/dev/log"
#define PRIORITY	"PRIORITY=6"
#define IDENTIFIER	"SYSLOG_IDENTIFIER=spliced-access"
#define SYSLOG_HEAD	"<134>spliced-access: "	/* facility local0, severity info */
#define LINE_MAX_BYTES	8192

/* @fd: -1: not open; @again_ns: no try before */
struct target {
	char	name[256];
	int	fd;
	__u64	again_ns;
};

struct writer {
	int		socket;
	struct target	targets[SP_ACCESS_TARGETS_MAX];
};

static int is_named(const struct target *t, const char *name)
{
	return !strcmp(t->name, name);
}

static int open_syslog(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = SYSLOG_PATH };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd < 0 ? -errno : fd;
}

/* Without a reader a FIFO is not opened, and a full one takes no more. */
static int open_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		      0640);

	return fd < 0 ? -errno : fd;
}

static void open_target(struct target *t)
{
	__u64 now_ns = sp_now_ns();

	if (t->fd >= 0 || !t->name[0] || now_ns < t->again_ns)
		return;
	if (is_named(t, "stderr"))
		t->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		t->fd = is_named(t, "syslog") ? open_syslog() : open_file(t->name);
	if (t->fd >= 0)
		return;
	t->again_ns = now_ns + AGAIN_NS;
	log_warn_limited("access log %s: can't be opened: %s; its lines are dropped", t->name,
			 strerror(-t->fd));
	t->fd = -1;
}

static void close_target(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	t->again_ns = 0;
}

static __u32 count_lines(const char *text, size_t len)
{
	__u32 lines = 0;

	for (const char *at = text; (at = memchr(at, '\n', text + len - at)); at++)
		lines++;
	return lines;
}

/* Return: lines lost. A part of a line ends with a line feed: the next line is whole. */
static __u32 write_file(struct target *t, const char *text, size_t len)
{
	ssize_t n = 0;
	size_t done = 0;

	while (done < len && (n = write(t->fd, text + done, len - done)) > 0)
		done += n;
	if (done == len)
		return 0;
	log_warn_limited("access log %s: %s; lines are dropped", t->name, strerror(errno));
	if (done && text[done - 1] != '\n' && write(t->fd, "\n", 1) != 1)
		close_target(t);
	if (errno != EAGAIN)
		close_target(t);
	return count_lines(text + done, len - done);
}

static int send_syslog(struct target *t, const char *line, size_t len)
{
	struct iovec parts[] = { { SYSLOG_HEAD, sizeof(SYSLOG_HEAD) - 1 },
				 { (void *)line, len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (sendmsg(t->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno != EAGAIN)
		close_target(t);
	return -1;
}

static int send_journal(const char *line, size_t len)
{
	static char field[sizeof("MESSAGE=") + LINE_MAX_BYTES] = "MESSAGE=";
	struct iovec parts[] = { { field, sizeof("MESSAGE=") - 1 + len },
				 { PRIORITY, sizeof(PRIORITY) - 1 },
				 { IDENTIFIER, sizeof(IDENTIFIER) - 1 } };

	if (len > LINE_MAX_BYTES)
		return -1;
	memcpy(field + sizeof("MESSAGE=") - 1, line, len);
	return sd_journal_sendv(parts, 3);
}

static __u32 write_lines(struct target *t, const char *text, size_t len)
{
	int is_journal = is_named(t, "journal");
	const char *end = text + len, *next;
	__u32 lost = 0;

	for (; text < end && (next = memchr(text, '\n', end - text)); text = next + 1)
		if (is_journal)
			lost += !!send_journal(text, next - text);
		else if (t->fd < 0 || send_syslog(t, text, next - text))
			lost++;
	return lost;
}

static __u32 write_target(struct target *t, const char *text, size_t len)
{
	int is_journal = is_named(t, "journal");

	if (!is_journal)
		open_target(t);
	if (is_journal || is_named(t, "syslog"))
		return write_lines(t, text, len);
	return t->fd < 0 ? count_lines(text, len) : write_file(t, text, len);
}

static void follow_order(struct writer *w, const struct sp_access_message *m, size_t len)
{
	struct target *t = &w->targets[m->target % SP_ACCESS_TARGETS_MAX];
	__u32 lost;

	switch ((enum sp_access_order)m->order) {
	case SP_ACCESS_OPEN:
		close_target(t);
		memcpy(t->name, m->text, len < sizeof(t->name) ? len : sizeof(t->name) - 1);
		t->name[len < sizeof(t->name) ? len : sizeof(t->name) - 1] = 0;
		break;
	case SP_ACCESS_WRITE:
		lost = write_target(t, m->text, len);
		if (lost)
			send(w->socket, &lost, sizeof(lost), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case SP_ACCESS_REOPEN:
		for (unsigned int i = 0; i < SP_ACCESS_TARGETS_MAX; i++)
			close_target(&w->targets[i]);
		break;
	}
}

/* SIGUSR1 of a whole process group is for the daemon, which sends an order. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1 };

	for (unsigned int i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static void drop_privileges(void)
{
	cap_t none = cap_init();

	if (!none || cap_set_proc(none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		log_err_errno(errno, "the writer of access logs can't give up privileges: no log");
		_exit(1);
	}
	cap_free(none);
}

static void run_writer(int socket)
{
	static struct sp_access_message m;
	static struct writer w;
	const size_t head = offsetof(struct sp_access_message, text);
	ssize_t len;

	ignore_signals();
	prctl(PR_SET_NAME, "spliced-log");
	drop_privileges();
	w.socket = socket;
	for (unsigned int i = 0; i < SP_ACCESS_TARGETS_MAX; i++)
		w.targets[i].fd = -1;
	while ((len = recv(socket, &m, sizeof(m), 0)) > 0 || (len < 0 && errno == EINTR))
		if (len >= (ssize_t)head)
			follow_order(&w, &m, len - head);
	_exit(0);	/* the daemon has ended */
}

int sp_access_writer_open(const int *closes, unsigned int count)
{
	int fds[2], bytes = SOCKET_BYTES;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	pid = fork();
	if (!pid) {
		close(fds[0]);
		for (unsigned int i = 0; i < count; i++)
			if (closes[i] >= 0)
				close(closes[i]);
		run_writer(fds[1]);
	}
	close(fds[1]);
	if (pid > 0)
		return fds[0];
	close(fds[0]);
	return -errno;
}
