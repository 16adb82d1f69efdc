// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* offer.c - the maps of the configuration: services, sources, origins */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "datapath/internal.h"

__u16 sp_datapath_mtu(const struct sp_config *config)
{
	unsigned int mtu = 65535;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; i < config->interface_count; i++) {
		struct ifreq req = {};

		snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", config->interfaces[i]);
		if (!ioctl(fd, SIOCGIFMTU, &req) && (unsigned int)req.ifr_mtu < mtu)
			mtu = req.ifr_mtu;
	}
	close(fd);
	return mtu < 576 || mtu == 65535 ? 1500 : mtu;
}

static int compare_listen(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sp_listen));
}

static int put_offer(struct sp_datapath *dp, const struct sp_offered *o)
{
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_services), &o->at, &o->offer,
				   BPF_ANY) ? -errno : 0;
}

static __u16 mss_of(__u16 mtu, const struct sp_addr *addr)
{
	return mtu - sp_addr_header_bytes(addr);
}

/* A backend's lower MSS stays. */
void sp_datapath_follow_mtu(struct sp_datapath *dp, const struct sp_config *config)
{
	__u16 mtu = sp_datapath_mtu(config);

	if (mtu == dp->mtu)
		return;
	log_info("the smallest MTU of the interfaces is %u, and was %u: the MSS that clients are "
		 "offered follows", mtu, dp->mtu);
	dp->mtu = mtu;
	for (size_t i = 0; i < dp->offered_count; i++) {
		struct sp_offered *o = &dp->offered[i];
		__u16 mss = mss_of(mtu, &o->at.addr);

		if (!o->follows_mtu)
			continue;
		if (o->offer.mss == o->offer.mss_max || o->offer.mss > mss)
			o->offer.mss = mss;
		o->offer.mss_max = mss;
		put_offer(dp, o);
	}
}

static int offer_at(struct sp_datapath *dp, const struct sp_config *config,
		    const struct sp_service_conf *service,
		    const struct sp_endpoint *at)
{
	struct sp_offered *o = &dp->offered[dp->offered_count];

	if (dp->offered_count == SP_SERVICES_MAX)
		return -E2BIG;
	*o = (struct sp_offered){ .at = { .addr = at->addr, .port = at->port_be }, .offer = service->offer };
	if (config->store.kind == SP_STORE_REDIS)
		o->offer.flags |= SP_SERVICE_F_SHARED;
	sp_datapath_limit(dp, service, &o->offer);
	o->follows_mtu = !o->offer.mss;
	if (o->follows_mtu)
		o->offer.mss = mss_of(dp->mtu, &at->addr);
	o->offer.mss_max = o->offer.mss;
	o->all = o->offer.flags;
	dp->offered_count++;
	return put_offer(dp, o);
}

int sp_datapath_offer_less(struct sp_datapath *dp, const struct sp_endpoint *listen, __u16 mss,
			   __u8 lacks)
{
	struct sp_listen at = { .addr = listen->addr, .port = listen->port_be };
	struct sp_offered *o = bsearch(&at, dp->offered, dp->offered_count, sizeof(*o),
				       compare_listen);
	struct sp_service before;

	if (!o)
		return 0;
	before = o->offer;
	o->offer.mss = mss < o->offer.mss_max ? mss : o->offer.mss_max;
	o->offer.flags = o->all & ~lacks;
	return memcmp(&before, &o->offer, sizeof(before)) && !put_offer(dp, o);
}

static int apply_services(struct sp_datapath *dp, const struct sp_config *config)
{
	static struct sp_listen keep[SP_SERVICES_MAX];
	int err = 0;

	dp->offered_count = 0;
	dp->mtu = sp_datapath_mtu(config);
	for (size_t i = 0; i < config->service_count; i++)
		for (size_t j = 0; !err && j < config->services[i].listen_count; j++)
			err = offer_at(dp, config, &config->services[i],
				       &config->services[i].listens[j]);
	qsort(dp->offered, dp->offered_count, sizeof(dp->offered[0]), compare_listen);
	if (err)
		return err;
	for (size_t i = 0; i < dp->offered_count; i++)
		keep[i] = dp->offered[i].at;
	sp_datapath_delete_others(bpf_map__fd(dp->skel->maps.sp_services), sizeof(keep[0]), keep,
		      dp->offered_count);
	return 0;
}

/* The pinned table may have the size of an older configuration. */
static unsigned int allowed_splices(struct sp_datapath *dp, const struct sp_config *config)
{
	unsigned int room = bpf_map__max_entries(dp->skel->maps.sp_halves) / 2;

	if (config->limits.splices <= room)
		return config->limits.splices;
	log_warn("limits: splices: the table has room for %u of %u, until --unload", room,
		 config->limits.splices);
	return room;
}

/* This proxy's addresses with our ports; other proxies' addresses with all ports. */
static int apply_sources(struct sp_datapath *dp, const struct sp_config *config)
{
	struct sp_snat range = { config->snat_port_first, config->snat_port_last },
		all = { 1, 65535 };
	static struct sp_addr keep[SP_SNATS_MAX];
	int fd = bpf_map__fd(dp->skel->maps.sp_snats);
	size_t n = 0;

	if (config->snat_count + config->cluster.source_count > SP_SNATS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < config->snat_count; i++)
		keep[n++] = config->snat_addrs[i];
	for (size_t i = 0; i < config->cluster.source_count; i++)
		keep[n++] = config->cluster.sources[i];
	if (config->is_agent && !n)
		keep[n++] = (struct sp_addr){};	/* any */
	/* in reverse order: an address in both lists is ours */
	for (size_t i = n; i-- > 0;)
		if (bpf_map_update_elem(fd, &keep[i], i < config->snat_count ? &range :
					&all, BPF_ANY))
			return -errno;
	sp_datapath_delete_others(fd, sizeof(keep[0]), keep, n);
	return 0;
}

/* Backends that see clients' addresses, if other proxies may connect; an agent's servers. */
int sp_datapath_apply_origins(struct sp_datapath *dp, const struct sp_config *config)
{
	static struct sp_listen keep[SP_ORIGINS_MAX];
	int fd = bpf_map__fd(dp->skel->maps.sp_origins);
	const __u32 nothing = 0;
	size_t n = 0;

	for (size_t i = 0; i < config->serve_count; i++) {
		keep[n] = (struct sp_listen){ config->serves[i].addr, config->serves[i].port_be,
					      0 };
		if (bpf_map_update_elem(fd, &keep[n++], &nothing, BPF_ANY))
			return -errno;
	}
	for (size_t i = 0; config->store.kind != SP_STORE_LOCAL && i < config->pool_count; i++) {
		const struct sp_pool_conf *pool = &config->pools[i];

		for (size_t j = 0; pool->source == SP_SOURCE_CLIENT && j < pool->backend_count;
		     j++) {
			if (n == SP_ORIGINS_MAX)
				return -E2BIG;
			keep[n] = (struct sp_listen){ pool->backends[j].at.addr,
						      pool->backends[j].at.port_be, 0 };
			if (bpf_map_update_elem(fd, &keep[n++], &nothing, BPF_ANY))
				return -errno;
		}
	}
	sp_datapath_delete_others(fd, sizeof(keep[0]), keep, n);
	return 0;
}

int sp_datapath_apply(struct sp_datapath *dp, const struct sp_config *config)
{
	int err = apply_sources(dp, config);

	err = err ?: sp_datapath_apply_origins(dp, config);
	if (!config->is_agent)
		err = err ?: sp_datapath_forget_decisions(dp);
	if (!config->is_agent)
		err = err ?: sp_datapath_apply_limits(dp, config);
	if (err)
		return err;
	dp->count.max = allowed_splices(dp, config);
	dp->control->splices_max = dp->count.max;
	dp->control->relay = (struct sp_listen){ config->cluster.relay.addr,
						 config->cluster.relay.port_be, 0 };
	sp_datapath_counted(dp, sp_datapath_count(dp)->splices);
	return apply_services(dp, config);
}

const struct sp_service *sp_datapath_service(const struct sp_datapath *dp,
					     const struct sp_tuple *front)
{
	struct sp_listen at = { .addr = front->daddr, .port = front->dport };
	const struct sp_offered *found = bsearch(&at, dp->offered, dp->offered_count,
						 sizeof(*found), compare_listen);

	return found ? &found->offer : NULL;
}
