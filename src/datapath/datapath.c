// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * datapath.c - the programs and their maps: loaded, pinned, read and written. The table of halves
 * is in halves.c, the maps of the configuration in offer.c, attaching in attach.c.
 */
#include "datapath/datapath.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "abi/query.h"
#include "abi/drop.h"
#include "abi/stats.h"
#include "datapath/attach.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/internal.h"
#include "datapath/kernel.h"
#include "l7/response_table.h"
#include "base/seal.h"
#include "tcp/segment.h"

/* The verifier's log has pages: --verbose shows it. The caller logs a line for operators. */
static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN)
		sp_vlog(SP_LOG_DEBUG, fmt, ap);
	return 0;
}

/* A pinned map keeps its size, because its splices matter more than a new limit. */
static int size_map(struct sp_datapath *dp, struct bpf_map *map, __u32 entries, const char *limit)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dp->state.dir, bpf_map__name(map));
	fd = bpf_obj_get(path);
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.max_entries != entries) {
		log_warn("limits: %s: the pinned map has room for %u entries, not %u, until --unload", limit,
			 info.max_entries, entries);
		entries = info.max_entries;
	}
	if (fd >= 0)
		close(fd);
	return bpf_map__set_max_entries(map, entries);
}

static int pin_maps(struct sp_datapath *dp, const struct sp_config *config)
{
	struct bpf_map *map;
	char path[600];
	int err;

	/* two halves for each splice; a pending connection may have a trap at either side */
	err = size_map(dp, dp->skel->maps.sp_halves,
		       (config->limits.splices + config->limits.pending) * 2, "splices");
	err = err ?: size_map(dp, dp->skel->maps.sp_stash,
			      config->limits.held_bytes / SP_STASH_CHUNK + 1, "held");
	err = err ?: size_map(dp, dp->skel->maps.sp_named, config->limits.splices, "splices");
	err = err ?: size_map(dp, dp->skel->maps.sp_sources, config->is_agent ? 1 :
			      config->limits.sources, "sources");
	err = err ?: size_map(dp, dp->skel->maps.sp_admitted, config->is_agent ? 1 :
			      config->limits.splices + config->limits.pending, "splices");
	bpf_object__for_each_map(map, dp->skel->obj) {
		if (!err && !bpf_map__autocreate(map))
			continue;
		if (err || bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dp->state.dir, bpf_map__name(map));
		err = bpf_map__set_pin_path(map, path);
	}
	return err;
}

/* The programs of a proxy, or of an agent. */
static int choose_programs(struct sp_datapath *dp, int is_agent)
{
	int err = bpf_map__set_autocreate(dp->skel->maps.sp_queries, is_agent);

	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_scratches, is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_decisions, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_decision_key, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_payloads, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_exchanges, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_log_lost, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_ranges_0, !is_agent);
	err = err ?: bpf_map__set_autocreate(dp->skel->maps.sp_ranges_1, !is_agent);
	err = err ?: bpf_program__set_autoload(dp->skel->progs.sp_ingress, !is_agent);
	err = err ?: bpf_program__set_autoload(dp->skel->progs.sp_agent_in,
					       is_agent && !dp->can_adopt);
	err = err ?: bpf_program__set_autoload(dp->skel->progs.sp_agent_adopt,
					       is_agent && dp->can_adopt);
	err = err ?: bpf_program__set_autoload(dp->skel->progs.sp_listeners,
					       is_agent && dp->can_adopt);
	return err ?: bpf_program__set_autoload(dp->skel->progs.sp_egress, is_agent);
}

/* SPLICED_ADOPT=no: behave as on an older kernel, for tests. */
int sp_datapath_kernel_adopts(void)
{
	const char *wish = getenv("SPLICED_ADOPT");
	struct btf *btf = wish && !strcmp(wish, "no") ? NULL : btf__load_vmlinux_btf();
	int is_there = btf &&
		btf__find_by_name_kind(btf, "bpf_sk_assign_tcp_reqsk", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return is_there;
}

static int load_programs(struct sp_datapath *dp, const struct sp_config *config)
{
	int err;

	dp->skel = proxy_bpf__open();
	err = dp->skel ? choose_programs(dp, config->is_agent) : -errno;
	if (!err)
		sp_response_table_fill(&dp->skel->rodata->response_table);
	err = err ?: pin_maps(dp, config);
	return err ?: sp_programs_load(dp->skel, dp->state.dir, &dp->programs);
}

/* Names are of splices that were there already. */
static int has_names(struct sp_datapath *dp)
{
	struct sp_tuple first;

	return !bpf_map_get_next_key(bpf_map__fd(dp->skel->maps.sp_named), NULL, &first);
}

/* A kernel with the function may still refuse the calling program: then load without it. */
static int load_best(struct sp_datapath *dp, const struct sp_config *config)
{
	int err;

	dp->can_adopt = config->is_agent && sp_datapath_kernel_adopts();
	err = load_programs(dp, config);
	if (!err || !dp->can_adopt)
		return err;
	log_warn_errno(err,
		       "the kernel refuses the program that takes over handshakes: going on without it");
	sp_programs_close(&dp->programs);
	proxy_bpf__destroy(dp->skel);
	dp->can_adopt = 0;
	return load_programs(dp, config);
}

static int map_control(struct sp_datapath *dp)
{
	dp->control = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_map__fd(dp->skel->maps.sp_control), 0);
	if (dp->control == MAP_FAILED) {
		dp->control = NULL;
		return -errno;
	}
	return 0;
}

static int ingress_fd(const struct sp_datapath *dp, const struct sp_config *config)
{
	if (!config->is_agent)
		return dp->programs.fd[SP_PROGRAM_INGRESS];
	return dp->programs.fd[dp->can_adopt ? SP_PROGRAM_AGENT_ADOPT : SP_PROGRAM_AGENT_IN];
}

static int egress_fd(const struct sp_datapath *dp, const struct sp_config *config)
{
	return config->is_agent ? dp->programs.fd[SP_PROGRAM_EGRESS] : -1;
}

static int attach_all(struct sp_datapath *dp, const struct sp_config *config,
		      struct sp_leavings *leavings)
{
	memset(&dp->hooks, 0, sizeof(dp->hooks));
	return sp_attach(dp->state.dir, config, ingress_fd(dp, config),
			 egress_fd(dp, config), leavings);
}

int sp_datapath_open(const struct sp_config *config, struct sp_datapath **ret_dp)
{
	struct sp_datapath *dp = calloc(1, sizeof(*dp));
	struct sp_keys keys;
	int err;

	if (!dp)
		return -ENOMEM;
	libbpf_set_print(log_libbpf);
	dp->state.lock_fd = -1;
	err = sp_kernel_check(config->is_agent ? "spliced-agent" : "spliced");
	err = err ?: sp_state_open(config->state_dir, &dp->state);
	if (err)
		goto fail;
	err = load_best(dp, config);
	if (err) {
		log_err_errno(err, "the kernel refuses the datapath; %s", sp_kernel_remedy(err));
		goto fail;
	}
	dp->has_names = has_names(dp);
	err = map_control(dp);
	err = err ?: sp_keys_read(config->key_file, &keys);
	if (!err)
		sp_datapath_set_keys(dp, &keys);
	err = err ?: sp_datapath_apply(dp, config);
	err = err ?: sp_datapath_policies_open(dp);
	if (err) {
		log_err_errno(err, "can't load the datapath");
		goto fail;
	}
	sp_leaving_init(&dp->leavings, bpf_map__fd(dp->skel->maps.sp_leaving));
	err = attach_all(dp, config, dp->count.splices ? &dp->leavings : NULL);
	if (err)
		goto fail;
	sp_programs_sweep(&dp->programs, dp->state.dir);
	sp_state_sweep(config->state_dir);
	*ret_dp = dp;
	return 0;
fail:
	sp_datapath_close(dp);
	return err;
}

int sp_datapath_attach(struct sp_datapath *dp, const struct sp_config *config)
{
	return attach_all(dp, config, &dp->leavings);
}

const char *sp_datapath_check_attached(struct sp_datapath *dp, const struct sp_config *config,
				       __u64 now_ns)
{
	return sp_attach_check(dp->state.dir, config, ingress_fd(dp, config),
			       egress_fd(dp, config),
			       &dp->hooks, now_ns);
}

void sp_datapath_let_go(struct sp_datapath *dp, __s64 oldest_s, __s64 walk_s)
{
	sp_attach_let_go(dp->state.dir, &dp->leavings, oldest_s, walk_s);
}

int sp_datapath_can_attach(const struct sp_datapath *dp)
{
	return !sp_attach_is_by_clsact(dp->state.dir);
}

int sp_datapath_can_adopt(const struct sp_datapath *dp)
{
	return dp->can_adopt;
}

void sp_datapath_close(struct sp_datapath *dp)
{
	if (!dp)
		return;
	ring_buffer__free(dp->ring);
	ring_buffer__free(dp->accesses);
	if (dp->control)
		munmap(dp->control, sysconf(_SC_PAGESIZE));
	sp_programs_close(&dp->programs);
	proxy_bpf__destroy(dp->skel);
	sp_policy_watch_close(dp->policies);
	sp_state_close(&dp->state);
	free(dp);
}

/*
 * Keys of messages for the datapath. In reverse order, so that messages under the new first key are
 * accepted soon.
 */
static void load_seal(struct sp_control *control, const struct sp_keys *keys)
{
	struct sp_seal seal;

	sp_seal_init(&seal, keys->key, keys->count);
	for (int i = seal.count - 1; i >= 0; i--) {
		memcpy(control->seal_key[i], seal.key[i], sizeof(seal.key[i]));
		control->seal_id[i] = htons(seal.id[i]);
	}
}

int sp_datapath_set_keys(struct sp_datapath *dp, const struct sp_keys *keys)
{
	int is_same = sp_keys_are_same(&dp->keys, keys);

	assert(dp->control && keys->count);
	dp->keys = *keys;
	memcpy(dp->control->cookie_key[1], keys->key[keys->count - 1], 16);
	memcpy(dp->control->cookie_key[0], keys->key[0], 16);
	load_seal(dp->control, keys);
	dp->control->key_count = keys->count;
	return !is_same;
}

enum sp_cookie sp_datapath_cookie(const struct sp_datapath *dp, const struct sp_segment *seg)
{
	struct sp_cookie_in in = { .tuple = seg->tuple, .client_isn = seg->seq - 1 };
	const struct sp_control *c = dp->control;
	enum sp_cookie cookie = SP_COOKIE_INVALID;

	/* each call reads two periods: a bit of the cookie selects the period */
	for (__u32 i = 0; i < c->key_count; i++)
		for (__u32 age = 0; !cookie && age < SP_COOKIE_LATE_PERIODS; age += 2)
			cookie = sp_cookie_read(c->cookie_key[i], &in, c->period - age,
						seg->ack - 1);
	return cookie;
}

void sp_datapath_heartbeat(struct sp_datapath *dp)
{
	struct timespec ts;
	__u64 now_ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	now_ns = sp_now_ns();
	dp->control->period = (__u64)ts.tv_sec * 1000000000ULL / SP_COOKIE_PERIOD_NS;
	dp->control->real_offset_ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec - now_ns;
	__atomic_store_n(&dp->control->heartbeat_ns, now_ns, __ATOMIC_RELEASE);
}

void sp_datapath_trace(struct sp_datapath *dp, int is_on)
{
	__u16 until_s = sp_now_ns() / 1000000000 + SP_TRACE_AHEAD_S;

	dp->control->trace_until_s = is_on ? until_s ?: 1 : 0;
}

__u64 sp_datapath_heartbeat_age_ns(const struct sp_datapath *dp)
{
	return sp_now_ns() - dp->control->heartbeat_ns;
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct sp_datapath *dp = ctx;
	const struct sp_event *ev = data;

	if (size >= sizeof(*ev) && ev->len <= size - sizeof(*ev))
		dp->fn(dp->ctx, ev);
	return --dp->events_left ? 0 : -EAGAIN;	/* -EAGAIN: this event still counts as handled */
}

int sp_datapath_subscribe(struct sp_datapath *dp, sp_event_fn fn, void *ctx, int *ret_fd)
{
	dp->fn = fn;
	dp->ctx = ctx;
	dp->ring = ring_buffer__new(bpf_map__fd(dp->skel->maps.sp_events), on_event, dp, NULL);
	if (!dp->ring)
		return -errno;
	/* libbpf's own descriptor is an epoll, and would wake our epoll needlessly */
	*ret_fd = bpf_map__fd(dp->skel->maps.sp_events);
	return 0;
}

int sp_datapath_consume(struct sp_datapath *dp)
{
	int n;

	dp->events_left = SP_EVENTS_AT_ONCE;
	n = ring_buffer__consume(dp->ring);
	return n == -EAGAIN ? SP_EVENTS_AT_ONCE : n;
}

int sp_datapath_patch(struct sp_datapath *dp, const struct sp_patch *patch)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = patch, .data_size_in = sizeof(*patch));

	if (bpf_prog_test_run_opts(dp->programs.fd[SP_PROGRAM_PATCH], &opts))
		return -errno;
	if (opts.retval == SP_PATCH_MOVED)
		return -EAGAIN;
	return opts.retval == SP_PATCH_DONE ? 0 : -ENOENT;
}

__u64 sp_datapath_listeners(struct sp_datapath *dp, const struct sp_endpoint *at,
			    unsigned int count)
{
	struct sp_listen ports[SP_LISTENERS_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = ports,
		    .data_size_in = count * sizeof(ports[0]),
		    .data_out = ports, .data_size_out = sizeof(ports));
	__u64 plain = 0;

	assert(count <= SP_LISTENERS_MAX);
	for (unsigned int i = 0; i < count; i++)
		ports[i] = (struct sp_listen){ .addr = at[i].addr, .port = at[i].port_be };
	if (!count || bpf_prog_test_run_opts(dp->programs.fd[SP_PROGRAM_LISTENERS], &opts))
		return 0;
	for (unsigned int i = 0; i < count; i++)
		plain |= (__u64)(ports[i].pad == SP_LISTENER_PLAIN) << i;
	return plain;
}

int sp_datapath_pass(struct sp_datapath *dp, const struct sp_tuple *key, __u64 until_ns)
{
	const struct sp_query query = { .asked_ns = sp_now_ns(), .pass_until_ns = until_ns };

	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_queries), key, &query, BPF_ANY) ?
	       -errno : 0;
}

int sp_datapath_name(struct sp_datapath *dp, const struct sp_tuple *front,
		     const struct sp_named *named)
{
	dp->has_names = 1;
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_named), front, named, BPF_ANY) ?
	       -errno : 0;
}

int sp_datapath_named(struct sp_datapath *dp, const struct sp_tuple *front, __u32 client_isn,
		      struct sp_named *ret_named)
{
	if (bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_named), front, ret_named))
		return -errno;
	return ret_named->client_isn == client_isn ? 0 : -ENOENT;
}

int sp_datapath_stash_put(struct sp_datapath *dp, const struct sp_stash_key *key,
			  const struct sp_stash_chunk *chunk)
{
	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.sp_stash), key, chunk, BPF_ANY) ?
	       -errno : 0;
}

int sp_datapath_stash_get(struct sp_datapath *dp, const struct sp_stash_key *key,
			  struct sp_stash_chunk *ret_chunk)
{
	return bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.sp_stash), key, ret_chunk) ? -errno :
	       0;
}

int sp_datapath_stash_del(struct sp_datapath *dp, const struct sp_stash_key *key)
{
	return bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.sp_stash), key) ? -errno : 0;
}

__u32 sp_datapath_stash_fronts(struct sp_datapath *dp, struct sp_tuple **ret_fronts)
{
	int fd = bpf_map__fd(dp->skel->maps.sp_stash);
	__u32 max = bpf_map__max_entries(dp->skel->maps.sp_stash), n = 0;
	struct sp_tuple *fronts = calloc(max, sizeof(*fronts));
	struct sp_stash_key key, *last = NULL;

	while (fronts && n < max && !bpf_map_get_next_key(fd, last, &key)) {
		if (!key.index)
			fronts[n++] = key.front;
		last = &key;
	}
	*ret_fronts = fronts;
	return n;
}
