// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* probe.c - see probe.h */
#include "check/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/addr.h"
#include "check/reason.h"

#define BODY_MAX	(1 << 20)	/* searched for the configured text */
#define TEXT_MAX	256		/* of that text */
#define PORT_TRIES	16
#define RUN_TRIES	3		/* where a local port turns out to be in use */
#define URL_MAX		512
#define IDLE_MAX	512
#define EVENTS_MAX	64		/* at once */

struct sp_prober {
	uv_loop_t		*loop;
	uv_timer_t		timer;
	uv_poll_t		poll;			/* of @sockets */
	int			sockets;		/* an epoll of all that libcurl waits for */
	CURLM			*multi;
	sp_probe_done		done;
	void			*ctx;
	unsigned int		port_first, port_last, port_next;
	unsigned int		idle_count;
	CURL			*idle[IDLE_MAX];	/* handles for later runs */
};

/**
 * struct sp_probe - a run under way
 * @fd:		its socket
 * @is_connected: the handshake of TCP is complete
 * @is_enough:	the response decides already, and we hang up
 * @has_head:	the head of the response is complete
 * @has_text:	the text of `body` was found
 * @body_bytes:	of the response so far
 * @open_err:	errno of making the socket, or 0
 * @tail:	last bytes of the body, fewer by a byte than the text has
 */
struct sp_probe {
	struct sp_prober	*prober;
	struct sp_check		*check;
	CURL			*easy;
	struct curl_slist	*headers, *connect_to;
	unsigned int		tries;
	curl_socket_t		fd;
	int			is_connected, is_enough, has_head, has_text;
	size_t			body_bytes, tail_len;
	int			open_err;
	char			tail[TEXT_MAX];
	char			error[CURL_ERROR_SIZE];
};

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
	/* ports of checks that are over may be in TIME_WAIT towards other backends */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (int i = 0; i < PORT_TRIES && err == -EADDRINUSE; i++)
		err = bind_port(fd, family, take_port(p));
	return err;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *at)
{
	struct sp_probe *probe = ctx;
	struct linger abort = { .l_onoff = 1 };
	int fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	probe->open_err = fd < 0 ? errno : 0;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	/* a check of the handshake alone leaves no TIME_WAIT at either end */
	if (!strcmp(probe->check->def.type, "tcp"))
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	probe->open_err = -choose_port(probe->prober, fd, at->family);
	if (!probe->open_err)
		return fd;
	close(fd);
	return CURL_SOCKET_BAD;
}

/* ---- responses ---- */

static unsigned int response_status(const struct sp_probe *probe)
{
	long status = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* An empty line ends the head, or that of an interim response. */
static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct sp_probe *probe = ctx;
	const struct sp_check_def *def = &probe->check->def;
	unsigned int status = response_status(probe);

	if (size * count > 2 || (*data != '\r' && *data != '\n') || status < 200)
		return size * count;
	probe->has_head = 1;
	probe->is_enough = !*def->body || !sp_check_is_expected(def->expect, status);
	return probe->is_enough ? 0 : size * count;
}

/* The text may begin in one piece of the body, and end in the next. */
static int find_text(struct sp_probe *probe, const char *data, size_t len)
{
	const char *text = probe->check->def.body;
	char joined[TEXT_MAX + CURL_MAX_WRITE_SIZE];
	size_t text_len = strlen(text), all = probe->tail_len + len;

	if (text_len > TEXT_MAX || len > CURL_MAX_WRITE_SIZE)
		return 0;
	memcpy(joined, probe->tail, probe->tail_len);
	memcpy(joined + probe->tail_len, data, len);
	if (memmem(joined, all, text, text_len))
		return 1;
	probe->tail_len = all < text_len - 1 ? all : text_len - 1;
	memcpy(probe->tail, joined + all - probe->tail_len, probe->tail_len);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct sp_probe *probe = ctx;
	size_t len = size * count;

	probe->body_bytes += len;
	probe->has_text = *probe->check->def.body && find_text(probe, data, len);
	probe->is_enough = probe->has_text || probe->body_bytes > BODY_MAX;
	return probe->is_enough ? 0 : len;
}

/* ---- a run ---- */

/* To make a handle costs as much as a run. */
static CURL *get_handle(struct sp_prober *p)
{
	return p->idle_count ? p->idle[--p->idle_count] : curl_easy_init();
}

static void put_handle(struct sp_prober *p, CURL *easy)
{
	curl_multi_remove_handle(p->multi, easy);
	curl_easy_reset(easy);
	if (p->idle_count < IDLE_MAX)
		p->idle[p->idle_count++] = easy;
	else
		curl_easy_cleanup(easy);
}

static void end_handle(struct sp_probe *probe)
{
	if (probe->easy)
		put_handle(probe->prober, probe->easy);
	curl_slist_free_all(probe->headers);
	curl_slist_free_all(probe->connect_to);
	probe->easy = NULL;
	probe->headers = probe->connect_to = NULL;
}

static void free_probe(struct sp_probe *probe)
{
	end_handle(probe);
	free(probe);
}

static int add_line(struct curl_slist **list, const char *fmt, const char *text)
{
	char line[URL_MAX];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), fmt, text);
	longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer ? 0 : -ENOMEM;
}

static void set_transport(CURL *easy, struct sp_probe *probe)
{
	curl_easy_setopt(easy, CURLOPT_PRIVATE, probe);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, probe->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, probe);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)probe->check->def.timeout_ms);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
	/* addresses are cached like names, and each connection walks the cache */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
}

static void set_tls(CURL *easy, const struct sp_check_def *def)
{
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)def->is_verified);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, def->is_verified ? 2L : 0L);
	if (*def->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, def->ca_file);
}

static int set_request(CURL *easy, struct sp_probe *probe)
{
	const struct sp_check_def *def = &probe->check->def;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, def->path);
	curl_easy_setopt(easy, CURLOPT_NOBODY, (long)!strcmp(def->method, "HEAD"));
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, def->method);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "spliced-check");
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, probe);
	if (add_line(&probe->headers, "Connection: %s", "close") ||
	    (*def->host && add_line(&probe->headers, "Host: %s", def->host)))
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, probe->headers);
	return 0;
}

/* The name in the URL is for TLS; packets go to the endpoint. */
static int set_url(CURL *easy, struct sp_probe *probe)
{
	const struct sp_check_def *def = &probe->check->def;
	int is_tls = !strcmp(def->type, "https");
	char at[SP_ENDPOINT_STRLEN], url[URL_MAX];

	sp_endpoint_format(&def->at.addr, def->at.port_be, at);
	if (is_tls && *def->sni) {
		snprintf(url, sizeof(url), "https://%.255s:%u/", def->sni, ntohs(def->at.port_be));
		if (add_line(&probe->connect_to, "::%s", at))
			return -ENOMEM;
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, probe->connect_to);
	} else {
		snprintf(url, sizeof(url), "%s://%s/", is_tls ? "https" : "http", at);
	}
	curl_easy_setopt(easy, CURLOPT_URL, url);
	if (is_tls)
		set_tls(easy, def);
	return 0;
}

static int start_run(struct sp_probe *probe)
{
	CURL *easy = get_handle(probe->prober);
	int err;

	if (!easy)
		return -ENOMEM;
	probe->easy = easy;
	probe->tries++;
	set_transport(easy, probe);
	err = set_url(easy, probe);
	if (!strcmp(probe->check->def.type, "tcp"))
		curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	else
		err = err ?: set_request(easy, probe);
	if (!err && curl_multi_add_handle(probe->prober->multi, easy))
		err = -ENOMEM;
	return err;
}

int sp_probe_begin(struct sp_prober *p, struct sp_check *check)
{
	struct sp_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	probe->prober = p;
	probe->check = check;
	if (start_run(probe)) {
		free_probe(probe);
		return -ENOMEM;
	}
	check->probe = probe;
	return 0;
}

void sp_probe_move(struct sp_probe *probe, struct sp_check *check)
{
	probe->check->probe = NULL;
	probe->check = check;
	check->probe = probe;
}

void sp_probe_cancel(struct sp_probe *probe)
{
	probe->check->probe = NULL;
	free_probe(probe);
}

/* ---- the end of a run ---- */

static struct sp_failure get_failure(const struct sp_probe *probe, CURLcode code)
{
	struct sp_failure f = { .code = code, .detail = probe->error };
	long os_err = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_OS_ERRNO, &os_err);
	f.os_err = probe->open_err ?: os_err;
	f.is_connected = probe->is_connected;
	return f;
}

/* The local port is in use towards that backend: no fault of the backend. */
static int is_port_taken(const struct sp_failure *f)
{
	return f->code == CURLE_COULDNT_CONNECT && f->os_err == EADDRNOTAVAIL;
}

/* This machine has no port, descriptor or memory left. */
static int is_lack(const struct sp_failure *f)
{
	return f->code == CURLE_OUT_OF_MEMORY || is_port_taken(f) ||
	       (f->code == CURLE_COULDNT_CONNECT &&
		(f->os_err == EMFILE || f->os_err == ENFILE || f->os_err == EADDRINUSE ||
		 f->os_err == ENOBUFS || f->os_err == ENOMEM));
}

/* @reason: SP_CHECK_REASON_MAX bytes */
static enum sp_probe_outcome judge_run(const struct sp_probe *probe, CURLcode code, char *reason)
{
	const struct sp_check_def *def = &probe->check->def;
	struct sp_failure failure = get_failure(probe, code);
	unsigned int status = response_status(probe);

	if (code && !probe->is_enough) {
		sp_reason_format(def, &failure, reason);
		return is_lack(&failure) ? SP_PROBE_NONE : SP_PROBE_FAILED;
	}
	if (!strcmp(def->type, "tcp")) {
		strcpy(reason, "connected");
		return SP_PROBE_PASSED;
	}
	if (!probe->has_head) {		/* no error for libcurl */
		failure.code = CURLE_PARTIAL_FILE;
		sp_reason_format(def, &failure, reason);
		return SP_PROBE_FAILED;
	}
	sp_reason_of_status(def, status, reason);
	if (!sp_check_is_expected(def->expect, status))
		return SP_PROBE_FAILED;
	if (!*def->body || probe->has_text)
		return SP_PROBE_PASSED;
	snprintf(reason, SP_CHECK_REASON_MAX, "HTTP %u, but the body lacks \"%.40s\"", status,
		 def->body);
	return SP_PROBE_FAILED;
}

static int run_again(struct sp_probe *probe)
{
	end_handle(probe);
	return start_run(probe);
}

static void end_run(struct sp_probe *probe, CURLcode code)
{
	struct sp_failure failure = get_failure(probe, code);
	struct sp_prober *p = probe->prober;
	struct sp_check *check = probe->check;
	char reason[SP_CHECK_REASON_MAX] = "out of memory";
	enum sp_probe_outcome outcome = SP_PROBE_NONE;
	curl_off_t took_us = 0;
	int is_again = is_port_taken(&failure) && probe->tries < RUN_TRIES;

	if (is_again && !run_again(probe))
		return;
	if (!is_again) {
		outcome = judge_run(probe, code, reason);
		curl_easy_getinfo(probe->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	}
	sp_probe_cancel(probe);
	p->done(p->ctx, check, outcome, took_us / 1000, reason);
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
		end_run(probe, code);
	}
}

/* ---- libcurl on the event loop ---- */

static int flags_of(__u32 events)
{
	int flags = events & EPOLLIN ? CURL_CSELECT_IN : 0;

	if (events & (EPOLLERR | EPOLLHUP))	/* the next call finds the error */
		return CURL_CSELECT_IN | CURL_CSELECT_OUT;
	return flags | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
}

/* libcurl's own time of the connection is that of TLS. */
static void note_connected(struct sp_probe *probe)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (!probe->is_connected)
		probe->is_connected = !getpeername(probe->fd, (struct sockaddr *)&peer, &len);
}

/* No probe is freed before the last event, since an event names its probe. */
static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
	struct epoll_event events[EVENTS_MAX];
	struct sp_prober *p = poll->data;
	int running, n = epoll_wait(p->sockets, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		struct sp_probe *probe = events[i].data.ptr;

		note_connected(probe);
		curl_multi_socket_action(p->multi, probe->fd, flags_of(events[i].events),
					 &running);
	}
	collect_ended(p);
}

/* A uv_poll_t for each socket would cost twice the system calls. @known: it was added before */
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
	probe->fd = fd;
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

/* Begin anywhere: a checker that is started anew finds TIME_WAITs of the one before. */
void sp_prober_set_ports(struct sp_prober *p, unsigned int first, unsigned int last)
{
	p->port_first = first;
	p->port_last = last;
	p->port_next = first + (first ? (unsigned int)rand() % (last - first + 1) : 0);
}
