/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* maps.bpf.h - all maps of the datapath. The daemon creates, fills and pins them. */
#ifndef SP_BPF_MAPS_H
#define SP_BPF_MAPS_H

#include "abi/drop.h"
#include "abi/half.h"
#include "abi/limit.h"
#include "abi/named.h"
#include "abi/order.h"
#include "abi/policy.h"
#include "abi/service.h"
#include "abi/stash.h"
#include "abi/stats.h"

/* Both halves of every splice. The daemon sets the size: two for each splice. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_tuple);
	__type(value, struct sp_entry);
} sp_halves SEC(".maps");

/*
 * The map is for the daemon alone, and here to be pinned like the rest. The daemon sets the size.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_stash_key);
	__type(value, struct sp_stash_chunk);
} sp_stash SEC(".maps");

/* Names of clients, for the daemon alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_tuple);
	__type(value, struct sp_named);
} sp_named SEC(".maps");

/* No program reads this map. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_ORDERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_order_key);
	__type(value, struct sp_order);
} sp_ordered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_SERVICES_MAX);
	__type(key, struct sp_listen);
	__type(value, struct sp_service);
} sp_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_SNATS_MAX);
	__type(key, struct sp_addr);
	__type(value, struct sp_snat);
} sp_snats SEC(".maps");

/*
 * Lists of all services. The datapath reads one map; the daemon fills the second, then turns the
 * services to the second.
 */
struct ranges {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SP_RANGES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_range);
	__type(value, __u32);
};

struct ranges sp_ranges_0 SEC(".maps");
struct ranges sp_ranges_1 SEC(".maps");

/* Sources of limited services. The daemon sets the size; the least recently used give way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct sp_source_key);
	__type(value, struct sp_source_state);
} sp_sources SEC(".maps");

/* Connections of each limited service, by its id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_TOTALS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} sp_totals SEC(".maps");

/* The daemon sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_tuple);
	__type(value, struct sp_admitted);
} sp_admitted SEC(".maps");

/* Interfaces, by index, that carry splices and answer no SYN. The value has no meaning. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_LEAVING_MAX);
	__type(key, __u32);
	__type(value, __u32);
} sp_leaving SEC(".maps");

/* The value has no meaning. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_ORIGINS_MAX);
	__type(key, struct sp_listen);
	__type(value, __u32);
} sp_origins SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sp_control);
} sp_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} sp_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SP_DROP_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} sp_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SP_STAT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} sp_stats SEC(".maps");

/* One entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_policies);
} sp_policies SEC(".maps");

struct sp_bucket {
	__u64	filled_ns;
	__u64	tokens;
};

/* Token buckets limit the daemon's work for packets of unknown connections. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 5);
	__type(key, __u32);
	__type(value, struct sp_bucket);
} sp_buckets SEC(".maps");

static __always_inline void count_drop(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&sp_drops, &reason);

	if (n)
		(*n)++;
}

static __always_inline void count_stat(__u32 stat, __u64 by)
{
	__u64 *n = bpf_map_lookup_elem(&sp_stats, &stat);

	if (n)
		*n += by;
}

#endif
