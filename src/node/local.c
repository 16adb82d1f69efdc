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

#define CHECK_MAX	4096	/* backends of a configuration */
#define CHECKS_PER_TICK	64
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

static void end_warnings(const struct sp_config *config)
{
	const struct sp_warning *w = NULL;

	while ((w = sp_warnings_next(w)))
		if (w->kind == SP_WARNING_BACKEND_LOCAL && !is_still_local(config, w->object))
			sp_warn_over(w->kind, w->object);
}

void sp_local_begin(struct sp_local_walk *w, const struct sp_config *config, int is_same_file)
{
	int is_found = is_same_file && (!w->left || w->is_found);

	*w = (struct sp_local_walk){ .left = CHECK_MAX, .is_found = is_found,
				     .has_routes = sp_host_is_here(config) };
	end_warnings(config);
	if (!is_same_file)
		sp_host_warn(config);
}

static void examine_backend(const struct sp_local_walk *w, const struct sp_pool_conf *pool,
			    const struct sp_backend_conf *backend)
{
	if (sp_local_is(&backend->at.addr))
		warn_of_backend(pool, backend);
	else if (w->has_routes)
		sp_host_warn_of_backend(pool, backend);
}

void sp_local_tick(struct sp_local_walk *w, const struct sp_config *config)
{
	for (int checks = 0; checks < CHECKS_PER_TICK && w->left;) {
		const struct sp_pool_conf *pool = &config->pools[w->pool];

		if (w->pool == config->pool_count) {
			w->left = 0;
		} else if (w->backend == pool->backend_count) {
			w->pool++;
			w->backend = 0;
		} else if (!w->is_found || pool->backends[w->backend].origin) {
			checks++;
			w->left--;
			examine_backend(w, pool, &pool->backends[w->backend++]);
		} else {
			w->backend++;
		}
	}
}
