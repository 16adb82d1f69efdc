/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* check.h - functions shared by the datapath's tests. */
#ifndef SP_TESTS_CHECK_H
#define SP_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#define COUNT(table)	(sizeof(table) / sizeof((table)[0]))
#define for_each_family(v6) for (int v6 = 0; v6 < 2; v6++)

static inline int open_all(void **state)
{
	static struct fixture f;

	*state = &f;
	return fixture_open(&f);
}

static inline int close_all(void **state)
{
	fixture_close(*state);
	return 0;
}

/* A segment of a client, with numbers that wrap. */
static inline struct packet plain_packet(int is_v6)
{
	return (struct packet){ .tuple = TUPLE_IN(is_v6), .is_v6 = is_v6, .ttl = 61, .id = 0x1234,
				.is_df = 1,
				.seq = 0xfffffff0, .ack = 0x01020304, .flags = ACK,
				.window = 0x1357, .payload = 37 };
}

static inline struct sp_half full_half(int is_v6)
{
	return (struct sp_half){ .out = TUPLE_OUT(is_v6), .seq_delta = 0x12345678,
				 .ack_delta = 0xfedcba98,
				 .tsval_delta = 0x0badcafe, .tsecr_delta = 0xdeadbeef };
}

/* The half of the reverse direction. */
static inline struct sp_half peer_half(int is_v6)
{
	struct sp_tuple in = TUPLE_IN(is_v6);
	struct sp_half up = full_half(is_v6);

	return (struct sp_half){ .out = sp_tuple_reverse(&in), .flags = SP_HALF_F_FROM_BACKEND,
				 .seq_delta = -up.ack_delta, .ack_delta = -up.seq_delta,
				 .tsval_delta = -up.tsecr_delta, .tsecr_delta = -up.tsval_delta };
}

/* Both halves are installed, unused. */
static inline void put_splice(struct fixture *f, int is_v6)
{
	struct sp_half up = full_half(is_v6), down = peer_half(is_v6);
	struct sp_tuple from_client = TUPLE_IN(is_v6), from_backend = sp_tuple_reverse(&up.out);

	assert_int_equal(put_half(f, &from_client, &up), 0);
	assert_int_equal(put_half(f, &from_backend, &down), 0);
}

static inline void remove_half(struct fixture *f, const struct sp_tuple *key)
{
	bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_halves), key);
}

static inline struct sp_half_state state_of(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_entry e;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, &e), 0);
	return e.state;
}

#define SERVICE_PORT	443

/* A service at the client's destination, and a daemon that lives. */
static inline void put_service(struct fixture *f, int is_v6, __u8 more_flags)
{
	struct sp_tuple t = TUPLE_IN(is_v6);
	struct sp_listen at = { .addr = t.daddr, .port = htons(SERVICE_PORT) };
	struct sp_service svc = { .mss = 1400, .mss_max = 1400, .window = 0x7654, .wscale = 7,
				  .flags = more_flags |
				  SP_SERVICE_F_SACK | SP_SERVICE_F_TIMESTAMPS |
				  SP_SERVICE_F_WSCALE };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_services), &at, &svc,
					     BPF_ANY), 0);
	f->control = (struct sp_control){ .heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE),
					  .key_count = 1,
					  .cookie_key = { { 0x1122334455667788,
							    0x99aabbccddeeff00 } }, .period = 77 };
	assert_int_equal(set_control(f), 0);
}

static inline void check_same(const char *name, int is_v6, const __u8 *want, __u32 want_len,
			      const __u8 *out, __u32 out_len)
{
	if (want_len != out_len || memcmp(want, out, out_len))
		print_error("case: %s, %s\n", name, is_v6 ? "IPv6" : "IPv4");
	assert_int_equal(out_len, want_len);
	assert_memory_equal(out, want, want_len);
}

static inline void check_run(struct fixture *f, const char *name, const __u8 *in, __u32 in_len,
			     int verdict, __u8 *out, __u32 *ret_len)
{
	int is = run(f, in, in_len, out, ret_len, 1, NULL);

	if (is != verdict)
		fail_msg("%s: verdict %d instead of %d", name, is, verdict);
}

/*
 * The same check, for a packet with a sum over the whole packet, made by the card
 * (CHECKSUM_COMPLETE). The sum must stay right.
 */
static inline void check_run_summed(struct fixture *f, const char *name, const __u8 *in,
				    __u32 in_len,
				    int verdict, __u8 *out, __u32 *ret_len)
{
	f->flags = f->sum_flag;
	check_run(f, name, in, in_len, verdict, out, ret_len);
	f->flags = 0;
}

static inline void check_untouched(struct fixture *f, const char *name, int is_v6, const __u8 *in,
				   __u32 len)
{
	__u8 out[FRAME_MAX];
	__u32 out_len;

	check_run(f, name, in, len, TC_ACT_UNSPEC, out, &out_len);
	check_same(name, is_v6, in, len, out, out_len);
}

/* The verdict must be the fate that the list of reasons has for this program. */
static inline void check_fate(struct fixture *f, const char *name, int verdict, __u32 reason)
{
	int is_out = f->prog == f->skel->progs.sp_egress,
		is_proxy = f->prog == f->skel->progs.sp_ingress;
	enum sp_fate fate = sp_drop_fate(is_proxy ? SP_DROP_AT_PROXY : is_out ?
					 SP_DROP_AT_AGENT_OUT : SP_DROP_AT_AGENT_IN, reason);
	int wanted = is_out ? TC_ACT_REDIRECT : TC_ACT_SHOT;

	if (fate == SP_FATE_STACK)
		wanted = TC_ACT_UNSPEC;
	if (fate == SP_FATE_ANSWER)
		wanted = TC_ACT_REDIRECT;
	if (fate == SP_FATE_NONE || verdict != wanted)
		fail_msg("%s: verdict %d, but reason %u has fate %d here", name, verdict, reason,
			 fate);
}

/* The reason must be counted once, too. */
static inline void check_reason(struct fixture *f, const char *name, const __u8 *in, __u32 len,
				int verdict, __u32 reason)
{
	__u64 before = drops(f, reason);
	__u8 out[FRAME_MAX];
	__u32 out_len;

	check_fate(f, name, verdict, reason);
	check_run(f, name, in, len, verdict, out, &out_len);
	if (drops(f, reason) != before + 1)
		fail_msg("%s: reason counted %d times", name, (int)(drops(f, reason) - before));
}

static inline void check_dropped(struct fixture *f, const char *name, const struct packet *p,
				 __u32 reason)
{
	__u8 in[FRAME_MAX];
	__u32 len = build(p, in);

	check_reason(f, name, in, len, TC_ACT_SHOT, reason);
}

/* No more packets of @who (see bpf/upcall.bpf.h) may go up until the coarse clock moves. */
static inline void empty_bucket(struct fixture *f, __u32 who)
{
	struct { __u64 filled_ns, tokens; } empty[1024] = { 0 };

	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		empty[cpu].filled_ns = now_ns(CLOCK_MONOTONIC_COARSE);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_buckets), &who, empty,
					     BPF_ANY), 0);
}

/* Each attempt takes another port of the proxy. The clock may move during an attempt. */
static inline void check_limited(struct fixture *f, const struct packet *packet, __u32 who,
				 int verdict)
{
	__u64 before = drops(f, SP_DROP_RATE_LIMITED);
	struct packet p = *packet;
	__be16 *port = f->prog == f->skel->progs.sp_egress ? &p.tuple.dport : &p.tuple.sport;
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	int is = -1;
	__u32 len;

	for (int i = 0; i < 100 && drops(f, SP_DROP_RATE_LIMITED) == before; i++) {
		listen_to(f);
		*port = htons(30000 + i);
		len = build(&p, in);
		empty_bucket(f, who);
		is = run(f, in, len, out, &len, 1, NULL);
	}
	assert_int_equal(is, verdict);
	assert_int_equal(drops(f, SP_DROP_RATE_LIMITED), before + 1);
	assert_int_equal(listen_to(f), 0);
	usleep(20000);		/* some tokens for later packets */
}

static inline void add_at(__u8 *p, __u32 delta)
{
	put32(p, get32(p) + delta);
}

/* Naive on purpose: byte by byte, without the usual layouts. */
static inline void expect_options(struct packet *p, const struct sp_half *h)
{
	for (__u32 i = 0; i < p->opt_len && p->opt[i] != 0; i += p->opt[i] == 1 ? 1 :
	     p->opt[i + 1]) {
		if (p->opt[i] == 8) {
			add_at(p->opt + i + 2, h->tsval_delta);
			if (get32(p->opt + i + 6))
				add_at(p->opt + i + 6, h->tsecr_delta);
		}
		for (__u32 j = 2; p->opt[i] == 5 && j < p->opt[i + 1]; j += 4)
			add_at(p->opt + i + j, h->ack_delta);
	}
}

static inline struct packet expect_carried(struct packet p, const struct sp_half *h)
{
	p.tuple = h->out;
	p.ttl--;
	p.seq += h->seq_delta;
	if (p.flags & ACK)
		p.ack += h->ack_delta;
	expect_options(&p, h);
	return p;
}

static inline void check_bytes(const char *name, const struct packet *want, const __u8 *out,
			       __u32 out_len)
{
	__u8 frame[FRAME_MAX];
	__u32 len = build(want, frame);

	check_same(name, want->is_v6, frame, len, out, out_len);
	assert_int_equal(tcp_sum(out, out_len, want->is_v6), 0xffff);
	if (!want->is_v6)
		assert_int_equal(ip_sum(out), 0xffff);
}

/* The installed half carries the packet. */
static inline void check_forwarded(struct fixture *f, const char *name, const struct packet *p,
				   const struct packet *want)
{
	__u8 in[FRAME_MAX], out[FRAME_MAX];
	__u32 len = build(p, in);

	check_run_summed(f, name, in, len, TC_ACT_REDIRECT, out, &len);
	check_bytes(name, want, out, len);
}

static inline void check_carried(struct fixture *f, const char *name, const struct packet *p,
				 const struct sp_half *h, const struct packet *want)
{
	assert_int_equal(put_half(f, &p->tuple, h), 0);
	check_forwarded(f, name, p, want);
}

#endif
