// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * resolver.c - see resolver.h
 *
 * c-ares opens and closes sockets, and says whether to wait for reading or writing: on_socket().
 * One timer has the time-outs. No socket takes a privilege.
 *
 * Resolvers that answer SERVFAIL or REFUSED are skipped. If all do, c-ares reports the same as for
 * resolvers out of reach. Then a second channel asks again, and takes the first answer: the reason
 * is worth a packet.
 */
#include "names/resolver.h"

#include <arpa/inet.h>
#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/log.h"

#define NS_PER_MS	1000000
#define CLASS_IN	1
#define EDNS_BYTES	1232	/* not fragmented: DNS flag day 2020 */
#define SERVERS_STRLEN	(SP_RESOLVERS_MAX * (SP_ENDPOINT_STRLEN + 1))
#define BINDS_MAX	16

enum { ASKING, DIAGNOSING, CHANNELS };

/* @channel: ASKING or DIAGNOSING */
struct question {
	sp_resolver_fn		fn;
	void			*ctx;
	struct sp_resolver	*resolver;
	int			channel;
	enum sp_dns_type	type;
	char			host[SP_HOST_MAX + 1];
};

struct channel {
	ares_channel		ares;
	struct sp_resolver	*resolver;
};

struct polled {
	uv_poll_t		poll;
	struct channel		*channel;
	ares_socket_t		fd;
	struct polled		*next;
};

/* @handles: that libuv has not given back */
struct sp_resolver {
	uv_loop_t	*loop;
	struct channel	channels[CHANNELS];
	uv_timer_t	timer;
	struct polled	*polled;
	unsigned int	handles;
	unsigned int	port_first, port_last;
	int		is_closing;
};

static void give_back(struct sp_resolver *r)
{
	if (!--r->handles && r->is_closing)
		free(r);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct polled *p = handle->data;
	struct sp_resolver *r = p->channel->resolver;

	free(p);
	give_back(r);
}

static void on_timer_closed(uv_handle_t *handle)
{
	give_back(handle->data);
}

static void set_timer(struct sp_resolver *r);

static void process_fds(struct channel *c, ares_socket_t readable, ares_socket_t writable)
{
	ares_process_fd(c->ares, readable, writable);
	set_timer(c->resolver);
}

static void on_timer(uv_timer_t *timer)
{
	struct sp_resolver *r = timer->data;

	for (int i = 0; i < CHANNELS; i++)
		process_fds(&r->channels[i], ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void set_timer(struct sp_resolver *r)
{
	struct timeval first, both, *next = ares_timeout(r->channels[ASKING].ares, NULL, &first);

	next = ares_timeout(r->channels[DIAGNOSING].ares, next, &both);
	if (!next)
		uv_timer_stop(&r->timer);
	else
		uv_timer_start(&r->timer, on_timer,
			       next->tv_sec * 1000 + next->tv_usec / 1000 + 1, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct polled *p = poll->data;
	int is_error = status < 0;

	process_fds(p->channel, is_error || events & UV_READABLE ? p->fd : ARES_SOCKET_BAD,
		    is_error || events & UV_WRITABLE ? p->fd : ARES_SOCKET_BAD);
}

static struct polled **find_polled(struct sp_resolver *r, ares_socket_t fd)
{
	struct polled **at = &r->polled;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static struct polled *add_polled(struct channel *c, ares_socket_t fd)
{
	struct polled *p = calloc(1, sizeof(*p));
	struct sp_resolver *r = c->resolver;

	if (!p)
		return NULL;
	*p = (struct polled){ .channel = c, .fd = fd, .next = r->polled };
	if (uv_poll_init(r->loop, &p->poll, fd)) {
		free(p);
		return NULL;
	}
	p->poll.data = p;
	r->handles++;
	r->polled = p;
	return p;
}

/* c-ares closes the socket after the last call. A socket without poll ends by its time-out. */
static void on_socket(void *ctx, ares_socket_t fd, int is_read, int is_write)
{
	struct channel *c = ctx;
	struct polled **at = find_polled(c->resolver, fd), *p = *at;

	if (!is_read && !is_write) {
		if (!p)
			return;
		*at = p->next;
		uv_poll_stop(&p->poll);
		uv_close((uv_handle_t *)&p->poll, on_poll_closed);
		return;
	}
	p = p ?: add_polled(c, fd);
	if (p)
		uv_poll_start(&p->poll, (is_read ? UV_READABLE : 0) | (is_write ? UV_WRITABLE : 0),
			      on_poll);
}

/*
 * TCP alone: the datapath takes segments to ports and addresses of `source` for a backend's.
 * Return: 0 in any case: a socket without port gets one later.
 */
static int on_configure(ares_socket_t fd, int type, void *ctx)
{
	struct sp_resolver *r = ctx;
	unsigned int count = r->port_last - r->port_first + 1;
	struct sockaddr_in6 at = { 0 };
	socklen_t len = sizeof(int);
	__u16 random = 0;
	int family;

	if (type != SOCK_STREAM || !r->port_first ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		return 0;
	at.sin6_family = family;
	len = family == AF_INET6 ? sizeof(at) : sizeof(struct sockaddr_in);
	for (int i = 0; i < BINDS_MAX; i++) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return 0;
		at.sin6_port = htons(r->port_first + random % count);
		if (!bind(fd, (struct sockaddr *)&at, len))
			return 0;
	}
	return 0;
}

static int set_servers(struct channel *c, const struct sp_resolvers_conf *conf)
{
	char text[SERVERS_STRLEN];
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < conf->address_count; i++) {
		char at[SP_ENDPOINT_STRLEN];

		sp_endpoint_format(&conf->addresses[i].addr, conf->addresses[i].port_be, at);
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "", at);
	}
	return used && ares_set_servers_ports_csv(c->ares, text) != ARES_SUCCESS ? -EINVAL : 0;
}

/* No search list: a name would depend on the host. */
static int open_channel(struct channel *c, const struct sp_resolvers_conf *conf, int flags)
{
	static char dns_alone[] = "b";
	struct ares_options options = {
		.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | flags,
		.timeout = conf->timeout_ns / NS_PER_MS, .tries = conf->attempts,
		.ednspsz = EDNS_BYTES, .lookups = dns_alone,
		.sock_state_cb = on_socket, .sock_state_cb_data = c,
	};
	int status = ares_init_options(&c->ares, &options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
				       ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS |
				       ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB);

	if (status != ARES_SUCCESS) {
		c->ares = NULL;
		return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	}
	ares_set_socket_configure_callback(c->ares, on_configure, c->resolver);
	return set_servers(c, conf);
}

static void close_channels(struct sp_resolver *r)
{
	for (int i = 0; i < CHANNELS; i++)
		if (r->channels[i].ares)
			ares_destroy(r->channels[i].ares);
}

int sp_resolver_open(uv_loop_t *loop, const struct sp_config *config,
		     struct sp_resolver **ret_resolver)
{
	struct sp_resolver *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->channels[ASKING].resolver = r->channels[DIAGNOSING].resolver = r;
	sp_config_other_ports(config, &r->port_first, &r->port_last);
	err = open_channel(&r->channels[ASKING], &config->resolvers, 0);
	err = err ?: open_channel(&r->channels[DIAGNOSING], &config->resolvers,
				  ARES_FLAG_NOCHECKRESP);
	if (err) {
		close_channels(r);
		free(r);
		return err;
	}
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	r->handles = 1;
	*ret_resolver = r;
	return 0;
}

/* c-ares ends all questions, and closes all sockets. */
void sp_resolver_close(struct sp_resolver *r)
{
	if (!r)
		return;
	r->is_closing = 1;
	close_channels(r);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

static enum sp_lookup_end end_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return SP_LOOKUP_GOOD;
	case ARES_ENODATA:
		return SP_LOOKUP_NO_RECORDS;
	case ARES_ENOTFOUND:
		return SP_LOOKUP_NXDOMAIN;
	case ARES_ESERVFAIL:
		return SP_LOOKUP_SERVFAIL;
	case ARES_EREFUSED:
		return SP_LOOKUP_REFUSED;
	case ARES_ETIMEOUT:
		return SP_LOOKUP_TIMED_OUT;
	case ARES_ECONNREFUSED:
		return SP_LOOKUP_UNREACHABLE;
	case ARES_EBADRESP:
		return SP_LOOKUP_BAD_ANSWER;
	default:
		return SP_LOOKUP_OTHER;
	}
}

static void send_question(struct question *q);

static void on_answer(void *ctx, int status, int timeouts, unsigned char *bytes, int size)
{
	struct question *q = ctx;

	if (status == ARES_ECONNREFUSED && q->channel == ASKING && !q->resolver->is_closing) {
		q->channel = DIAGNOSING;
		send_question(q);
		return;
	}
	if (status != ARES_EDESTRUCTION && !q->resolver->is_closing)
		q->fn(q->ctx, end_of(status), bytes, size);
	free(q);
}

static void send_question(struct question *q)
{
	struct sp_resolver *r = q->resolver;

	ares_query(r->channels[q->channel].ares, q->host, CLASS_IN, q->type, on_answer, q);
	set_timer(r);
}

void sp_resolver_ask(struct sp_resolver *r, const char *host, enum sp_dns_type type,
		     sp_resolver_fn fn, void *ctx)
{
	struct question *q = malloc(sizeof(*q));

	if (!q) {
		fn(ctx, SP_LOOKUP_OTHER, NULL, 0);
		return;
	}
	*q = (struct question){ .fn = fn, .ctx = ctx, .resolver = r, .type = type };
	snprintf(q->host, sizeof(q->host), "%s", host);
	send_question(q);
}
