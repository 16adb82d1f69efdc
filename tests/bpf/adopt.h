/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * adopt.h - a splice whose backend is this machine (v0 of fixture.h), and its client's first
 * segment.
 */
#ifndef SP_TESTS_ADOPT_H
#define SP_TESTS_ADOPT_H

#include "check.h"

#define CLIENT_ISN	0xfffffff0
#define CLIENT_MSS	1300
#define CLIENT_WSCALE	7
#define OUR_WSCALE	5
#define SERVED_PORT	8080
#define ADOPTED		(SP_HALF_F_SPLIT | SP_HALF_F_ADOPTED)
#define SPLICED_S	1764014433	/* in the middle of a period */
#define PERIOD		(SPLICED_S / (__u32)(SP_COOKIE_PERIOD_NS / 1000000000))

/* main() ends with 77 if the kernel cannot adopt: 77 tells Meson that the test was skipped. */
static inline int skipped_without_adopt(void)
{
	if (kernel_adopts())
		return 0;
	print_message("skipped: bpf_sk_assign_tcp_reqsk() is missing, Linux 6.9 has it\n");
	return 77;
}

static const __u64 cookie_keys[3][2] = { { 11, 12 }, { 13, 14 }, { 15, 16 } };

/* proxy -> backend */
static inline struct sp_tuple at_host(int is_v6)
{
	return is_v6 ? tuple_of("fd09::2", 23456, "fd09::1", SERVED_PORT) :
		       tuple_of("10.9.0.2", 23456, "10.9.0.1", SERVED_PORT);
}

static inline struct sp_tuple from_host(int is_v6)
{
	struct sp_tuple t = at_host(is_v6);

	return sp_tuple_reverse(&t);
}

/* Both halves are installed, unused. */
static inline void put_adopted(struct fixture *f, int is_v6, __u32 client_isn)
{
	struct sp_half up = { .out = at_host(is_v6), .spliced_s = SPLICED_S, .flags = ADOPTED,
			      .tsecr_delta = -sp_half_adopted(CLIENT_MSS, OUR_WSCALE) };
	struct sp_entry e = { .half = up, .meta.client_isn = client_isn,
			      .state.seen_ns = now_ns(CLOCK_MONOTONIC_COARSE) };
	struct sp_tuple front = TUPLE_IN(is_v6), down = from_host(is_v6);
	int fd = bpf_map__fd(f->skel->maps.sp_halves);

	assert_int_equal(bpf_map_update_elem(fd, &front, &e, BPF_ANY), 0);
	e.half = sp_half_turn(&up, &front, 0);
	e.state.last_ack = client_isn + 1;
	assert_int_equal(bpf_map_update_elem(fd, &down, &e, BPF_ANY), 0);
}

static inline struct sp_entry entry_of(struct fixture *f, const struct sp_tuple *key)
{
	struct sp_entry e;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(f->skel->maps.sp_halves), key, &e), 0);
	return e;
}

static inline void set_entry(struct fixture *f, const struct sp_tuple *key,
			     const struct sp_entry *e)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_halves), key, e,
					     BPF_EXIST), 0);
}

/* The answer to the client. @data: sp_cookie_data() */
static inline __u32 cookie(int is_v6, const __u64 key[2], __u32 client_isn, __u32 period,
			   __u32 data)
{
	struct sp_cookie_in in = { .tuple = TUPLE_IN(is_v6), .client_isn = client_isn };

	return sp_cookie_make(key, &in, period, data);
}

/*
 * A first segment as the proxy sends it. The client has offered every option. The clock of a later
 * connection is behind.
 */
static inline struct packet first_segment(int is_v6, __u32 client_isn)
{
	static const __u8 timestamps[12] = { 1, 1, 8, 10, 0, 0, 0, 0, 0x44, 0x55, 0x66, 0x77 };
	const __u8 data = sp_cookie_data(3, CLIENT_WSCALE, 1);
	struct packet p = {
		.tuple = at_host(is_v6), .is_v6 = is_v6, .ttl = 62, .is_df = 1,
		.seq = client_isn + 1,
		.ack = 1 + cookie(is_v6, cookie_keys[0], client_isn, PERIOD, data),
		.flags = ACK | PSH, .window = 30000, .opt_len = sizeof(timestamps), .payload = 37,
	};

	memcpy(p.opt, timestamps, sizeof(timestamps));
	put32(p.opt + 4, 0x00112233 - (client_isn - CLIENT_ISN) / 16);
	return p;
}

/*
 * Start without halves and queries: the daemon lives and has two keys, the port is served, and
 * proxies are known.
 */
static inline void begin_adopt(struct fixture *f, int is_v6)
{
	struct sp_tuple front = TUPLE_IN(is_v6), at = at_host(is_v6), down = from_host(is_v6);
	struct sp_listen served = { .addr = at.daddr, .port = at.dport };
	struct sp_snat all = { 1, 65535 };
	__u32 nothing = 0;

	f->prog = f->skel->progs.sp_agent_adopt;
	f->mark = 0;
	f->control = (struct sp_control){ .heartbeat_ns = now_ns(CLOCK_MONOTONIC_COARSE),
					  .key_count = 2 };
	memcpy(f->control.cookie_key, cookie_keys, sizeof(f->control.cookie_key));
	assert_int_equal(set_control(f), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_origins), &served,
					     &nothing, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(f->skel->maps.sp_snats), &at.saddr, &all,
					     BPF_ANY), 0);
	remove_half(f, &front);
	remove_half(f, &down);
	bpf_map_delete_elem(bpf_map__fd(f->skel->maps.sp_queries), &at);
	listen_to(f);
}

static inline int make_listener(int is_v6, int protocol)
{
	struct sp_tuple t = at_host(is_v6);
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = t.dport,
				  .sin_addr.s_addr = t.daddr.w[3] };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = t.dport };
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, protocol), one = 1;

	memcpy(&v6.sin6_addr, &t.daddr, sizeof(v6.sin6_addr));
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, is_v6 ? (void *)&v6 : (void *)&v4, is_v6 ? sizeof(v6) :
			      sizeof(v4)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* The packet goes to the stack unchanged; @reason, unless 0, is counted. */
static inline void check_to_stack(struct fixture *f, const char *name, const struct packet *p,
				  __u32 reason)
{
	__u64 before = drops(f, reason);
	__u8 in[FRAME_MAX];
	__u32 len = build(p, in);

	check_untouched(f, name, p->is_v6, in, len);
	if (drops(f, reason) != before + !!reason)
		fail_msg("%s: reason %u counted %d times", name, reason,
			 (int)(drops(f, reason) - before));
	assert_int_equal(listen_to(f), 0);
}

#endif
