// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "proxy/offer.h"

#include <stdio.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/warnings.h"

#define MSS_LEAST	536	/* as of the configuration */
#define WARN_AGAIN_NS	60000000000ULL
#define WINDOW_UNITS_LEAST	4

static const struct { __u8 flag; const char *name; } options[] = {
	{ SP_SERVICE_F_TIMESTAMPS, "timestamps" }, { SP_SERVICE_F_SACK, "SACK" },
		{ SP_SERVICE_F_WSCALE, "window scaling" },
};

static void name_options(__u8 flags, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && at < size; i++)
		if (flags & options[i].flag)
			at += snprintf(buf + at, size - at, "%s%s", at ? ", " :
				       "", options[i].name);
}

/* The object of a backend's warning. */
static void name_backend(const struct sp_pool_conf *pool, size_t idx, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", pool->name, pool->backends[idx].name);
}

static void warn_lacks(const struct sp_pool_conf *pool, size_t idx, __u8 lacks, __u64 now_ns)
{
	char object[SP_WARNING_OBJECT_MAX], what[64];

	name_backend(pool, idx, object, sizeof(object));
	name_options(lacks, what, sizeof(what));
	sp_warn(SP_WARNING_BACKEND_LACKS, now_ns, object,
		"pool %s: backend %s lacks %s, which clients were offered: connections that use "
		"it may hang. New clients are not offered it, until a reload", pool->name,
		pool->backends[idx].name, what);
}

typedef void (*backend_fn)(void *ctx, const struct sp_pool_conf *pool, size_t idx,
			   const struct sp_backend *backend);

static void each_of_pool(struct sp_proxy *p, const struct sp_pool_conf *pool, backend_fn fn,
			 void *ctx)
{
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct sp_backend *backend = sp_backends_at(p->backends, pool, i);

		if (backend)
			fn(ctx, pool, i, backend);
	}
}

/* @is_v4: of a service's address, and so of its backends; @mss, @lacks: of all of them */
struct limits {
	int	is_v4;
	__u16	mss;
	__u8	lacks;
};

static void limit_offer(void *ctx, const struct sp_pool_conf *pool, size_t idx,
		  const struct sp_backend *backend)
{
	const struct sp_backend_conf *conf = &pool->backends[idx];
	struct limits *l = ctx;

	if (!sp_backend_weight(backend, conf) || sp_addr_is_v4(&conf->at.addr) != l->is_v4)
		return;
	if (backend->mss && backend->mss < l->mss)
		l->mss = backend->mss < MSS_LEAST ? MSS_LEAST : backend->mss;
	l->lacks |= backend->lacks;
}

static int leads_to(const struct sp_service_conf *service, int pool_idx)
{
	if (service->default_pool_idx == pool_idx)
		return 1;
	for (size_t i = 0; i < service->route_count; i++)
		if ((int)service->routes[i].pool_idx == pool_idx)
			return 1;
	return 0;
}

/* Each pool once: pools may be large, and have many routes. */
static void limit_all(struct sp_proxy *p, const struct sp_service_conf *service, struct limits *l)
{
	const struct sp_config *config = p->node.config;

	for (size_t i = 0; i < config->pool_count; i++)
		if (leads_to(service, i))
			each_of_pool(p, &config->pools[i], limit_offer, l);
}

static void log_offer(const struct sp_service_conf *service, const struct sp_endpoint *at,
		 const struct limits *l)
{
	char what[64], text[SP_ENDPOINT_STRLEN];

	name_options(l->lacks, what, sizeof(what));
	sp_endpoint_format(&at->addr, at->port_be, text);
	log_info("service %s: %s: new clients are offered what all backends support: MSS %u at "
		 "most%s%s", service->name, text, l->mss, what[0] ? ", no " : "", what);
}

static void offer_anew(struct sp_proxy *p, const struct sp_service_conf *service)
{
	for (size_t i = 0; i < service->listen_count; i++) {
		const struct sp_endpoint *at = &service->listens[i];
		struct limits l = { .is_v4 = sp_addr_is_v4(&at->addr), .mss = 65535 };

		limit_all(p, service, &l);
		if (sp_datapath_offer_less(p->node.dp, at, l.mss, l.lacks))
			log_offer(service, at, &l);
	}
}

/*
 * A window is shown to the client in units of 1 << scale: a small window shrinks to almost nothing.
 * A window of 0 will be opened later.
 */
static void check_window(const struct sp_conn *c, __u16 window)
{
	char object[SP_WARNING_OBJECT_MAX];
	__s8 scale = c->client.wscale_ours;

	if (scale <= 0 || !window || window >> scale >= WINDOW_UNITS_LEAST)
		return;
	name_backend(c->pool, c->backend_idx, object, sizeof(object));
	sp_warn(SP_WARNING_SMALL_WINDOW, sp_now_ns(), object,
		"pool %s: backend %s has a window of %u bytes, which clients see rounded down to a "
		"multiple of %u: uploads to it are slow", c->pool->name,
		c->pool->backends[c->backend_idx].name, window, 1U << scale);
}

void sp_offer_learn(struct sp_proxy *p, const struct sp_conn *c, const struct sp_segment *syn_ack)
{
	__u8 asked = (c->is_sack ? SP_SERVICE_F_SACK : 0) |
		(c->client.has_ts ? SP_SERVICE_F_TIMESTAMPS : 0) |
		(c->backend.wscale_ours >= 0 ? SP_SERVICE_F_WSCALE : 0);
	__u8 had = (syn_ack->is_sack ? SP_SERVICE_F_SACK : 0) |
		(syn_ack->has_ts ? SP_SERVICE_F_TIMESTAMPS : 0) |
		(syn_ack->wscale >= 0 ? SP_SERVICE_F_WSCALE : 0);

	check_window(c, syn_ack->window);
	if (!sp_backends_learn(p->backends, c->pool, c->backend_idx, c->backend_mss, asked, had))
		return;
	for (size_t i = 0; i < p->node.config->service_count; i++)
		offer_anew(p, &p->node.config->services[i]);
	if (asked & ~had)
		warn_lacks(c->pool, c->backend_idx, asked & ~had, sp_now_ns());
}

static void warn_again(void *ctx, const struct sp_pool_conf *pool, size_t idx,
		       const struct sp_backend *backend)
{
	const __u64 *now_ns = ctx;

	if (backend->lacks)
		warn_lacks(pool, idx, backend->lacks, *now_ns);
}

void sp_offer_tick(struct sp_proxy *p, __u64 now_ns)
{
	if (now_ns < p->offer_warned_ns + WARN_AGAIN_NS)
		return;
	p->offer_warned_ns = now_ns;
	for (size_t i = 0; i < p->node.config->pool_count; i++)
		each_of_pool(p, &p->node.config->pools[i], warn_again, &now_ns);
}

static void end_warning(void *ctx, const struct sp_pool_conf *pool, size_t idx,
		 const struct sp_backend *backend)
{
	char object[SP_WARNING_OBJECT_MAX];

	name_backend(pool, idx, object, sizeof(object));
	sp_warn_over(SP_WARNING_SMALL_WINDOW, object);
	if (backend->lacks)
		sp_warn_over(SP_WARNING_BACKEND_LACKS, object);
}

void sp_offer_forget(struct sp_proxy *p)
{
	for (size_t i = 0; p->node.config && i < p->node.config->pool_count; i++)
		each_of_pool(p, &p->node.config->pools[i], end_warning, NULL);
}
