// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* local.c - see local.h */
#include "node/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/sockaddr.h"
#include "base/warnings.h"
#include "node/host.h"

/* backends of a configuration: each takes some microseconds, while packets wait */
#define CHECK_MAX	4096
#define DISCARD_PORT	9

static int is_loopback(const struct sp_addr *addr)
{
	return sp_addr_is_v4(addr) && ntohl(addr->w[3]) >> 24 == IN_LOOPBACKNET;
}

int sp_local_connect(const struct sp_addr *addr)
{
	union sp_sockaddr to;
	socklen_t len = sp_sockaddr_make(addr, htons(DISCARD_PORT), &to);
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, &to.any, len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A machine that connects to itself uses the same address at both ends. */
int sp_local_is(const struct sp_addr *addr)
{
	int fd = sp_local_connect(addr), is_local = is_loopback(addr);
	union sp_sockaddr from = { 0 };
	socklen_t len = sizeof(from);
	struct sp_endpoint at;

	if (fd < 0)
		return is_local;
	if (!getsockname(fd, &from.any, &len)) {
		at = sp_sockaddr_endpoint(&from);
		is_local |= sp_addr_equal(&at.addr, addr);
	}
	close(fd);
	return is_local;
}

static void warn_of_backend(const struct sp_pool_conf *pool, const struct sp_backend_conf *b)
{
	char at[SP_ENDPOINT_STRLEN];

	sp_endpoint_format(&b->at.addr, b->at.port_be, at);
	sp_warn(SP_WARNING_BACKEND_LOCAL, sp_now_ns(), at,
		"backend %s of pool %s is on this machine (%s): its "
		"packets never arrive at an interface, so no connection to it succeeds", b->name,
			pool->name, at);
}

static int has_backend(const struct sp_config *config, const struct sp_endpoint *at)
{
	for (const struct sp_pool_conf *p = config->pools; p < config->pools + config->pool_count;
	     p++)
		for (size_t i = 0; i < p->backend_count; i++)
			if (!sp_endpoint_compare(&p->backends[i].at, at))
				return 1;
	return 0;
}

static int is_still_local(const struct sp_config *config, const char *object)
{
	struct sp_endpoint at;

	return !sp_endpoint_parse(object, &at.addr, &at.port_be) && has_backend(config, &at) &&
	       sp_local_is(&at.addr);
}

void sp_local_warn(const struct sp_config *config, int is_same_file)
{
	const struct sp_warning *w = NULL;
	unsigned int checks = 0;

	while ((w = sp_warnings_next(w)))
		if (w->kind == SP_WARNING_BACKEND_LOCAL && !is_still_local(config, w->object))
			sp_warn_over(w->kind, w->object);
	for (const struct sp_pool_conf *p = config->pools; p < config->pools + config->pool_count;
	     p++)
		for (size_t i = 0; i < p->backend_count; i++) {
			if (is_same_file && !p->backends[i].origin)
				continue;
			if (checks++ < CHECK_MAX && sp_local_is(&p->backends[i].at.addr))
				warn_of_backend(p, &p->backends[i]);
		}
	if (!is_same_file)
		sp_host_warn(config);
}
