/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fixture.h - the datapath, loaded but attached nowhere, in a network namespace with routes. */
#ifndef SP_TESTS_FIXTURE_H
#define SP_TESTS_FIXTURE_H

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>

#include "abi/query.h"
#include "abi/cookie.h"
#include "abi/patch.h"
#include "abi/policy.h"
#include "abi/drop.h"
#include "abi/event.h"
#include "abi/half.h"
#include "abi/service.h"
#include "abi/stats.h"
#include "l7/response_table.h"
#include "proxy.skel.h"
#include "packet.h"

#define TUPLE_IN(v6)	((v6) ? tuple_of("fd01::1", 40000, "fd09::80", 80) : tuple_of("10.1.0.1", 40000, "10.9.0.80", 80))
#define TUPLE_OUT(v6)	((v6) ? tuple_of("fd09::1", 23456, "fd09::2", 8080) : tuple_of("10.9.0.1", 23456, "10.9.0.2", 8080))

#define FRAME_MAX	4096

/* BPF_F_TEST_SKB_CHECKSUM_COMPLETE (Linux 6.15), younger than Debian 12's headers */
#define SUM_COMPLETE	(1U << 2)

/*
 * @prog: program that run() runs. @gso_size, @gso_segs, @mark: of the skb that run() makes; @skb:
 *		the skb afterwards.
 * @flags: of a run. @sum_flag: SUM_COMPLETE, if the kernel has it. @events: since the last call of
 *		listen_to().
 */
struct fixture {
	struct proxy_bpf	*skel;
	struct ring_buffer	*ring;
	struct sp_control	control;
	struct __sk_buff	skb;
	unsigned int		ifindex;
	struct bpf_program	*prog;
	__u32			gso_size, gso_segs, mark, flags, sum_flag;
	int			events;
	union {
		struct sp_event	event;		/* the last event */
		__u8		record[sizeof(struct sp_event) + FRAME_MAX];
	};
};

static inline __u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Time by the clock of heartbeats; 0 if the machine has been up for less. */
static inline __u64 heartbeat_ago(__u64 age_ns)
{
	__u64 ns = now_ns(CLOCK_MONOTONIC_COARSE);

	return ns > age_ns ? ns - age_ns : 0;
}

/* The namespace ends with the process. Neighbours are static: the peer interface never answers. */
static inline int make_net(struct fixture *f)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	if (system("ip link set lo up && ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 &&"
		   "ip link set v0 up && ip link set v1 up &&"
		   "ip addr add 10.9.0.1/24 dev v0 && ip addr add fd09::1/64 dev v0 nodad &&"
		   "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev v0 nud permanent &&"
		   "ip neigh add fd09::2 lladdr 02:00:00:00:00:09 dev v0 nud permanent &&"
		   "ip route add 10.1.0.0/24 via 10.9.0.2 && ip route add fd01::/64 via fd09::2 &&"
		   "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"))
		return -EIO;
	f->ifindex = if_nametoindex("v0");
	return f->ifindex ? 0 : -ENODEV;
}

static inline int set_control(struct fixture *f)
{
	__u32 zero = 0;

	return bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_control), &zero, &f->control,
				   BPF_ANY);
}

static inline int take_event(void *ctx, void *data, size_t size)
{
	struct fixture *f = ctx;

	f->events++;
	memcpy(f->record, data, size < sizeof(f->record) ? size : sizeof(f->record));
	return 0;
}

/* Return: records that the datapath has written since the last call. */
static inline int listen_to(struct fixture *f)
{
	f->events = 0;
	memset(f->record, 0xee, sizeof(f->record));
	ring_buffer__consume(f->ring);
	return f->events;
}

/* The test stays on one CPU: token buckets and counters are per CPU. */
static inline int stay_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
}

/* The program of mode adopt needs bpf_sk_assign_tcp_reqsk() (Linux 6.9) to be loaded. */
static inline int kernel_adopts(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int is_there = btf &&
		btf__find_by_name_kind(btf, "bpf_sk_assign_tcp_reqsk", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return is_there;
}

static inline int leave_out_adopt(struct proxy_bpf *skel)
{
	return bpf_program__set_autoload(skel->progs.sp_agent_adopt, kernel_adopts());
}

/* A frame of no splice is run with SUM_COMPLETE. */
static inline int kernel_tests_sums(struct fixture *f)
{
	__u8 frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame),
		    .flags = SUM_COMPLETE);

	return !bpf_prog_test_run_opts(bpf_program__fd(f->prog), &o);
}

static inline int fixture_open(struct fixture *f)
{
	int err = stay_here() ?: make_net(f);

	if (err)
		return err;
	f->skel = proxy_bpf__open();
	if (!f->skel)
		return -errno;
	bpf_map__set_max_entries(f->skel->maps.sp_halves, 1024);
	bpf_map__set_max_entries(f->skel->maps.sp_sources, 1024);
	sp_response_table_fill(&f->skel->rodata->response_table);
	err = leave_out_adopt(f->skel) ?: proxy_bpf__load(f->skel);
	if (err)
		return err;
	f->prog = f->skel->progs.sp_ingress;
	f->sum_flag = SUM_COMPLETE * kernel_tests_sums(f);
	f->ring = ring_buffer__new(bpf_map__fd(f->skel->maps.sp_events), take_event, f, NULL);
	return f->ring ? 0 : -errno;
}

/* The kernel's form: the new words and the complements of the old words, folded to 32 bits. */
static inline __u32 difference(const void *from, const void *to, int words)
{
	const __u32 *a = from, *b = to;
	__u64 sum = 0;

	while (words--)
		sum += (__u64)(__u32)~*a++ + *b++;
	while (sum >> 32)
		sum = (sum & 0xffffffff) + (sum >> 32);
	return sum;
}

static inline int put_half(struct fixture *f, const struct sp_tuple *in, const struct sp_half *half)
{
	struct sp_entry e = { .half = *half };

	e.state.addr_csum = difference(&in->saddr, &half->out.saddr, 8);
	e.state.port_csum = difference(&in->sport, &half->out.sport, 1);
	return bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), in, &e, BPF_ANY);
}

static inline void fixture_close(struct fixture *f)
{
	ring_buffer__free(f->ring);
	proxy_bpf__destroy(f->skel);
}

/* @out: FRAME_MAX bytes. Return: the verdict, or -1000 if the kernel did not run the program. */
static inline int run(struct fixture *f, const __u8 *in, __u32 len, __u8 *out, __u32 *out_len,
		      int repeat, __u32 *ns)
{
	int is_out = f->prog == f->skel->progs.sp_egress;	/* sent by this machine */
	struct __sk_buff ctx = { .ingress_ifindex = is_out ? 0 :
				 f->ifindex, .ifindex = f->ifindex, .mark = f->mark,
				 .gso_size = f->gso_size, .gso_segs = f->gso_segs };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_size_in = len, .data_out = out,
		    .data_size_out = FRAME_MAX, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &f->skb, .ctx_size_out = sizeof(f->skb), .repeat = repeat,
		    .flags = f->flags);

	*out_len = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(f->prog), &o))
		return -1000;
	*out_len = o.data_size_out;
	if (ns)
		*ns = o.duration;
	return (int)o.retval;
}

static inline __u64 sum_of_cpus(int fd, __u32 key)
{
	__u64 n[1024], sum = 0;

	if (bpf_map_lookup_elem(fd, &key, n))
		return 0;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += n[i];
	return sum;
}

static inline __u64 drops(struct fixture *f, __u32 reason)
{
	return sum_of_cpus(bpf_map__fd(f->skel->maps.sp_drops), reason);
}

static inline __u64 stat_of(struct fixture *f, __u32 stat)
{
	return sum_of_cpus(bpf_map__fd(f->skel->maps.sp_stats), stat);
}

#endif
