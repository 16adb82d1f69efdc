// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "node/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/warnings.h"

#define LOOK_MAX	4096	/* of a configuration's backends: some microseconds for each, while packets wait */
#define DISCARD_PORT	9

static socklen_t fill(const struct sp_addr *addr, struct sockaddr_storage *at)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;

	memset(at, 0, sizeof(*at));
	if (sp_addr_is_v4(addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(DISCARD_PORT);
		v4->sin_addr.s_addr = addr->w[3];
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(DISCARD_PORT);
	memcpy(&v6->sin6_addr, addr->w, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

static int is_loopback(const struct sp_addr *addr)
{
	return sp_addr_is_v4(addr) && ntohl(addr->w[3]) >> 24 == IN_LOOPBACKNET;
}

int sp_local_connect(const struct sp_addr *addr)
{
	struct sockaddr_storage to;
	socklen_t len = fill(addr, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&to, len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* To itself, a machine speaks from the address that it speaks to. */
int sp_local_is(const struct sp_addr *addr)
{
	struct sockaddr_storage to, from = { 0 };
	socklen_t len = fill(addr, &to), from_len = sizeof(from);
	int fd = sp_local_connect(addr), is_local = is_loopback(addr);

	if (fd < 0)
		return is_local;
	if (!getsockname(fd, (struct sockaddr *)&from, &from_len)) {
		((struct sockaddr_in *)&from)->sin_port = htons(DISCARD_PORT);	/* at the same place in both families */
		is_local |= !memcmp(&from, &to, len);
	}
	close(fd);
	return is_local;
}

static void warn(const struct sp_pool_conf *pool, const struct sp_backend_conf *b)
{
	char at[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&b->at.addr, b->at.port_be, at);
	sp_warn(SP_WARNING_BACKEND_LOCAL, sp_now_ns(), at, "backend %s of pool %s is on this machine, whose address is "
		"%s: its packets never arrive at an interface, so no connection to it succeeds", b->name, pool->name, at);
}

static int has_backend(const struct sp_config *config, const struct sp_endpoint *at)
{
	for (const struct sp_pool_conf *p = config->pools; p < config->pools + config->pool_count; p++)
		for (size_t i = 0; i < p->backend_count; i++)
			if (!sp_endpoint_compare(&p->backends[i].at, at))
				return 1;
	return 0;
}

static int is_still_so(const struct sp_config *config, const char *object)
{
	struct sp_endpoint at;

	return !sp_endpoint_parse(object, &at.addr, &at.port_be) && has_backend(config, &at) && sp_local_is(&at.addr);
}

void sp_local_warn(const struct sp_config *config)
{
	const struct sp_warning *w = NULL;
	unsigned int looks = 0;

	while ((w = sp_warnings_next(w)))
		if (w->kind == SP_WARNING_BACKEND_LOCAL && !is_still_so(config, w->object))
			sp_warn_over(w->kind, w->object);
	for (const struct sp_pool_conf *p = config->pools; p < config->pools + config->pool_count; p++)
		for (size_t i = 0; i < p->backend_count && looks++ < LOOK_MAX; i++)
			if (sp_local_is(&p->backends[i].at.addr))
				warn(p, &p->backends[i]);
}
