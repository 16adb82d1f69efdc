// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* limits.c - the maps of limits (abi/limit.h): lists of ranges, admitted connections */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "datapath/internal.h"

#define CHECKS_AT_ONCE	64
/* A first segment may still be on its way to the daemon, or to another proxy. */
#define ADMITTED_LEAST_NS 15000000000ULL
/* From walk to walk: the table has a million buckets, which take 2 ms even if they are empty. */
#define WALK_PERIOD_NS	1000000000ULL

static int ranges_fd(const struct sp_datapath *dp, int list)
{
	return bpf_map__fd(list ? dp->skel->maps.sp_ranges_1 : dp->skel->maps.sp_ranges_0);
}

/* ---- lists ---- */

static void clear_ranges(int fd)
{
	struct sp_range first;

	for (int i = 0; i < SP_RANGES_MAX && !bpf_map_get_next_key(fd, NULL, &first); i++)
		bpf_map_delete_elem(fd, &first);
}

static int put_range(int fd, __u32 service_id, const struct sp_prefix *prefix, __u32 verdict)
{
	struct sp_range range = { .bits = SP_RANGE_BITS_ALL + prefix->bits,
				  .service_id = service_id, .addr = prefix->addr };

	return bpf_map_update_elem(fd, &range, &verdict, BPF_ANY) ? -errno : 0;
}

static int put_lists(int fd, const struct sp_service_conf *service)
{
	const struct sp_admission_conf *a = &service->admission;
	const struct sp_prefix all = {};
	__u32 id = sp_name_id(service->name);
	int err = a->allow_count ? put_range(fd, id, &all, SP_RANGE_DENY) : 0;

	for (size_t i = 0; !err && i < a->allow_count; i++)
		err = put_range(fd, id, &a->allow[i], SP_RANGE_ALLOW);
	for (size_t i = 0; !err && i < a->deny_count; i++)
		err = put_range(fd, id, &a->deny[i], SP_RANGE_DENY);
	return err;
}

/* The list in use, also by the services of an older daemon. */
static int used_list(const struct sp_datapath *dp)
{
	int fd = bpf_map__fd(dp->skel->maps.sp_services);
	struct sp_listen at, *last = NULL;
	struct sp_service svc;

	for (int i = 0; i < SP_SERVICES_MAX && !bpf_map_get_next_key(fd, last, &at); i++) {
		if (!bpf_map_lookup_elem(fd, &at, &svc) && svc.flags & SP_SERVICE_F_LISTED)
			return svc.limit.list;
		last = &at;
	}
	return 0;
}

/* The lists in use stay until each service is turned to the new lists. */
static int apply_lists(struct sp_datapath *dp, const struct sp_config *config)
{
	int list = !used_list(dp), fd = ranges_fd(dp, list), err = 0;

	clear_ranges(fd);
	for (size_t i = 0; !err && i < config->service_count; i++)
		err = put_lists(fd, &config->services[i]);
	if (!err)
		dp->list = list;
	return err;
}

/* ---- counts ---- */

static int apply_totals(struct sp_datapath *dp, const struct sp_config *config)
{
	int fd = bpf_map__fd(dp->skel->maps.sp_totals);
	static __u32 keep[SP_TOTALS_MAX];
	const __u32 none = 0;
	size_t n = 0;

	for (size_t i = 0; i < config->service_count && n < SP_TOTALS_MAX; i++)
		keep[n++] = sp_name_id(config->services[i].name);
	sp_datapath_delete_others(fd, sizeof(keep[0]), keep, n);
	for (size_t i = 0; i < n; i++) {
		__u32 id = sp_name_id(config->services[i].name);

		if (!sp_admission_is_limited(&config->services[i].admission))
			continue;
		dp->has_admitted = 1;
		if (bpf_map_update_elem(fd, &id, &none, BPF_NOEXIST) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int sp_datapath_apply_limits(struct sp_datapath *dp, const struct sp_config *config)
{
	struct sp_tuple first;
	int err = apply_lists(dp, config);

	if (!bpf_map_get_next_key(bpf_map__fd(dp->skel->maps.sp_admitted), NULL, &first))
		dp->has_admitted = 1;
	return err ?: apply_totals(dp, config);
}

void sp_datapath_limit(const struct sp_datapath *dp, const struct sp_service_conf *service,
		       struct sp_service *offer)
{
	const struct sp_admission_conf *a = &service->admission;
	__u32 spacing_ns = a->source_rate ? 1000000000U / a->source_rate : 0;

	offer->flags |= sp_admission_is_listed(a) ? SP_SERVICE_F_LISTED : 0;
	offer->flags |= sp_admission_is_limited(a) ? SP_SERVICE_F_LIMITED : 0;
	offer->limit = (struct sp_limit){
		.service_id = sp_name_id(service->name), .connections = a->connections,
		.source_connections = a->source_connections, .spacing_ns = spacing_ns,
		.burst_ns = spacing_ns ? (a->source_burst - 1ULL) * spacing_ns : 0,
		.bits_v4 = SP_ADDR_BITS - 32 + a->v4_bits, .bits_v6 = a->v6_bits,
		.list = dp->list,
	};
}

static int has_splice(struct sp_datapath *dp, const struct sp_tuple *front)
{
	struct sp_entry up;

	return !sp_datapath_get(dp, front, &up) && sp_entry_is_live(&up);
}

/* The daemon never got the segment, or the end of the connection passed elsewhere. */
static void check_admitted(struct sp_datapath *dp, const struct sp_tuple *front,
			   const struct sp_admitted *a, sp_pending_fn is_pending, void *ctx)
{
	if (sp_now_ns() - a->at_ns > ADMITTED_LEAST_NS && !is_pending(ctx, front) &&
	    !has_splice(dp, front))
		sp_datapath_leave(dp, front);
}

void sp_datapath_check_admitted(struct sp_datapath *dp, sp_pending_fn is_pending, void *ctx)
{
	static struct sp_tuple fronts[CHECKS_AT_ONCE];
	static struct sp_admitted admitted[CHECKS_AT_ONCE];
	DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = CHECKS_AT_ONCE, out = 0;
	__u64 now_ns = sp_now_ns();
	int err;

	if (!dp->has_admitted || (!dp->is_checking && now_ns < dp->next_walk_ns))
		return;
	if (!dp->is_checking)
		dp->next_walk_ns = now_ns + WALK_PERIOD_NS;
	err = bpf_map_lookup_batch(bpf_map__fd(dp->skel->maps.sp_admitted),
				   dp->is_checking ? &dp->checked : NULL, &out, fronts, admitted,
				   &count, &opts);
	if (err && errno != ENOENT)
		count = 0;
	for (__u32 i = 0; i < count; i++)
		check_admitted(dp, &fronts[i], &admitted[i], is_pending, ctx);
	dp->is_checking = !err;
	dp->checked = out;
}
