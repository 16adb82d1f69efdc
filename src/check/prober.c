// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* prober.c - libcurl on the event loop, and the local ports of its sockets. See probe.h */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "check/probe_internal.h"

#define PORT_TRIES	16
#define EVENTS_MAX	64	/* at once */

/* ---- a socket of a local port that no splice uses ---- */

static int bind_port(int fd, int family, unsigned int port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (family == AF_INET)
		return bind(fd, (struct sockaddr *)&v4, sizeof(v4)) ? -errno : 0;
	return bind(fd, (struct sockaddr *)&v6, sizeof(v6)) ? -errno : 0;
}

static unsigned int take_port(struct sp_prober *p)
{
	unsigned int port = p->port_next;

	p->port_next = port == p->port_last ? p->port_first : port + 1;
	return port;
}

static int choose_port(struct sp_prober *p, int fd, int family)
{
	int one = 1, err = -EADDRINUSE;

	if (!p->port_first)
		return 0;
	/* ports of earlier checks may be in TIME_WAIT towards other backends */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (int i = 0; i < PORT_TRIES && err == -EADDRINUSE; i++)
		err = bind_port(fd, family, take_port(p));
	return err;
}

/* A check ends by RST: no TIME_WAIT at either end, and one packet in the place of three. */
curl_socket_t sp_prober_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *at)
{
	struct sp_probe *probe = ctx;
	struct linger abort = { .l_onoff = 1 };
	int fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	probe->run.open_err = fd < 0 ? errno : 0;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	probe->run.open_err = -choose_port(probe->prober, fd, at->family);
	if (!probe->run.open_err)
		return fd;
	close(fd);
	return CURL_SOCKET_BAD;
}

/* ---- libcurl on the event loop ---- */

static int flags_of(__u32 events)
{
	int flags = events & EPOLLIN ? CURL_CSELECT_IN : 0;

	if (events & (EPOLLERR | EPOLLHUP))	/* the next call finds the error */
		return CURL_CSELECT_IN | CURL_CSELECT_OUT;
	return flags | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
}

/* A failed handshake is an error. libcurl's own time of the connection is the time of TLS. */
static void note_connected(struct sp_probe *probe, __u32 events)
{
	if (events & (EPOLLIN | EPOLLOUT) && !(events & EPOLLERR))
		probe->run.is_connected = 1;
}

static void collect_ended(struct sp_prober *p)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(p->multi, &left))) {
		CURLcode code = message->data.result;
		struct sp_probe *probe;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
		sp_probe_end(probe, code);
	}
}

/* No probe is freed before the last event, since an event names its probe. */
static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
	struct epoll_event events[EVENTS_MAX];
	struct sp_prober *p = poll->data;
	int running, n = epoll_wait(p->sockets, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		struct sp_probe *probe = events[i].data.ptr;

		note_connected(probe, events[i].events);
		curl_multi_socket_action(p->multi, probe->run.fd, flags_of(events[i].events),
					 &running);
	}
	collect_ended(p);
}

/* A uv_poll_t for each socket would cost twice the system calls. @known: set by the first call */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct epoll_event event = { 0 };
	struct sp_prober *p = ctx;
	struct sp_probe *probe;

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(p->sockets, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &probe);
	probe->run.fd = fd;
	event.data.ptr = probe;
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(p->sockets, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
		return -1;
	curl_multi_assign(p->multi, fd, p);
	return 0;
}

static void on_timeout(uv_timer_t *timer)
{
	struct sp_prober *p = timer->data;
	int running;

	curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect_ended(p);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct sp_prober *p = ctx;

	if (timeout_ms < 0)
		uv_timer_stop(&p->timer);
	else
		uv_timer_start(&p->timer, on_timeout, timeout_ms, 0);
	return 0;
}

int sp_prober_open(uv_loop_t *loop, sp_probe_done done, void *ctx, struct sp_prober **ret_prober)
{
	struct sp_prober *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct sp_prober){ .loop = loop, .done = done, .ctx = ctx };
	p->sockets = epoll_create1(EPOLL_CLOEXEC);
	p->multi = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : curl_multi_init();
	if (!p->multi || p->sockets < 0 || uv_poll_init(loop, &p->poll, p->sockets)) {
		if (p->sockets >= 0)
			close(p->sockets);
		free(p);
		return -ENOMEM;
	}
	uv_timer_init(loop, &p->timer);
	p->timer.data = p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, on_poll);
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	*ret_prober = p;
	return 0;
}

/* A random first port: a restarted checker finds TIME_WAITs of its predecessor. */
void sp_prober_set_ports(struct sp_prober *p, unsigned int first, unsigned int last)
{
	p->port_first = first;
	p->port_last = last;
	p->port_next = first + (first ? (unsigned int)rand() % (last - first + 1) : 0);
}
